"""What a store needs of a protocol: one request each, sent once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from qdrantctl.model.points import Digest, Point, PointKey, PointPatch, RawPoint

DIGEST_SIZE = 8
MAX_BODY = 16 << 20
"""Most bytes of a request's body: servers accept 32 MB unless another limit is configured."""


class Page(NamedTuple):
    """A page of points in the order of their keys."""

    points: Sequence[RawPoint]
    next_key: PointKey | None
    """The first key after it; None at the end."""
    size: int
    """Bytes of the response."""


class Transport(Protocol):
    """One collection, or one of its shard keys, over one protocol.

    Its requests are sent once, and raise RequestFailed. `key_of`, `digest_of`, `digest_copy`,
    `decode_point` and `encode_point` are those of PointStore.
    """

    def scroll_points(self, start: PointKey | None, limit: int, *, whole: bool) -> Page:
        """A page of points from a key on; ids alone unless `whole`."""
        ...

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[RawPoint]:
        """The points of these keys, in any order."""
        ...

    def query_random(self, limit: int) -> Sequence[PointKey]:
        """Random keys."""
        ...

    def count_points(self) -> int:
        """The exact number of points."""
        ...

    def upsert_points(self, points: Sequence[RawPoint], *, insert_only: bool) -> None:
        """Write points; with `insert_only` those that do not exist, as the server finds them."""
        ...

    def delete_points(self, keys: Sequence[PointKey], *, mark: str) -> None:
        """Delete points; with a mark only those that have it."""
        ...

    def set_mark(self, keys: Sequence[PointKey], mark: str) -> None:
        """Set the payload value of the mark."""
        ...

    def delete_mark(self, keys: Sequence[PointKey]) -> None:
        """Delete the payload value of the mark."""
        ...

    def key_of(self, point: RawPoint) -> PointKey:
        """The key of a point."""
        ...

    def digest_of(self, point: RawPoint, fields: tuple[str, ...] | None = None) -> Digest:
        """The digest of a point."""
        ...

    def digest_copy(self, point: RawPoint, copy: RawPoint) -> tuple[Digest, Digest]:
        """The digests of a point and of its copy."""
        ...

    def decode_point(self, point: RawPoint) -> Point:
        """The point as data."""
        ...

    def encode_point(self, point: Point) -> RawPoint:
        """The inverse."""
        ...

    def reconnect(self) -> None:
        """After a failure: use another connection, to the next node where several are known."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class Patcher(Protocol):
    """Requests that change parts of points; each is sent once, and raises RequestFailed."""

    def update_vectors(self, patches: Sequence[PointPatch], *, mark: str) -> None:
        """Set vectors of points that have this mark."""
        ...

    def update_payloads(self, patches: Sequence[PointPatch], *, mark: str) -> None:
        """Drop vectors and change payloads of points that have this mark."""
        ...

    def delete_all_marks(self) -> None:
        """Delete the mark of every point that has one."""
        ...

    def reconnect(self) -> None:
        """After a failure: use another connection, to the next node where several are known."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...
