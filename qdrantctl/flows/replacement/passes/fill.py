"""The fill: every point of the source into the target, resumable."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any

from qdrantctl.engine.replacement.decisions import UNREAD
from qdrantctl.engine.replacement.join import pack_key
from qdrantctl.flows.replacement.passes.context import PassContext, ShardKey
from qdrantctl.flows.replacement.passes.digest_files import DigestWriter, RangeFile
from qdrantctl.flows.replacement.passes.ranges import (
    RangeJob,
    begin_range_files,
    place_range_files,
    run_ranges,
)
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import KeyRange, PointKey, RawPoint

SAVE_SECONDS = 2.0
_LAST_KEY = PointKey(is_uuid=True, value=2**128 - 1)
_LAST_NUMBER = PointKey(is_uuid=False, value=2**64 - 1)


@dataclass(slots=True)
class RangeCursor:
    """How far the fill of one range is. As JSON it is a part of the replacement's record."""

    start: int | str | None
    end: int | str | None
    after: int | str | None = None
    """The id of the last point whose write was acknowledged."""
    written: int = 0
    is_complete: bool = False

    @property
    def keys(self) -> KeyRange:
        """The range."""
        return KeyRange(_parse_point_id(self.start), _parse_point_id(self.end))

    def find_rest(self) -> KeyRange | None:
        """What remains of the range; None if nothing does."""
        if self.is_complete:
            return None
        if self.after is None:
            return self.keys
        after = PointKey.parse(self.after)
        return None if after == _LAST_KEY else KeyRange(_next_key(after), self.keys.end)

    def restart(self) -> None:
        """Begin with the first point again."""
        self.after, self.written, self.is_complete = None, 0, False


class FillCursors:
    """The cursors of all ranges, saved as they advance."""

    def __init__(self, context: PassContext, saved: Mapping[str, Any]) -> None:
        """Ranges that were not saved are made. Raises ClusterError."""
        self._context = context
        self._lock = threading.Lock()
        self._saved_at = time.monotonic()
        self._cursors: dict[str, list[RangeCursor]] = {}
        self._ranges: dict[tuple[ShardKey, int], RangeCursor] = {}
        self.places: list[RangeFile] = []
        for shard_key in context.shard_keys:
            name = json.dumps(shard_key)
            if name in saved:
                cursors = [RangeCursor(**cursor) for cursor in saved[name]]
                places = place_range_files(context, shard_key, [cursor.keys for cursor in cursors])
            else:
                places = begin_range_files(context, shard_key)
                cursors = [_begin_cursor(place.keys) for place in places]
            self._cursors[name] = cursors
            self._ranges.update({(shard_key, i): cursor for i, cursor in enumerate(cursors)})
            self.places += places
        self.save()

    def cursor_of(self, place: RangeFile) -> RangeCursor:
        """The cursor of a range."""
        return self._ranges[place.shard_key, place.index]

    @property
    def written(self) -> int:
        """Number of points that are written."""
        return sum(cursor.written for cursor in self._ranges.values())

    def advance(self, cursor: RangeCursor, after: PointKey, count: int) -> None:
        """Note that points up to `after` are written; save it if that is due."""
        with self._lock:
            cursor.after, cursor.written = after.point_id, cursor.written + count
            if time.monotonic() - self._saved_at >= SAVE_SECONDS:
                self._save_all()

    def complete(self, cursor: RangeCursor) -> None:
        """Note that a range is done."""
        with self._lock:
            cursor.is_complete = True

    def save(self) -> None:
        """Save all cursors now."""
        with self._lock:
            self._save_all()

    def _save_all(self) -> None:
        saved: dict[str, Json] = {
            name: [asdict(cursor) for cursor in cursors] for name, cursors in self._cursors.items()
        }
        self._context.save_cursors(saved)
        self._saved_at = time.monotonic()


def fill_collection(context: PassContext, cursors: Mapping[str, Json]) -> int:
    """Write every point of the source to the target; returns how many have been written in all.

    `cursors` is what `context.save_cursors` got last, or empty. It is called with the final ones,
    too, also after a cancellation. A point that changes meanwhile is found by the next
    `catch_up`. Raises ClusterError, OSError, and QdrantctlError if the caller cancelled.
    """
    state = FillCursors(context, cursors)
    if not context.conversion.is_identity:
        _restart_unrecorded(state)
    try:
        run_ranges(context, state.places, lambda job: _fill_range(job, state))
    finally:
        state.save()
    return state.written


def _restart_unrecorded(state: FillCursors) -> None:
    """Restart the complete ranges whose digest files are not on this machine."""
    for place in state.places:
        cursor = state.cursor_of(place)
        if cursor.is_complete and not place.is_complete():
            cursor.restart()


def _fill_range(job: RangeJob, state: FillCursors) -> None:
    cursor, context = state.cursor_of(job.place), job.run.context
    with ExitStack() as stack:
        writer = None
        if not context.conversion.is_identity and not cursor.is_complete:
            after = None if cursor.after is None else PointKey.parse(cursor.after)
            writer = stack.enter_context(DigestWriter(job.place, after=after))
            if not writer.is_resumed:
                cursor.restart()
        job.run.count_done(cursor.written)
        keys = cursor.find_rest()
        if keys is not None:
            for points in job.stores.source.read_points(keys):
                if points:
                    _fill_page(job, points, writer)
                    state.advance(cursor, job.stores.source.key_of(points[-1]), len(points))
                    job.run.count_done(len(points))
        if writer is not None:
            writer.commit()
        state.complete(cursor)


def _fill_page(job: RangeJob, points: Sequence[RawPoint], writer: DigestWriter | None) -> None:
    """Write a page; the digests are written down before its cursor is saved."""
    context, (source, target) = job.run.context, job.stores
    converted = context.conversion.convert(points, source, target)
    job.run.admit_writes(len(points))
    target.upsert_points(converted, insert_only=context.is_dual)
    if writer is not None:
        fields = context.conversion.digest_fields
        writer.append_records(
            [pack_key(source.key_of(point)) for point in points],
            [source.digest_of(point, fields) + UNREAD for point in points],
        )
        writer.flush()


def _begin_cursor(keys: KeyRange) -> RangeCursor:
    start, end = (None if key is None else key.point_id for key in (keys.start, keys.end))
    return RangeCursor(start, end)


def _next_key(key: PointKey) -> PointKey:
    if key == _LAST_NUMBER:
        return PointKey(is_uuid=True, value=0)
    return PointKey(key.is_uuid, key.value + 1)


def _parse_point_id(point_id: int | str | None) -> PointKey | None:
    return None if point_id is None else PointKey.parse(point_id)
