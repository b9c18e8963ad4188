"""Settle differences in a target that applications write: nothing of theirs is overwritten.

A point is marked in the target, read again, and then changed or deleted under the condition that
the mark is still there: an overwrite by an application has removed it. Only the parts that differ
are written. An upsert would make a point again that an application deletes meanwhile, and undo a
partial update.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qdrantctl.engine.replacement.decisions import FOREIGN, Action
from qdrantctl.engine.replacement.join import decode_key, encode_key
from qdrantctl.flows.replacement.passes.ranges import RangeJob
from qdrantctl.model.points import Digest, Point, PointKey, PointPatch, PointStore, RawPoint
from qdrantctl.model.replacement import MARK

LOOK_AGAIN_SECONDS = 1.0
"""What applications that write both sides write within this time is no difference."""
BATCH = 20
"""Points that are settled at once. Between reading and writing them a partial update by an
application would be lost, so this is short."""

Decide = Callable[[Digest | None, Digest | None, bytes | None], Action]


@dataclass(slots=True)
class Settled:
    """The outcome for one point."""

    source: Digest | None
    target: Digest | None
    action: Action

    @property
    def record(self) -> bytes | None:
        """What the next pass is to know: both digests; None if the source has no such point."""
        if self.source is None:
            return None
        is_copy = self.target is not None and self.action is not Action.CONFLICT
        return self.source + (self.target if is_copy and self.target else FOREIGN)


@dataclass(frozen=True, slots=True)
class _Look:
    """One reading of points on both sides."""

    points: Mapping[bytes, RawPoint]
    sources: Mapping[bytes, Digest]
    targets: Mapping[bytes, Digest]
    copies: Mapping[bytes, RawPoint]
    """The points of the target."""


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
    for begin in range(0, len(keys), BATCH):
        settled |= _settle_batch(job, keys[begin : begin + BATCH], recorded, decide)
    return settled


def _settle_batch(
    job: RangeJob, keys: Sequence[bytes], recorded: Mapping[bytes, bytes], decide: Decide
) -> dict[bytes, Settled]:
    look = _look_at(job, keys)
    settled = {key: _decide_point(look, key, recorded, decide) for key in keys}
    changes = [key for key in keys if settled[key].action in (Action.WRITE, Action.DELETE)]
    if not changes:
        return settled
    job.run.admit_writes(len(changes))
    absent = [key for key in changes if settled[key].target is None]
    existing = [key for key in changes if settled[key].target is not None]
    if existing:
        _replace_marked(job, existing, recorded, decide, settled)
    if absent:
        points = [look.points[key] for key in absent]
        job.stores.target.upsert_points(_convert_points(job, points), insert_only=True)
    _confirm_changes(job, changes, settled)
    return settled


def _replace_marked(
    job: RangeJob,
    keys: Sequence[bytes],
    recorded: Mapping[bytes, bytes],
    decide: Decide,
    settled: dict[bytes, Settled],
) -> None:
    """Overwrite or delete points of the target that are still as they were decided on."""
    target, point_keys, mark = job.stores.target, _decode_keys(keys), secrets.token_hex(8)
    target.mark_points(point_keys, mark)
    look = _look_at(job, keys)
    settled |= {key: _decide_point(look, key, recorded, decide) for key in keys}
    writes = [k for k in keys if settled[k].action is Action.WRITE and k in look.targets]
    if writes:
        wanted = _convert_points(job, [look.points[key] for key in writes])
        patches = [
            make_patch(target.decode_point(look.copies[encode_key(point.key)]), point)
            for point in map(target.decode_point, wanted)
        ]
        target.patch_points(patches, if_marked=mark)
    deletes = [key for key in keys if settled[key].action is Action.DELETE]
    if deletes:
        target.delete_points(_decode_keys(deletes), if_marked=mark)
    target.unmark_points(point_keys)


def _confirm_changes(job: RangeJob, keys: Sequence[bytes], settled: dict[bytes, Settled]) -> None:
    """Read what was written: where that is something else, an application was faster."""
    targets = read_digests(job.stores.target, keys)
    is_comparable = job.run.context.conversion.is_identity
    for key in keys:
        point, target = settled[key], targets.get(key)
        if point.action is Action.WRITE:
            is_done = target == point.source if is_comparable else target is not None
        elif point.action is Action.DELETE:
            is_done = target is None
        else:
            continue
        point.target = target
        if not is_done:
            point.action = Action.CONFLICT


def _look_at(job: RangeJob, keys: Sequence[bytes]) -> _Look:
    source, fields = job.stores.source, job.run.context.conversion.digest_fields
    points = {
        encode_key(source.key_of(point)): point for point in source.fetch_points(_decode_keys(keys))
    }
    sources = {key: source.digest_of(point, fields) for key, point in points.items()}
    target = job.stores.target
    copies = {
        encode_key(target.key_of(point)): point for point in target.fetch_points(_decode_keys(keys))
    }
    targets = {key: target.digest_of(point) for key, point in copies.items()}
    return _Look(points, sources, targets, copies)


def make_patch(now: Point, wanted: Point) -> PointPatch:
    """What turns one point into another. Keys that go make the payload be replaced as a whole."""
    payload = {key: value for key, value in now.payload.items() if key != MARK}
    has_gone = bool(payload.keys() - wanted.payload.keys())
    changed = {
        key: value
        for key, value in wanted.payload.items()
        if key not in payload or payload[key] != value or type(payload[key]) is not type(value)
    }
    return PointPatch(
        key=wanted.key,
        vectors={n: v for n, v in wanted.vectors.items() if now.vectors.get(n) != v},
        dropped_vectors=tuple(sorted(now.vectors.keys() - wanted.vectors.keys())),
        payload=wanted.payload if has_gone else changed,
        replaces_payload=has_gone,
    )


def read_digests(target: PointStore, keys: Sequence[bytes]) -> dict[bytes, Digest]:
    """The digests of those of these points that exist in the target. Raises ClusterError."""
    points = target.fetch_points(_decode_keys(keys))
    return {encode_key(target.key_of(point)): target.digest_of(point) for point in points}


def _decide_point(
    look: _Look, key: bytes, recorded: Mapping[bytes, bytes], decide: Decide
) -> Settled:
    source, target = look.sources.get(key), look.targets.get(key)
    return Settled(source, target, decide(source, target, recorded.get(key)))


def _convert_points(job: RangeJob, points: Sequence[RawPoint]) -> Sequence[RawPoint]:
    return job.run.context.conversion.convert(points, *job.stores)


def _decode_keys(keys: Sequence[bytes]) -> list[PointKey]:
    return [decode_key(key) for key in keys]
