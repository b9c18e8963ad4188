"""Settle differences in a target that applications write: nothing of theirs is overwritten.

A point is marked in the target, read again, and then changed or deleted under the condition that
the mark is still there: an overwrite by an application has removed it. Only the fields that differ
are changed, and of the payload only while they are as they were read, so that a partial update by
an application stays.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from qdrantctl.engine.replacement.changes import make_patch
from qdrantctl.engine.replacement.decisions import NOT_A_COPY, PointAction
from qdrantctl.engine.replacement.join import pack_key, unpack_key
from qdrantctl.flows.replacement.passes.ranges import RangeJob
from qdrantctl.model.points import Digest, PointKey, PointStore, RawPoint
from qdrantctl.model.replacement import MARK

LOOK_AGAIN_SECONDS = 1.0
"""What applications that write both sides write within this time is no difference."""
SETTLE_BATCH = 20
"""Points that are settled at once. If an application sets the same vector of a point between the
reading and the writing, its value is lost, so this is short."""

Decide = Callable[[Digest | None, Digest | None, bytes | None], PointAction]


@dataclass(slots=True)
class Settled:
    """The outcome for one point."""

    source: Digest | None
    target: Digest | None
    action: PointAction

    @property
    def record(self) -> bytes | None:
        """What the next pass is to know: both digests; None if the source has no such point."""
        if self.source is None:
            return None
        is_copy = self.target is not None and self.action is not PointAction.CONFLICT
        return self.source + (self.target if is_copy and self.target else NOT_A_COPY)


@dataclass(slots=True)
class _Batch:
    """Some points of both sides by key, and what was decided on them."""

    job: RangeJob
    recorded: Mapping[bytes, bytes]
    decide: Decide
    sources: dict[bytes, RawPoint]
    targets: dict[bytes, RawPoint]
    settled: dict[bytes, Settled] = field(default_factory=dict)

    def decide_points(self, keys: Sequence[bytes]) -> None:
        """Decide on these points, as they were read last."""
        source, target = self.job.stores
        fields = self.job.run.context.conversion.digest_fields
        for key in keys:
            old, new = self.sources.get(key), self.targets.get(key)
            old_digest = None if old is None else source.digest_of(old, fields)
            new_digest = None if new is None else target.digest_of(new)
            action = self.decide(old_digest, new_digest, self.recorded.get(key))
            self.settled[key] = Settled(old_digest, new_digest, action)

    def list_keys(self, action: PointAction) -> list[bytes]:
        """The points with an action."""
        return [key for key, point in self.settled.items() if point.action is action]


def settle_points(
    job: RangeJob, keys: Sequence[bytes], recorded: Mapping[bytes, bytes], decide: Decide
) -> dict[bytes, Settled]:
    """Decide what each of these points needs, and do it. Raises ClusterError and QdrantctlError.

    Where a point was written, and an application changed it meanwhile, the action of the outcome
    is CONFLICT.
    """
    if keys and job.run.context.is_dual:
        job.run.sleep(LOOK_AGAIN_SECONDS)
    settled: dict[bytes, Settled] = {}
    for begin in range(0, len(keys), SETTLE_BATCH):
        settled |= _settle_batch(job, keys[begin : begin + SETTLE_BATCH], recorded, decide)
    return settled


def _settle_batch(
    job: RangeJob, keys: Sequence[bytes], recorded: Mapping[bytes, bytes], decide: Decide
) -> dict[bytes, Settled]:
    source, target = job.stores
    batch = _Batch(job, recorded, decide, fetch_by_key(source, keys), fetch_by_key(target, keys))
    batch.decide_points(keys)
    marked = [k for k, point in batch.targets.items() if MARK in target.decode_point(point).payload]
    interrupted = [key for key in marked if _is_half_carried(batch, key)]
    for key in interrupted:
        batch.settled[key].action = PointAction.WRITE
    _carry_batch(batch, interrupted)
    target.unmark_points(_decode_keys(marked))
    return batch.settled


def _carry_batch(batch: _Batch, interrupted: Sequence[bytes]) -> None:
    """Write and delete what was decided; the outcomes say what came of it."""
    job, target = batch.job, batch.job.stores.target
    writes, deletes = batch.list_keys(PointAction.WRITE), batch.list_keys(PointAction.DELETE)
    if not writes and not deletes:
        return
    # First, because a program of the user's may take its time, and little may come in between.
    points = job.run.context.conversion.convert([batch.sources[key] for key in writes], *job.stores)
    converted = {pack_key(target.key_of(point)): point for point in points}
    job.run.admit_writes(len(writes) + len(deletes))
    inserts = [key for key in writes if key not in batch.targets]
    target.upsert_points([converted[k] for k in inserts if k in converted], insert_only=True)
    existing = [key for key in (*writes, *deletes) if key in batch.targets]
    if existing:
        _change_marked(batch, existing, converted, interrupted)
    _confirm_changes(batch, converted)


def _change_marked(
    batch: _Batch,
    keys: Sequence[bytes],
    converted: Mapping[bytes, RawPoint],
    interrupted: Sequence[bytes],
) -> None:
    """Change or delete points of the target that are still as they were decided on."""
    source, target = batch.job.stores
    point_keys, mark = _decode_keys(keys), secrets.token_hex(8)
    target.mark_points(point_keys, mark)
    batch.targets = fetch_by_key(target, keys)
    converted_from = {key: batch.settled[key].source for key in keys}
    if batch.job.run.context.is_dual:  # what changed since is written to the target, too
        batch.sources |= fetch_by_key(source, keys)
    batch.decide_points([key for key in keys if key not in interrupted])
    writes = [
        key
        for key in batch.list_keys(PointAction.WRITE)
        if key in batch.targets
        and key in converted
        and batch.settled[key].source == converted_from.get(key)
    ]
    patches = [
        make_patch(target.decode_point(batch.targets[key]), target.decode_point(converted[key]))
        for key in writes
    ]
    target.patch_points(patches, if_marked=mark)
    deletes = batch.list_keys(PointAction.DELETE)
    target.delete_points(_decode_keys(deletes), if_marked=mark)
    target.unmark_points(point_keys)


def _is_half_carried(batch: _Batch, key: bytes) -> bool:
    """Whether a run was killed between the payload and the vectors of this marked point."""
    if batch.settled[key].action is not PointAction.CONFLICT or key not in batch.sources:
        return False
    source, target = batch.job.stores
    return source.digest_of(batch.sources[key], ()) == target.digest_of(batch.targets[key], ())


def _confirm_changes(batch: _Batch, converted: Mapping[bytes, RawPoint]) -> None:
    """Read what was written: where that is something else, an application was faster.

    Vectors that the server or a program converts cannot be compared; the payload can.
    """
    target, is_comparable = batch.job.stores.target, batch.job.run.context.conversion.is_identity
    writes, deletes = batch.list_keys(PointAction.WRITE), batch.list_keys(PointAction.DELETE)
    points = fetch_by_key(target, [*writes, *deletes])
    for key in (*writes, *deletes):
        point, written = batch.settled[key], points.get(key)
        point.target = None if written is None else target.digest_of(written)
        if point.action is PointAction.DELETE:
            is_done = written is None
        elif is_comparable or written is None or key not in converted:
            is_done = point.target == point.source
        else:
            is_done = target.digest_of(written, ()) == target.digest_of(converted[key], ())
        if not is_done:
            point.action = PointAction.CONFLICT


def fetch_by_key(store: PointStore, keys: Sequence[bytes]) -> dict[bytes, RawPoint]:
    """Those of these points that exist. Raises ClusterError."""
    points = store.fetch_points(_decode_keys(keys))
    return {pack_key(store.key_of(point)): point for point in points}


def _decode_keys(keys: Sequence[bytes]) -> list[PointKey]:
    return [unpack_key(key) for key in keys]
