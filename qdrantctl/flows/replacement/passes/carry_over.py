"""The pass over ids alone, while writes to the source are refused for the switch."""

from __future__ import annotations

from collections.abc import Sequence

from qdrantctl.engine.replacement.decisions import UNREAD
from qdrantctl.engine.replacement.join import KeyedPage, align_pages, unpack_key
from qdrantctl.flows.replacement.passes.catch_up import compare_range, write_copies
from qdrantctl.flows.replacement.passes.context import PassContext
from qdrantctl.flows.replacement.passes.ranges import RangeJob, plan_range_files, run_ranges
from qdrantctl.flows.replacement.passes.scan import read_recorded, rewrite_records, scan_keys
from qdrantctl.flows.replacement.passes.settle import fetch_by_key

INSERT_BATCH = 1000


def carry_over_keys(context: PassContext) -> int:
    """Write what was inserted into the source since the last pass, and delete what is gone there.

    Returns how many points these were. It needs the digest files of `catch_up`; ranges without
    them are compared as a whole. Raises ClusterError, OSError, and QdrantctlError if the caller
    cancelled.
    """
    return sum(run_ranges(context, plan_range_files(context), _carry_range))


def _carry_range(job: RangeJob) -> int:
    # Of an interrupted run, the target may have points that no file knows, and the source lost.
    if job.place.partial_path.exists() or not job.place.is_complete():
        return compare_range(job)
    differences = 0
    with rewrite_records(job) as writer:
        sides = (scan_keys(job.stores.source, job.place.keys), read_recorded(job))
        for present, recorded in align_pages(*sides):
            job.run.check()
            if present.keys == recorded.keys:
                writer.append_records(recorded.keys, recorded.digests)
            else:
                count, records = _carry_page(job, present, recorded)
                kept = sorted(records)
                writer.append_records(kept, [records[key] for key in kept])
                differences += count
            job.run.count_done(len(present.keys))
    return differences


def _carry_page(
    job: RangeJob, present: KeyedPage, recorded: KeyedPage
) -> tuple[int, dict[bytes, bytes]]:
    records = dict(zip(recorded.keys, recorded.digests, strict=True))
    gone = sorted(records.keys() - set(present.keys))
    if gone:
        job.run.admit_writes(len(gone))
        job.stores.target.delete_points([unpack_key(key) for key in gone])
        for key in gone:
            del records[key]
    inserted = [key for key in present.keys if key not in records]
    for begin in range(0, len(inserted), INSERT_BATCH):
        records |= _insert_points(job, inserted[begin : begin + INSERT_BATCH])
    return len(gone) + len(inserted), records


def _insert_points(job: RangeJob, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Copy points; the records of those that were not deleted since."""
    source, fields = job.stores.source, job.run.context.conversion.digest_fields
    points = fetch_by_key(source, keys)
    if not points:
        return {}
    sources = {key: source.digest_of(point, fields) for key, point in points.items()}
    targets = write_copies(job, points, sources)
    return {key: sources[key] + targets.get(key, UNREAD) for key in points}
