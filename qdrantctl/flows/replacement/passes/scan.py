"""What a pass does with the pages of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qdrantctl.engine.replacement.join import KeyedPage, align_pages, pack_key
from qdrantctl.flows.replacement.passes.context import StorePair
from qdrantctl.flows.replacement.passes.digest_files import DigestWriter
from qdrantctl.flows.replacement.passes.ranges import RangeJob
from qdrantctl.model.points import KeyRange, PointStore


def scan_points(
    store: PointStore,
    keys: KeyRange,
    fields: tuple[str, ...] | None = None,
    *,
    keeps_points: bool = False,
) -> Iterator[KeyedPage]:
    """Keys and digests of a range, and the points where they are needed. Raises ClusterError."""
    key_of, digest_of = store.key_of, store.digest_of
    for points in store.read_points(keys):
        yield KeyedPage(
            [pack_key(key_of(point)) for point in points],
            [digest_of(point, fields) for point in points],
            points if keeps_points else (),
        )


def scan_pairs(stores: StorePair, keys: KeyRange) -> Iterator[tuple[KeyedPage, KeyedPage]]:
    """Points of a range on both sides, with their digests: faster where most are equal.

    Raises ClusterError.
    """
    source, target = stores
    for old, new in align_pages(_scan_whole(source, keys), _scan_whole(target, keys)):
        if old.keys == new.keys:
            pairs = list(map(source.digest_copy, old.points, new.points))
            before, after = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        else:
            before = list(map(source.digest_of, old.points))
            after = list(map(target.digest_of, new.points))
        yield old._replace(digests=before), new._replace(digests=after)


def _scan_whole(store: PointStore, keys: KeyRange) -> Iterator[KeyedPage]:
    for points in store.read_points(keys):
        yield KeyedPage([pack_key(store.key_of(point)) for point in points], points=points)


def scan_keys(store: PointStore, keys: KeyRange) -> Iterator[KeyedPage]:
    """Keys of a range, without digests. Raises ClusterError."""
    for page in store.read_keys(keys):
        yield KeyedPage([pack_key(key) for key in page])


def read_recorded(job: RangeJob) -> Iterator[KeyedPage]:
    """What the pass before wrote down; nothing if there is no whole file."""
    return job.place.read_pages() if job.place.is_complete() else iter(())


@contextmanager
def rewrite_records(job: RangeJob) -> Iterator[DigestWriter]:
    """The digest file that replaces the old one, unless an error comes. Raises OSError."""
    with DigestWriter(job.place) as writer:
        yield writer
        writer.commit()
