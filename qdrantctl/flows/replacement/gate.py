"""The gate of a replacement: what must hold before the aliases move."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qdrantctl.adapters.secrets.redact import redact
from qdrantctl.adapters.system.commands import run_command
from qdrantctl.flows.cluster.indexing import WAIT_TIMEOUT, IndexState, wait_until_indexed
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.replacement.gate_points import GatePoints, check_counts, check_sample
from qdrantctl.flows.replacement.recall import measure_recall
from qdrantctl.kinds.collection.payload_indexes import canonical_payload_index
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.collection_status import YELLOW
from qdrantctl.model.errors import ClusterError, SettingsError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.object_names import SAME_NAMES
from qdrantctl.model.replacement import ReplacementSettings
from qdrantctl.model.replacement_gate import CheckName, GateCheck, GateResult
from qdrantctl.model.step import Call, collection_path

VERIFY_SECONDS = 3600.0
"""How long `verify.command` may take."""
_SHOWN_OUTPUT = 1000
_BAD_REQUEST = 400


@dataclass(frozen=True, slots=True)
class Gate:
    """What is checked, and with what."""

    job: JobContext
    settings: ReplacementSettings
    spec: Mapping[str, Any]
    """The canonical spec of the new collection."""
    old: str
    new: str
    """Names on the cluster."""
    points: GatePoints
    folder: Path
    """The project's, in which `verify.command` runs."""
    environ: Mapping[str, str]
    catch_up: Callable[[], int] | None = None
    """Carries over what was written to the old collection, and returns how many points that were;
    None where applications or another program do."""
    api_key: str | None = None


def check_gate(gate: Gate) -> GateResult:
    """Wait for the index, and check all that is asked for.

    The wait may be long, so what was written meanwhile is carried over before points are compared.
    The user's command comes last, if everything else has passed. Raises ClusterError,
    QdrantctlError if the caller cancelled, and what `catch_up` raises.
    """
    checks = [_check_optimizers(gate), _check_payload_indexes(gate)]
    gate.job.raise_if_cancelled()
    late = gate.catch_up() if gate.catch_up else 0
    if gate.settings.verify.counts:
        checks.append(check_counts(gate.points, late))
    if gate.settings.verify.sample:
        checks.append(check_sample(gate.points, gate.catch_up))
    gate.job.raise_if_cancelled()
    if gate.settings.verify.recall_at_10 is not None:
        checks.append(_check_recall(gate, gate.settings.verify.recall_at_10))
    result = GateResult(checks=tuple(checks))
    if gate.settings.verify.command and result.passed:
        return GateResult(checks=(*checks, _run_check(gate, gate.settings.verify.command)))
    return result


def check_points_once(gate: Gate) -> GateResult:
    """Whether another program has filled the new collection: its points alone, without waiting.

    Raises ClusterError.
    """
    points = replace(gate.points, patience=0.0)
    checks = [check_counts(points, 0)] if gate.settings.verify.counts else []
    if gate.settings.verify.sample and all(check.passed for check in checks):
        checks.append(check_sample(points, None))
    return GateResult(checks=tuple(checks))


def _check_optimizers(gate: Gate) -> GateCheck:
    address, job = Address("collection", gate.new), gate.job
    task = f"{address}: {YELLOW}, indexing"
    timeout = WAIT_TIMEOUT if job.wait_timeout is None else job.wait_timeout

    def show(state: IndexState) -> None:
        if state.status == YELLOW:
            job.progress.show_amount(task, state.indexed, state.points, "points")

    try:
        states = wait_until_indexed(
            job.client, [address], SAME_NAMES, timeout, show, job.is_cancelled
        )
    finally:
        job.progress.end_task(task)
    # Where indexing is switched off in the manifest, the collection is as it should be.
    wrong = [state for state in states if not state.is_green]
    text = "; ".join(state.describe(timeout) for state in wrong) or "green, nothing is left to do"
    status = wrong[0].status if wrong else "green"
    return GateCheck(
        name=CheckName.OPTIMIZERS, passed=not wrong, text=text, figures={"status": status}
    )


def _check_payload_indexes(gate: Gate) -> GateCheck:
    """Every index of the manifest, on every node that has an address."""
    desired: Mapping[str, Json] = gate.spec.get("payload_indexes") or {}
    flaws: list[str] = []
    for url in gate.job.nodes or ("",):
        node = gate.job.client.for_node(url, timeout=60.0)
        with closing(node):
            where = f" on {url}" if url else ""
            flaws += [f"{flaw}{where}" for flaw in _find_index_flaws(node, gate.new, desired)]
    text = "; ".join(flaws) or f"all {len(desired)} are there"
    figures = {"indexes": len(desired), "nodes": len(gate.job.nodes or ("",))}
    return GateCheck(name=CheckName.PAYLOAD_INDEXES, passed=not flaws, text=text, figures=figures)


def _find_index_flaws(client: Client, name: str, desired: Mapping[str, Json]) -> Iterator[str]:
    info = client.request(Call(method="GET", path=collection_path(name)))
    live = {
        field: canonical_payload_index(entry.get("params") or {"type": entry["data_type"]})
        for field, entry in info["payload_schema"].items()
    }
    for field, index in desired.items():
        if field not in live:
            yield f"the index of {field} is missing"
        for name, value in index.items():
            # A server leaves out what is as by default.
            if field in live and live[field].get(name, value) != value:
                yield f"the index of {field} has {name} {live[field][name]}, not {value}"


def _check_recall(gate: Gate, least: float) -> GateCheck:
    """Failed as well where it cannot be measured: the manifest asks for it."""
    name = CheckName.RECALL
    strict = gate.spec.get("strict_mode_config") or {}
    if strict.get("enabled") and strict.get("search_allow_exact") is False:
        text = "cannot be measured: search_allow_exact is false in strict mode"
        return GateCheck(name=name, passed=False, text=text)
    try:
        shares = measure_recall(gate.job, gate.new, gate.spec, gate.points)
    except ClusterError as error:
        if not (error.from_qdrant and error.status == _BAD_REQUEST):
            raise
        return GateCheck(name=name, passed=False, text=f"cannot be measured: {error.line}")
    listed = (f"{share:.3f}{f' by {vector}' if vector else ''}" for vector, share in shares.items())
    text = f"{', '.join(listed) or 'no dense vector'}; at least {least:g} is asked for"
    passed = all(share >= least for share in shares.values())
    return GateCheck(name=name, passed=passed, text=text, figures=dict(shares))


def _run_check(gate: Gate, argv: list[str]) -> GateCheck:
    """The user's program. It inherits the environment, as every command of a project does."""
    name = f"the command {argv[0]!r} of verify"
    variables = {
        "QDRANT_URL": gate.job.client.server.url,
        "QDRANTCTL_OLD_COLLECTION": gate.old,
        "QDRANTCTL_NEW_COLLECTION": gate.new,
    }
    gate.job.report_progress(f"verify: running {argv[0]}")
    try:
        output = run_command(
            argv,
            gate.folder,
            {**gate.environ, **variables},
            name=name,
            instead="Remove verify.command where commands are not allowed.",
            seconds=VERIFY_SECONDS,
        )
    except SettingsError as error:
        return GateCheck(name=CheckName.COMMAND, passed=False, text=error.line)
    shown = (output.stdout + output.stderr).decode(errors="replace").strip()[-_SHOWN_OUTPUT:]
    shown = "".join(c for c in shown if c.isprintable() or c == "\n")
    text = f"{argv[0]} exited with code {output.exit_code}"
    text += f": {redact(shown, gate.api_key)}" if shown else ""
    return GateCheck(
        name=CheckName.COMMAND,
        passed=output.exit_code == 0,
        text=text,
        figures={"exit_code": output.exit_code},
    )
