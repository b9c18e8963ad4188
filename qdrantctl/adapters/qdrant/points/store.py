"""The points of a collection: pages, parts that the server accepts, and repeated requests."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from qdrantctl.adapters.qdrant.points.sending import RequestFailed, send_until_answered
from qdrantctl.adapters.qdrant.points.transport import Page, Patcher, Transport
from qdrantctl.model.points import KeyRange, PointKey, PointPatch, RawPoint

Entry = TypeVar("Entry")
Answer = TypeVar("Answer")

PAGE_BYTES = 2 << 20
"""Bytes that a page should have: larger ones are no faster, and several are in memory."""
FIRST_PAGE, LARGEST_PAGE = 100, 1000
KEYS_PAGE = 5000
IDS_PART = 5000
"""Most ids in a request that carries nothing else."""
SAMPLE_ROUNDS = 1000
NO_EXACT_COUNT = "Exact search disabled"
"""Qdrant's words where strict mode forbids exact counts."""


class QdrantPointStore:
    """The PointStore of one collection over one protocol.

    It learns the caps of strict mode from refusals: a page or a part that is too large is asked for
    again in smaller ones, and so are the next.
    """

    def __init__(self, transport: Transport, patcher: Patcher) -> None:
        self._transport = transport
        self._patcher = patcher
        self._page_cap = self._part_cap = KEYS_PAGE
        self._page = FIRST_PAGE
        """Points of the next page, by the size of the last."""
        self.key_of = transport.key_of
        self.digest_of = transport.digest_of
        self.digest_copy = transport.digest_copy
        self.decode_point = transport.decode_point
        self.encode_point = transport.encode_point

    def read_points(self, keys: KeyRange) -> Iterator[Sequence[RawPoint]]:
        """All points of a range in the order of their keys, page by page."""
        return self._read_pages(keys, whole=True)

    def read_keys(self, keys: KeyRange) -> Iterator[Sequence[PointKey]]:
        """All keys of a range in their order, page by page."""
        for points in self._read_pages(keys, whole=False):
            yield [self.key_of(point) for point in points]

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[RawPoint]:
        """The points of these keys that exist, in the order of their keys."""
        found: list[RawPoint] = []
        parts = self._send_parts(keys, self._transport.fetch_points, self._page)
        for points in parts:
            found += points
        return sorted(found, key=self.key_of)

    def upsert_points(self, points: Sequence[RawPoint], *, insert_only: bool = False) -> None:
        """Write points; see PointStore."""
        upsert = partial(self._transport.upsert_points, insert_only=insert_only)
        self._write(points, upsert)

    def patch_points(self, patches: Sequence[PointPatch], *, if_marked: str) -> None:
        """Change parts of points that still have this mark: the vectors last."""
        if others := [patch for patch in patches if patch.changes_more_than_vectors]:
            self._patch(others, partial(self._patcher.update_payloads, mark=if_marked))
        if vectors := [patch for patch in patches if patch.vectors]:
            self._patch(vectors, partial(self._patcher.update_vectors, mark=if_marked))

    def delete_points(self, keys: Sequence[PointKey], *, if_marked: str = "") -> None:
        """Delete points; with `if_marked` only those that still have this mark."""
        self._write(keys, partial(self._transport.delete_points, mark=if_marked))

    def mark_points(self, keys: Sequence[PointKey], mark: str) -> None:
        """Give points a mark."""
        self._write(keys, partial(self._transport.set_mark, mark=mark))

    def unmark_points(self, keys: Sequence[PointKey] | None = None) -> None:
        """Remove marks, of these points or of all."""
        if keys is None:
            self._patch([None], lambda _: self._patcher.delete_all_marks())
        else:
            self._write(keys, self._transport.delete_mark)

    def sample_keys(self, count: int) -> Sequence[PointKey]:
        """About `count` random keys in their order; fewer if there are fewer points."""
        found: set[PointKey] = set()
        for _ in range(SAMPLE_ROUNDS):
            missing = count - len(found)
            if missing <= 0:
                break
            asked, keys = self._read(self._transport.query_random, missing)
            found.update(keys)
            if len(keys) < asked:  # that were all points
                break
        return sorted(found)

    def count_points(self) -> int:
        """The exact number of points."""
        try:
            return self._send(self._transport.count_points)
        except RequestFailed as failure:
            if NO_EXACT_COUNT not in failure.error.why:
                raise failure.error from None
        return sum(len(keys) for keys in self.read_keys(KeyRange()))

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
        self._patcher.close()

    def _read_pages(self, keys: KeyRange, *, whole: bool) -> Iterator[Sequence[RawPoint]]:
        start, end = keys.start, keys.end
        while True:
            page = self._read_page(start, whole=whole)
            is_last = page.next_key is None or (end is not None and page.next_key >= end)
            points = page.points
            if is_last and end is not None:
                points = points[: bisect_left(points, end, key=self.key_of)]
            if points:
                yield points
            if is_last:
                return
            start = page.next_key

    def _read_page(self, start: PointKey | None, *, whole: bool) -> Page:
        scroll = partial(self._transport.scroll_points, start, whole=whole)
        _, page = self._read(scroll, self._page if whole else KEYS_PAGE)
        if whole and page.points:
            size = page.size // len(page.points) + 1
            self._page = min(LARGEST_PAGE, max(1, PAGE_BYTES // size))
        return page

    def _read(self, ask: Callable[[int], Entry], limit: int) -> tuple[int, Entry]:
        """The response to a request with a limit, and that limit. Raises ClusterError."""
        while True:
            limit = min(limit, self._page_cap)
            try:
                return limit, self._send(partial(ask, limit))
            except RequestFailed as failure:
                smaller = failure.smaller(limit)
                if smaller is None:
                    raise failure.error from None
                self._page_cap = smaller

    def _write(self, entries: Sequence[Entry], write: Callable[[Sequence[Entry]], None]) -> None:
        for _ in self._send_parts(entries, write, IDS_PART):
            pass

    def _patch(self, entries: Sequence[Entry], patch: Callable[[Sequence[Entry]], None]) -> None:
        for _ in self._send_parts(entries, patch, IDS_PART, self._patcher):
            pass

    def _send_parts(
        self,
        entries: Sequence[Entry],
        send: Callable[[Sequence[Entry]], Answer],
        limit: int,
        sender: Transport | Patcher | None = None,
    ) -> Iterator[Answer]:
        """Send entries in parts that the server accepts. Raises ClusterError."""
        start = 0
        while start < len(entries):
            part = entries[start : start + min(limit, self._part_cap)]
            try:
                yield self._send(partial(send, part), sender)
            except RequestFailed as failure:
                smaller = failure.smaller(len(part))
                if smaller is None:
                    raise failure.error from None
                self._part_cap = smaller
                continue
            start += len(part)

    def _send(self, send: Callable[[], Entry], sender: Transport | Patcher | None = None) -> Entry:
        return send_until_answered(send, (sender or self._transport).reconnect)
