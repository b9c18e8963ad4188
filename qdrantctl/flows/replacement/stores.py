"""Both sides of a replacement for its passes: where the points are, and how they are converted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from qdrantctl.adapters.project.settings import resolve_settings
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.ledger import read_ledger
from qdrantctl.adapters.qdrant.points.opening import (
    Form,
    choose_form,
    open_point_store,
    reads_alike,
)
from qdrantctl.engine.planning.vector_shapes import keeps_points
from qdrantctl.flows.cluster.connect import connect, find_endpoint
from qdrantctl.flows.replacement.command_fill import CommandFill, open_command_fill
from qdrantctl.flows.replacement.passes.context import (
    Conversion,
    PassContext,
    ServerConversion,
    ShardKey,
    StorePair,
)
from qdrantctl.flows.replacement.run import ReplacementRun
from qdrantctl.flows.state.live import read_collection, read_object_names
from qdrantctl.model.errors import ClusterError, StaleError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.polling import poll
from qdrantctl.model.resource import Resource
from qdrantctl.model.step import Call, collection_path

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings

TARGET_LOOK_INTERVAL = 1.0
"""Seconds between two looks at the state of the target."""
LONG_QUEUE = 1000
"""Writes in the queue of the target from which on it gets no more for a while (since 1.17)."""
RED = "red"


@dataclass(frozen=True, slots=True)
class Source:
    """The source of the points: its settings, which may be of another environment."""

    settings: Settings
    name: str
    collection: Resource


@contextmanager
def open_passes(run: ReplacementRun, source: str, target: str) -> Iterator[PassContext]:
    """What the passes from `source` to `target` work with, until the block ends.

    Raises StaleError if one of them is gone, ClusterError, CommandError.
    """
    origin = find_source(run, source)
    new = _require(read_collection(run.client, run.record.address, target), target)
    conversion = _open_conversion(run, origin.collection, new)
    meter = Meter(run)
    watch = TargetWatch(run, target)
    origin_endpoint, endpoint = find_endpoint(origin.settings), find_endpoint(run.settings)
    form = _pin_form(run, origin, origin_endpoint, endpoint)

    def open_pair(shard_key: ShardKey) -> StorePair:
        return StorePair(
            open_point_store(origin_endpoint, origin.name, shard_key, form),
            open_point_store(endpoint, target, shard_key, form),
        )

    context = PassContext(
        replacement_id=run.record.id,
        open_pair=open_pair,
        conversion=conversion,
        writers="live" if run.record.returning else run.terms.writers,
        folder=run.folder,
        shard_keys=read_shard_keys(origin.collection),
        rate=run.terms.rate,
        is_cancelled=run.is_stopped,
        report_progress=meter.show_done,
        wait_for_target=watch.wait_until_ready,
        save_cursors=meter.save_cursors,
    )
    try:
        yield context
        if isinstance(conversion, CommandFill):
            conversion.raise_unconverted(run.record.address)
    finally:
        meter.end()


def _pin_form(
    run: ReplacementRun, origin: Source, origin_endpoint: Endpoint, endpoint: Endpoint
) -> Form:
    """The form in which the points of this replacement are read and written; the record keeps it.

    Digests of another form say nothing. Before the switch the comparison can begin again with one;
    after it a point that differs could not be told from one that changed. Raises ClusterError.
    """
    pinned = run.record.form
    if pinned == "json":
        return pinned
    form = choose_form((origin_endpoint, endpoint))
    if pinned == form:
        return form
    if pinned and run.record.phase.is_after_switch:
        raise ClusterError(
            f"{endpoint.url}: gRPC cannot be reached, over which the points were compared",
            hint="Name its port with grpc_port in the environment, and run the command again.",
        )
    keys = read_shard_keys(origin.collection)
    if form == "wire" and not all(reads_alike(origin_endpoint, origin.name, k) for k in keys):
        form = "json"
    run.save(form=form)
    return form


def warm_up(passes: PassContext) -> None:
    """Have a fill command load its model, for which no refused upsert is to wait.

    Raises ClusterError, CommandError.
    """
    if isinstance(passes.conversion, CommandFill):
        with closing(passes.open_pair(passes.shard_keys[0])) as pair:
            passes.conversion.warm_up(pair.source)


def find_source(run: ReplacementRun, name: str) -> Source:
    """The collection that the points come from. Raises StaleError if it is gone, ClusterError."""
    address, other = run.record.address, run.terms.source
    if other is None or run.record.returning:
        live = _require(read_collection(run.client, address, name), name)
        return Source(run.settings, name, live)
    settings = resolve_settings(
        directory=run.settings.root,
        files=(),
        url=None,
        environment=other.environment,
        need_server=True,
        today=date.today(),
        environ=os.environ,
    )
    with connect(settings, None) as client:
        name = read_object_names(read_ledger(client)).object_name(address)
        return Source(settings, name, _require(read_collection(client, address, name), name))


def _require(live: Resource | None, name: str) -> Resource:
    if live is None:
        raise StaleError(f"{name} is gone from the cluster", hint="Plan again.")
    return live


def read_shard_keys(source: Resource) -> tuple[ShardKey, ...]:
    """The shard keys of a collection; None alone stands for a collection without them."""
    return tuple(entry["key"] for entry in source.spec.get("shard_keys", ())) or (None,)


def _open_conversion(run: ReplacementRun, source: Resource, target: Resource) -> Conversion:
    if run.terms.fill == "command" and not run.record.returning:
        run.command_fill = run.command_fill or open_command_fill(
            run.terms,
            target.spec,
            run.settings.root,
            os.environ,
            api_key=run.settings.api_key,
            is_cancelled=run.job.is_cancelled,
        )
        return run.command_fill
    is_identity = keeps_points(source.spec, target.spec)
    if run.record.returning:  # what the way forth has rounded is not to be written back
        is_identity &= keeps_points(target.spec, source.spec)
    return ServerConversion(is_identity=is_identity)


@dataclass(slots=True)
class Meter:
    """Shows and records how far a phase is."""

    run: ReplacementRun
    _begun: float = field(default_factory=time.monotonic)
    _done: int = 0

    @property
    def _task(self) -> str:
        phase = self.run.record.phase.replace("_", " ")
        return f"{self.run.record.address}: {phase}"

    def show_done(self, done: int) -> None:
        """Show the number of points that this phase is done with."""
        self._done = done
        total = max(self.run.record.expected, done)
        self.run.job.progress.show_amount(self._task, done, total, "points")

    def save_cursors(self, cursors: Mapping[str, Json]) -> None:
        """Record how far a fill is. Raises ClusterError."""
        seconds = time.monotonic() - self._begun
        rate = self._done / seconds if seconds else 0.0
        self.run.save(cursors=dict(cursors), done=self._done, rate=rate)

    def end(self) -> None:
        """Stop showing it."""
        self.run.job.progress.end_task(self._task)


@dataclass(slots=True)
class TargetWatch:
    """Holds writers back while the target is red, or does not keep up with its writes."""

    run: ReplacementRun
    target: str
    _looked: float = -TARGET_LOOK_INTERVAL

    def wait_until_ready(self) -> None:
        """Return when the target can take more points. Raises ClusterError."""
        if time.monotonic() - self._looked < TARGET_LOOK_INTERVAL:
            return
        self._looked = time.monotonic()
        poll(
            self._is_ready,
            timeout=float("inf"),
            interval=TARGET_LOOK_INTERVAL,
            is_cancelled=self.run.is_stopped,
        )

    def _is_ready(self) -> bool:
        try:
            info = self.run.request(Call(method="GET", path=collection_path(self.target)))
        except ClusterError as error:
            if error.not_found:
                raise
            return True  # the write itself finds out, and waits for a node that is down
        queue = (info.get("update_queue") or {}).get("length", 0)
        is_red = info["status"] == RED
        if is_red:
            self.run.job.report_progress(f"{self.target} is red: {info.get('optimizer_status')}")
        return not is_red and queue < LONG_QUEUE
