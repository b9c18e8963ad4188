"""The points protocol: how a replacement reads, compares and writes the points of a collection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from qdrantctl.model.field_rule import Json

RawPoint = Any
"""A point in the form in which its store reads and writes it. Only stores look into it."""
Digest = bytes
"""8 bytes. Equal points give equal digests; the order of payload keys does not matter."""


class PointKey(NamedTuple):
    """The id of a point, in the order in which servers list ids: numbers before UUIDs."""

    is_uuid: bool
    value: int

    @classmethod
    def parse(cls, point_id: int | str) -> PointKey:
        """The key of an id as in JSON: a number, or the text of a UUID."""
        if isinstance(point_id, int):
            return cls(False, point_id)
        return cls(True, UUID(point_id).int)

    @property
    def point_id(self) -> int | str:
        """The id as in JSON."""
        return str(UUID(int=self.value)) if self.is_uuid else self.value


@dataclass(frozen=True, slots=True)
class Point:
    """A point that is looked into: as in the JSON of the REST API."""

    key: PointKey
    payload: Mapping[str, Json]
    vectors: Mapping[str, Json]
    """By name; the unnamed vector is under the empty name."""


@dataclass(frozen=True, slots=True)
class PointPatch:
    """What to change in a point that exists; all else in it stays as it is."""

    key: PointKey
    vectors: Mapping[str, Json]
    """Those to set, by name."""
    dropped_vectors: tuple[str, ...]
    payload: Mapping[str, Json]
    """The keys to set."""
    dropped_keys: tuple[str, ...] = ()
    """Payload keys to remove."""
    replaces_payload: bool = False
    """Whether all other keys go."""
    payload_before: Mapping[str, Json] = field(default_factory=dict)
    """The payload for which this is meant: keys that changed since then stay as they are."""

    @property
    def changes_more_than_vectors(self) -> bool:
        """Whether it drops vectors, or changes the payload."""
        return bool(
            self.payload or self.dropped_keys or self.dropped_vectors or self.replaces_payload
        )


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Ids from `start` up to, and without, `end`; None is open."""

    start: PointKey | None = None
    end: PointKey | None = None


class PointStore(Protocol):
    """The points of one collection, or of one of its shard keys, through connections of its own.

    One thread uses it at a time. Every method raises ClusterError. Reads, and the writes (each may
    be sent twice), are repeated after lost connections and 429; a write returns when it is applied.
    """

    def read_points(self, keys: KeyRange) -> Iterator[Sequence[RawPoint]]:
        """All points of a range in the order of their keys, page by page."""
        ...

    def read_keys(self, keys: KeyRange) -> Iterator[Sequence[PointKey]]:
        """All keys of a range in their order, page by page, without payload and vectors."""
        ...

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[RawPoint]:
        """The points of these keys that exist, in the order of their keys."""
        ...

    def upsert_points(self, points: Sequence[RawPoint], *, insert_only: bool = False) -> None:
        """Write points. With `insert_only` existing points stay as they are, atomically.

        A server of 1.16 may keep vectors or payload of an existing point that the new one lacks.
        """
        ...

    def patch_points(self, patches: Sequence[PointPatch], *, if_marked: str) -> None:
        """Change parts of points that still have this mark. It never creates a point.

        A payload key is changed only while it has its value of `payload_before`.
        """
        ...

    def delete_points(self, keys: Sequence[PointKey], *, if_marked: str = "") -> None:
        """Delete points; with `if_marked` only those that still have this mark."""
        ...

    def mark_points(self, keys: Sequence[PointKey], mark: str) -> None:
        """Give points a mark: a payload value that every overwrite of the point removes."""
        ...

    def unmark_points(self, keys: Sequence[PointKey] | None = None) -> None:
        """Remove marks, of these points or of all."""
        ...

    def key_of(self, point: RawPoint) -> PointKey:
        """The key of a point."""
        ...

    def digest_of(self, point: RawPoint, fields: tuple[str, ...] | None = None) -> Digest:
        """The digest of payload and vectors; with `fields` of these payload fields only.

        No fields at all (an empty tuple) means the whole payload without vectors. A mark is left
        out.
        """
        ...

    def digest_copy(self, point: RawPoint, copy: RawPoint) -> tuple[Digest, Digest]:
        """The digests of a point and of its copy elsewhere.

        Where both are equal, this is faster than `digest_of` twice.
        """
        ...

    def decode_point(self, point: RawPoint) -> Point:
        """The point as data."""
        ...

    def encode_point(self, point: Point) -> RawPoint:
        """The inverse, to be written."""
        ...

    def sample_keys(self, count: int) -> Sequence[PointKey]:
        """About `count` random keys in their order; fewer if there are fewer points."""
        ...

    def count_points(self) -> int:
        """The exact number of points."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...
