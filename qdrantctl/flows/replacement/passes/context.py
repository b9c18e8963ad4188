"""What the passes of a replacement work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import PointStore, RawPoint

ShardKey = int | str | None
"""The key of user-defined shards; None for all of a collection without them."""
Writers = Literal["live", "dual", "frozen"]


class StorePair(NamedTuple):
    """Both sides of a replacement, or of one of its shard keys. One thread uses it at a time."""

    source: PointStore
    target: PointStore

    def close(self) -> None:
        """Close both."""
        self.source.close()
        self.target.close()


class Conversion(Protocol):
    """How points of the source become points of the target."""

    @property
    def is_identity(self) -> bool:
        """Whether a point that was written has the same digest on both sides."""
        ...

    @property
    def digest_fields(self) -> tuple[str, ...] | None:
        """The part of the source's points that it depends on, as in `PointStore.digest_of`."""
        ...

    def convert(
        self, points: Sequence[RawPoint], source: PointStore, target: PointStore, /
    ) -> Sequence[RawPoint]:
        """The points to write, without those that cannot be converted. Raises QdrantctlError.

        Several threads call it.
        """
        ...


@dataclass(frozen=True, slots=True)
class ServerConversion:
    """Points as they are; where types of vectors differ the target's server converts them."""

    is_identity: bool
    digest_fields: tuple[str, ...] | None = None

    def convert(
        self, points: Sequence[RawPoint], _source: PointStore, _target: PointStore
    ) -> Sequence[RawPoint]:
        """The points, unchanged."""
        return points


@dataclass(frozen=True, slots=True)
class PassContext:
    """One replacement, and what its passes report to."""

    replacement_id: str
    """Digest files of other replacements do not count."""
    open_pair: Callable[[ShardKey], StorePair]
    """Opens connections for one thread. Raises ClusterError."""
    conversion: Conversion
    writers: Writers
    folder: Path
    """Where the digest files are; it is created."""
    shard_keys: tuple[ShardKey, ...] = (None,)
    rate: int | None = None
    """Most points written per second, by all threads; None for no limit."""
    is_cancelled: Callable[[], bool] = lambda: False
    report_progress: Callable[[int], None] = lambda _done: None
    """Called with the number of points that this phase is done with, by one thread at a time."""
    wait_for_target: Callable[[], None] = lambda: None
    """Returns when the target can take more points, or after a cancellation; any thread calls it.
    Raises ClusterError."""
    save_cursors: Callable[[Mapping[str, Json]], None] = lambda _cursors: None
    """Called during a fill with what a resumed fill needs, at most every 2 seconds, by one thread
    at a time."""

    @property
    def is_dual(self) -> bool:
        """Whether applications write the target before the switch, too."""
        return self.writers == "dual"
