"""A PointStore over a dict, which lets a test change it between any two calls.

Where writers and passes meet, a real server shows one order of events; this shows all of them.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from qdrantctl.model.points import KeyRange, Point, PointKey, PointPatch
from qdrantctl.model.replacement import MARK


@dataclass
class MemoryCollection:
    """The points of a collection: payload and vectors by key."""

    points: dict[PointKey, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)

    def upsert(self, key: PointKey, payload: dict[str, Any], vector: Any = 0) -> None:
        self.points[key] = (dict(payload), {"": vector})

    def set_payload(self, key: PointKey, payload: dict[str, Any]) -> None:
        if key in self.points:
            self.points[key][0].update(payload)

    def delete(self, key: PointKey) -> None:
        self.points.pop(key, None)


class MemoryStore:
    """Points are `Point`s. `on_call` is called before and after each access."""

    def __init__(
        self,
        collection: MemoryCollection,
        on_call: Callable[[], None] = lambda: None,
        page_size: int = 4,
    ) -> None:
        self.points = collection.points
        self.on_call = on_call
        self.page_size = page_size

    def _pages(self, keys: KeyRange) -> Iterator[list[PointKey]]:
        after: PointKey | None = None
        while True:
            self.on_call()
            page = sorted(
                key
                for key in self.points
                if (keys.start is None or key >= keys.start)
                and (keys.end is None or key < keys.end)
                and (after is None or key > after)
            )[: self.page_size]
            if not page:
                return
            yield page
            after = page[-1]

    def _read(self, key: PointKey) -> Point:
        payload, vectors = self.points[key]
        return Point(key, dict(payload), dict(vectors))

    def read_points(self, keys: KeyRange) -> Iterator[Sequence[Point]]:
        for page in self._pages(keys):
            yield [self._read(key) for key in page]

    def read_keys(self, keys: KeyRange) -> Iterator[Sequence[PointKey]]:
        yield from self._pages(keys)

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[Point]:
        self.on_call()
        return [self._read(key) for key in sorted(keys) if key in self.points]

    def _has_mark(self, key: PointKey, mark: str) -> bool:
        return key in self.points and self.points[key][0].get(MARK) == mark

    def upsert_points(self, points: Sequence[Point], *, insert_only: bool = False) -> None:
        self.on_call()
        for point in points:
            if insert_only and point.key in self.points:
                continue
            self.points[point.key] = (dict(point.payload), dict(point.vectors))
        self.on_call()

    def patch_points(self, patches: Sequence[PointPatch], *, if_marked: str) -> None:
        for patch in patches:
            self.on_call()
            if self._has_mark(patch.key, if_marked):
                payload, vectors = self.points[patch.key]
                then = patch.payload_before
                now = {key: value for key, value in payload.items() if key != MARK}
                if patch.replaces_payload:
                    if now == then:
                        self.points[patch.key] = ({**patch.payload, MARK: if_marked}, vectors)
                    continue
                payload |= {k: v for k, v in patch.payload.items() if now.get(k) == then.get(k)}
                for key in patch.dropped_keys:
                    if now.get(key) == then.get(key):
                        payload.pop(key, None)
        for patch in patches:
            self.on_call()
            if self._has_mark(patch.key, if_marked):
                self.points[patch.key][1].update(patch.vectors)
        self.on_call()

    def delete_points(self, keys: Sequence[PointKey], *, if_marked: str = "") -> None:
        self.on_call()
        for key in keys:
            if not if_marked or self._has_mark(key, if_marked):
                self.points.pop(key, None)
        self.on_call()

    def mark_points(self, keys: Sequence[PointKey], mark: str) -> None:
        self.on_call()
        for key in keys:
            if key in self.points:
                self.points[key][0][MARK] = mark
        self.on_call()

    def unmark_points(self, keys: Sequence[PointKey] | None = None) -> None:
        self.on_call()
        for key in self.points if keys is None else keys:
            if key in self.points:
                self.points[key][0].pop(MARK, None)

    def key_of(self, point: Point) -> PointKey:
        return point.key

    def digest_of(self, point: Point, fields: tuple[str, ...] | None = None) -> bytes:
        payload = {
            k: v for k, v in point.payload.items() if k != MARK and (not fields or k in fields)
        }
        text = json.dumps([payload, None if fields is not None else point.vectors], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).digest()

    def digest_copy(self, point: Point, copy: Point) -> tuple[bytes, bytes]:
        return self.digest_of(point), self.digest_of(copy)

    def decode_point(self, point: Point) -> Point:
        return point

    def encode_point(self, point: Point) -> Point:
        return point

    def sample_keys(self, count: int) -> Sequence[PointKey]:
        return sorted(random.sample(sorted(self.points), min(count, len(self.points))))

    def count_points(self) -> int:
        return len(self.points)

    def close(self) -> None:
        pass
