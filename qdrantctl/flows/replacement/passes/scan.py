"""What a pass does with the pages of a store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qdrantctl.engine.replacement.join import KeyedPage, pack_key
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
