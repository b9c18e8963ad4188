"""The merge join: pages of several sources, each in the order of its keys, cut at equal keys."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from qdrantctl.model.points import PointKey

POINT_KEY_BYTES = 17
_UUID_BYTE, _NUMBER_BYTE = b"\x01", b"\x00"


def pack_key(key: PointKey) -> bytes:
    """17 bytes whose order is that of the keys."""
    return (_UUID_BYTE if key.is_uuid else _NUMBER_BYTE) + key.value.to_bytes(16, "big")


def unpack_key(data: bytes) -> PointKey:
    """The inverse of `pack_key`."""
    return PointKey(data[0] == 1, int.from_bytes(data[1:], "big"))


class KeyedPage(NamedTuple):
    """Consecutive points of one side. The columns are parallel, in ascending order of `keys`."""

    keys: Sequence[bytes]
    """As `pack_key` makes them."""
    digests: Sequence[bytes] = ()
    """The digest of each point; in a digest file those of source and target, joined."""
    points: Sequence[Any] = ()
    """The points themselves; empty where they are not needed."""


NO_PAGE = KeyedPage(())


def align_pages(*sides: Iterator[KeyedPage]) -> Iterator[tuple[KeyedPage, ...]]:
    """Pages of equal ranges of keys, one for each side, which together hold every point once.

    It holds no more than one page of each side.
    """
    pages = [NO_PAGE] * len(sides)
    remaining = set(range(len(sides)))
    while True:
        for side in tuple(remaining):
            if not pages[side].keys:
                page = next((page for page in sides[side] if page.keys), None)
                if page is None:
                    remaining.discard(side)
                else:
                    pages[side] = page
        if not any(page.keys for page in pages):
            return
        last = min((pages[side].keys[-1] for side in remaining), default=None)
        cuts = [_split_page(page, last) for page in pages]
        yield tuple(head for head, _ in cuts)
        pages = [tail for _, tail in cuts]


def _split_page(page: KeyedPage, last: bytes | None) -> tuple[KeyedPage, KeyedPage]:
    """The part of a page up to and with a key, all of it without one, and the rest."""
    if not page.keys or last is None or page.keys[-1] <= last:
        return page, NO_PAGE
    count = bisect_right(page.keys, last)
    head = KeyedPage(page.keys[:count], page.digests[:count], page.points[:count])
    return head, KeyedPage(page.keys[count:], page.digests[count:], page.points[count:])
