"""The performer of `SwitchAliases`: all aliases move in one request, and no write is lost.

With `writers: live` writes to the source are refused first, and what was written is carried over.
Otherwise a point that is inserted there before the switch, and deleted through an alias after it,
could not be told from one that is still to be carried over: it would come back. Where a whole pass
is quick, it carries over all that was written, and nothing or deletions are left for the sweep;
else a pass over ids alone keeps the pause short.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.replacement_records import replacement_entry
from qdrantctl.flows.cluster.nodes import JobContext, ask_nodes
from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext
from qdrantctl.flows.replacement.freeze import allow_writes, read_caps, refuse_writes
from qdrantctl.flows.replacement.identity import ensure_both_stand
from qdrantctl.flows.replacement.passes.carry_over import carry_over_keys
from qdrantctl.flows.replacement.passes.catch_up import catch_up
from qdrantctl.flows.replacement.replicas import read_while_active, wait_for_replicas
from qdrantctl.flows.replacement.run import ReplacementRun, format_moment
from qdrantctl.flows.replacement.stores import open_passes, warm_up
from qdrantctl.flows.state.ledger_entry import applied_entry
from qdrantctl.flows.state.live import read_collection
from qdrantctl.model.client import Client, NodeClient
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.replacement import Phase
from qdrantctl.model.step import Call, SwitchAliases

LONGEST_PAUSE = 30.0
"""Seconds for which writes may be refused so that a whole pass is made before the switch."""
ALIASES_AGREE_WITHIN = 2.0
"""Seconds until every node of a cluster knows a change that one of them has answered."""


def switch_aliases(
    step: SwitchAliases, progress: ChangeProgress, _: ExecutionContext, run: ReplacementRun
) -> None:
    """Move the aliases of the source to the target, and record it. Raises StepFailure."""
    was_interrupted = run.record.phase is Phase.SWITCH
    run.enter_phase(Phase.SWITCH)
    with run.hold_project() as project:
        ensure_both_stand(project, run.record)
        if not _have_moved(step, project):
            try:
                _move_aliases(step, run, project, was_interrupted=was_interrupted)
            except BaseException:
                with suppress(QdrantctlError):
                    if not _have_moved(step, project):
                        thaw_collection(run, step.source)
                raise
        _wait_for_aliases(step, run.job, project)
        _write_switched(progress, run, project)
    thaw_collection(run, step.source)


def thaw_collection(run: ReplacementRun, collection: str) -> None:
    """Allow writes again, if a run has had them refused. Raises ClusterError."""
    if (caps := run.record.frozen_caps) is not None:
        allow_writes(run.client, collection, caps)
        run.save(frozen_caps=None)


def _move_aliases(
    step: SwitchAliases, run: ReplacementRun, project: NodeClient, *, was_interrupted: bool
) -> None:
    if run.terms.writers == "live" and run.record.carries:
        with open_passes(run, step.source, step.target) as context:
            warm_up(context)
            wait_for_replicas(run.job, step.source)
            if run.record.frozen_caps is None:
                run.save(frozen_caps=read_caps(project, step.source))
            caps = run.record.frozen_caps or {}
            refuse_writes(run.job, step.source, caps, context.shard_keys)
            # After an interruption the target may hold points that only the interrupted pass knew,
            # and that were deleted since.
            is_whole = was_interrupted or run.record.pass_seconds <= LONGEST_PAUSE
            carry_over = catch_up if is_whole else carry_over_keys
            read_while_active(run.job, (step.source,), partial(carry_over, context))
    run.ensure_running()
    aliases = _aliases_of(step.source, project)
    project.request(move_request(aliases or step.aliases, step.target))


def move_request(aliases: tuple[str, ...], target: str) -> Call:
    """One request that moves all: creating an alias that exists leads it to another collection."""
    actions = [
        {"create_alias": {"alias_name": alias, "collection_name": target}} for alias in aliases
    ]
    return Call(method="POST", path="/collections/aliases", body={"actions": actions})


def _have_moved(step: SwitchAliases, client: Client) -> bool:
    """Whether an earlier run has moved the aliases: the target is in use then."""
    leading = read_alias_targets(client)
    return any(leading.get(alias) == step.target for alias in step.aliases)


def _aliases_of(collection: str, client: Client) -> tuple[str, ...]:
    return tuple(sorted(a for a, name in read_alias_targets(client).items() if name == collection))


def read_alias_targets(client: Client) -> Mapping[str, str]:
    """Alias -> collection. Raises ClusterError."""
    listed = client.request(Call(method="GET", path="/aliases"))["aliases"]
    return {entry["alias_name"]: entry["collection_name"] for entry in listed}


def _wait_for_aliases(step: SwitchAliases, job: JobContext, client: NodeClient) -> None:
    """Read the aliases back on every node. Raises ClusterError.

    A part of them may have moved if the request was cut: the rest is sent again.
    """
    if remaining := _aliases_of(step.source, client):
        client.request(move_request(remaining, step.target))

    def look(node: Client) -> tuple[str, ...]:
        return poll(
            partial(_aliases_of, step.source, node),
            lambda found: not found,
            timeout=ALIASES_AGREE_WITHIN,
        )

    for url, remaining in ask_nodes(job, look, ALIASES_AGREE_WITHIN).items():
        if remaining:
            raise ClusterError(
                f"{url or client.server.url}: {', '.join(remaining)} still lead to {step.source}",
                hint="Run the command again: it moves the rest.",
            )
    if client.server.peers > 1 and not job.nodes:
        time.sleep(ALIASES_AGREE_WITHIN)


def _write_switched(progress: ChangeProgress, run: ReplacementRun, client: NodeClient) -> None:
    """Record in one request that the new collection is the current one."""
    record, change = run.record, progress.change
    moment = client.server_time
    entries = ledger.read_ledger(client).entries
    before: Mapping[str, Json] = entries.get(record.address, {})
    live = read_collection(client, record.address, record.new.name)
    entry = applied_entry(
        change.model_copy(update={"record": record.entry}),
        before,
        live,
        client.server,
        run.actor,
        format_moment(moment),
    )
    entry |= {"object": record.new.name, "url": client.server.url}
    switched = record.model_copy(
        update={"phase": Phase.SWEEP, "switched": format_moment(moment), "done": 0, "rate": 0.0}
    )
    ledger.write_entries(client, [entry, replacement_entry(switched)])
    run.record = switched
    progress.entry = entry
