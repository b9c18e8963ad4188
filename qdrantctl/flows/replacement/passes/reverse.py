"""The way back: digest files with both sides exchanged, and what cannot be carried over."""

from __future__ import annotations

from pathlib import Path

from qdrantctl.engine.replacement.decisions import DIGEST_BYTES
from qdrantctl.engine.replacement.join import align_pages
from qdrantctl.flows.replacement.passes.context import PassContext, ShardKey
from qdrantctl.flows.replacement.passes.digest_files import DigestWriter, find_range_files
from qdrantctl.flows.replacement.passes.ranges import RangeJob, plan_range_files, run_ranges
from qdrantctl.flows.replacement.passes.scan import scan_points

_WHOLE_PAYLOAD: tuple[str, ...] = ()


def has_digests(folder: Path, replacement_id: str, shard_keys: tuple[ShardKey, ...]) -> bool:
    """Whether the digest files of a replacement that has ended are there, and whole."""
    return all(find_range_files(folder, replacement_id, key) for key in shard_keys)


def reverse_digests(
    forth: Path, back: Path, replacement_id: str, shard_keys: tuple[ShardKey, ...]
) -> None:
    """Write the digest files of a replacement for its rollback. Raises OSError."""
    for shard_key in shard_keys:
        for place in find_range_files(forth, replacement_id, shard_key):
            turned = type(place)(back, replacement_id, shard_key, place.index, place.keys)
            with DigestWriter(turned) as writer:
                for page in place.read_pages():
                    digests = [d[DIGEST_BYTES:] + d[:DIGEST_BYTES] for d in page.digests]
                    writer.append_records(page.keys, digests)
                writer.commit()


def count_differing_payloads(context: PassContext) -> int:
    """Points that are on one side only, or whose payloads differ. Nothing is written.

    Raises ClusterError, and QdrantctlError if the caller cancelled.
    """
    return sum(run_ranges(context, plan_range_files(context), _count_range))


def _count_range(job: RangeJob) -> int:
    sides = (
        scan_points(job.stores.source, job.place.keys, _WHOLE_PAYLOAD),
        scan_points(job.stores.target, job.place.keys, _WHOLE_PAYLOAD),
    )
    count = 0
    for old, new in align_pages(*sides):
        job.run.check()
        before = dict(zip(old.keys, old.digests, strict=True))
        after = dict(zip(new.keys, new.digests, strict=True))
        count += sum(before.get(key) != after.get(key) for key in before.keys() | after.keys())
        job.run.count_done(len(old.keys))
    return count
