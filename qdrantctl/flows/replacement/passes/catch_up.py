"""Catch up: one pass that makes the target equal to the source before the switch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from qdrantctl.engine.replacement.decisions import UNREAD, PointAction, decide_before_switch
from qdrantctl.engine.replacement.join import NO_PAGE, KeyedPage, align_pages, unpack_key
from qdrantctl.flows.replacement.passes.context import PassContext
from qdrantctl.flows.replacement.passes.ranges import RangeJob, plan_range_files, run_ranges
from qdrantctl.flows.replacement.passes.scan import (
    read_recorded,
    rewrite_records,
    scan_pairs,
    scan_points,
)
from qdrantctl.flows.replacement.passes.settle import fetch_by_key, settle_points
from qdrantctl.model.points import Digest, RawPoint


def catch_up(context: PassContext) -> int:
    """Compare all points of both sides, and write or delete those of the target that differ.

    Returns the number of differences; they are dealt with. Raises ClusterError, OSError, and
    QdrantctlError if the caller cancelled.
    """
    return sum(run_ranges(context, plan_range_files(context), compare_range))


def compare_range(job: RangeJob) -> int:
    """The same for one range. Raises ClusterError, OSError and QdrantctlError."""
    context, differences = job.run.context, 0
    repair = _repair_dual if context.is_dual else _repair
    with rewrite_records(job) as writer:
        for old, new, recorded in _read_both(job):
            job.run.check()
            digests = [a + b for a, b in zip(old.digests, new.digests, strict=False)]
            if old.keys == new.keys and (
                old.digests == new.digests
                if context.conversion.is_identity
                else digests == recorded.digests and old.keys == recorded.keys
            ):
                writer.append_records(old.keys, digests)
            else:
                count, records = repair(job, old, new, recorded)
                kept = sorted(records)
                writer.append_records(kept, [records[key] for key in kept])
                differences += count
            job.run.count_done(len(old.keys))
    return differences


def _read_both(job: RangeJob) -> Iterator[tuple[KeyedPage, ...]]:
    """Both sides of a range; and what was recorded, where their digests cannot be compared."""
    context, keys = job.run.context, job.place.keys
    if context.conversion.is_identity:
        return ((old, new, NO_PAGE) for old, new in scan_pairs(job.stores, keys))
    source, target = job.stores
    fields = context.conversion.digest_fields
    return align_pages(
        scan_points(source, keys, fields, keeps_points=not context.is_dual),
        scan_points(target, keys),
        read_recorded(job),
    )


def _repair(
    job: RangeJob, old: KeyedPage, new: KeyedPage, recorded: KeyedPage
) -> tuple[int, dict[bytes, bytes]]:
    """Write and delete points of the target, which is ours alone; the differences and records."""
    actions = _decide_page(job, old, new, recorded)
    sources, targets = _digests_of(old), _digests_of(new)
    deletes = [key for key, action in actions.items() if action is PointAction.DELETE]
    if deletes:
        job.run.admit_writes(len(deletes))
        job.stores.target.delete_points([unpack_key(key) for key in deletes])
    writes = {key for key, action in actions.items() if action is PointAction.WRITE}
    if writes:
        pairs = [(k, p) for k, p in zip(old.keys, old.points, strict=True) if k in writes]
        # An upsert may keep parts of the point that is there, on servers of 1.16.
        if stale := [unpack_key(key) for key, _ in pairs if key in targets]:
            job.stores.target.delete_points(stale)
        targets |= write_copies(job, dict(pairs), sources)
    records = {key: digest + targets.get(key, UNREAD) for key, digest in sources.items()}
    return len(deletes) + len(writes), records


def write_copies(
    job: RangeJob, points: Mapping[bytes, RawPoint], sources: Mapping[bytes, Digest]
) -> dict[bytes, Digest]:
    """Write points to a target that is ours alone; the digests that they have there.

    Raises ClusterError, and QdrantctlError if a point cannot be converted.
    """
    conversion, (source, target) = job.run.context.conversion, job.stores
    converted = conversion.convert(list(points.values()), source, target)
    job.run.admit_writes(len(points))
    target.upsert_points(converted)
    if conversion.is_identity:
        return {key: sources[key] for key in points}
    written = fetch_by_key(target, list(points))
    return {key: target.digest_of(point) for key, point in written.items()}


def _repair_dual(
    job: RangeJob, old: KeyedPage, new: KeyedPage, recorded: KeyedPage
) -> tuple[int, dict[bytes, bytes]]:
    """The same for a target that applications write, too."""
    actions = _decide_page(job, old, new, recorded)
    decide = partial(
        decide_before_switch,
        is_comparable=job.run.context.conversion.is_identity,
        is_dual=True,
    )
    sources, targets = _digests_of(old), _digests_of(new)
    doubtful = [key for key, action in actions.items() if action is not PointAction.NONE]
    settled = settle_points(job, doubtful, _digests_of(recorded), decide)
    records = {key: sources[key] + targets[key] for key in sources if key not in settled}
    records |= {key: point.record for key, point in settled.items() if point.record}
    return sum(point.action is not PointAction.NONE for point in settled.values()), records


def _decide_page(
    job: RangeJob, old: KeyedPage, new: KeyedPage, recorded: KeyedPage
) -> dict[bytes, PointAction]:
    context = job.run.context
    sources, targets, records = _digests_of(old), _digests_of(new), _digests_of(recorded)
    return {
        key: decide_before_switch(
            sources.get(key),
            targets.get(key),
            records.get(key),
            is_comparable=context.conversion.is_identity,
            is_dual=context.is_dual,
        )
        for key in sources.keys() | targets.keys()
    }


def _digests_of(page: KeyedPage) -> dict[bytes, bytes]:
    return dict(zip(page.keys, page.digests, strict=True))
