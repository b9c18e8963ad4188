"""The sweep: what changed in the old collection since the last pass, carried over after the switch.

Applications use the target by now. So only points that are still as they were copied are changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from qdrantctl.engine.replacement.decisions import (
    DIGEST_BYTES,
    NOT_A_COPY,
    PointAction,
    decide_after_switch,
    decide_without_record,
)
from qdrantctl.engine.replacement.join import KeyedPage, align_pages, unpack_key
from qdrantctl.flows.replacement.passes.context import PassContext
from qdrantctl.flows.replacement.passes.digest_files import append_conflicts, read_conflicts
from qdrantctl.flows.replacement.passes.ranges import RangeJob, plan_range_files, run_ranges
from qdrantctl.flows.replacement.passes.scan import read_recorded, rewrite_records, scan_points
from qdrantctl.flows.replacement.passes.settle import settle_points
from qdrantctl.model.points import PointKey


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What one sweep found and did."""

    differences: int
    """Points of the source that are not as they were recorded."""
    carried: int
    """Those that were written or deleted in the target."""
    conflicts: tuple[PointKey, ...]
    """All points, of all sweeps of this replacement, that changed on both sides."""


def sweep(context: PassContext) -> SweepResult:
    """Carry changes of the source over to the live target where that loses nothing.

    A sweep without differences has nothing left to do; two in a row end the phase. Without digest
    files it writes nothing, and every difference between both sides is a conflict. Raises
    ClusterError, OSError, and QdrantctlError if the caller cancelled.
    """
    counts = run_ranges(context, plan_range_files(context), _sweep_range)
    return SweepResult(
        differences=sum(differences for differences, _ in counts),
        carried=sum(carried for _, carried in counts),
        conflicts=tuple(unpack_key(key) for key in read_conflicts(context.folder)),
    )


def _sweep_range(job: RangeJob) -> tuple[int, int]:
    return (_sweep_recorded if job.place.is_complete() else _list_differences)(job)


def _sweep_recorded(job: RangeJob) -> tuple[int, int]:
    """The differences to the digest file, and how many of them were carried over."""
    conversion, differences, carried = job.run.context.conversion, 0, 0
    decide = partial(decide_after_switch, is_comparable=conversion.is_identity)
    conflicts: list[bytes] = []
    with rewrite_records(job) as writer:
        source = scan_points(job.stores.source, job.place.keys, conversion.digest_fields)
        for old, recorded in align_pages(source, read_recorded(job)):
            job.run.check()
            changed = _find_changed(old, recorded)
            if not changed:
                writer.append_records(recorded.keys, recorded.digests)
            else:
                records = dict(zip(recorded.keys, recorded.digests, strict=True))
                settled = settle_points(job, changed, records, decide)
                for key, point in settled.items():
                    before = records.pop(key, None)
                    if before is not None and before[:DIGEST_BYTES] == point.source:
                        records[key] = before  # it changed back
                    elif point.record:
                        records[key] = point.record
                kept = sorted(records)
                writer.append_records(kept, [records[key] for key in kept])
                actions = [point.action for point in settled.values()]
                differences += len(changed)
                carried += (
                    len(actions)
                    - actions.count(PointAction.NONE)
                    - actions.count(PointAction.CONFLICT)
                )
                conflicts += [k for k, p in settled.items() if p.action is PointAction.CONFLICT]
            job.run.count_done(len(old.keys))
        # Before the new digests hide them from the next sweep.
        append_conflicts(job.place.folder, conflicts)
    return differences, carried


def _find_changed(old: KeyedPage, recorded: KeyedPage) -> list[bytes]:
    """The keys of one range whose point in the source is not as it was recorded."""
    before = [digests[:DIGEST_BYTES] for digests in recorded.digests]
    if old.digests == before and old.keys == recorded.keys:
        return []
    now = dict(zip(old.keys, old.digests, strict=True))
    then = dict(zip(recorded.keys, before, strict=True))
    return sorted(key for key in now.keys() | then.keys() if now.get(key) != then.get(key))


def _list_differences(job: RangeJob) -> tuple[int, int]:
    """Note every difference between both sides as a conflict: which side is newer is not known."""
    conversion, (source, target) = job.run.context.conversion, job.stores
    decide = partial(decide_without_record, is_comparable=conversion.is_identity)
    conflicts: list[bytes] = []
    with rewrite_records(job) as writer:
        sides = (
            scan_points(source, job.place.keys, conversion.digest_fields),
            scan_points(target, job.place.keys),
        )
        for old, new in align_pages(*sides):
            job.run.check()
            sources = dict(zip(old.keys, old.digests, strict=True))
            targets = dict(zip(new.keys, new.digests, strict=True))
            keys = sources.keys() | targets.keys()
            conflicts += [
                key
                for key in sorted(keys)
                if decide(sources.get(key), targets.get(key)) is PointAction.CONFLICT
            ]
            writer.append_records(old.keys, [digest + NOT_A_COPY for digest in old.digests])
            job.run.count_done(len(old.keys))
        append_conflicts(job.place.folder, conflicts)
    return len(conflicts), 0
