"""The oracle: writers and readers through an alias, and the verdict at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.replacement.comparison import Verdict, Window, compare, read_states
from tests.replacement.connection import Connection
from tests.replacement.points import (
    SHARD_KEYS,
    SPARSE_VECTORS,
    VECTORS,
    WRITERS,
    Operation,
    shard_key_of,
    whole_point,
)
from tests.replacement.reader import Reader
from tests.replacement.requests import point_of
from tests.replacement.writer import MIX, Writer

ALIAS = "live"
READERS = 2
BATCH = 1000


def collection_body(**changes: Any) -> dict[str, Any]:
    """A collection for the oracle's points, as in the body of its creation."""
    return {"vectors": VECTORS, "sparse_vectors": SPARSE_VECTORS} | changes


def load_points(connection: Connection, collection: str, points: int, sharded: bool) -> None:
    """Write the points that every run begins with."""
    for key in SHARD_KEYS if sharded else (None,):
        numbers = [n for n in range(points) if key in (None, shard_key_of(n))]
        for start in range(0, len(numbers), BATCH):
            batch = [point_of(n, whole_point(n, 0)) for n in numbers[start : start + BATCH]]
            body: dict[str, Any] = {"points": batch}
            if key is not None:
                body["shard_key"] = key
            connection.ask("PUT", f"/collections/{collection}/points?wait=true", body)


class Oracle:
    """Four writers and two readers. `ports` are the servers' (or those of proxies before them)."""

    def __init__(
        self,
        ports: Sequence[int],
        points: int,
        *,
        rate: float = 60.0,
        seed: int = 0,
        kinds: Sequence[str] = tuple(MIX),
        sharded: bool = False,
        repeats: float = 0.5,
        reader_ports: Sequence[int] = (),
    ) -> None:
        self.points = points
        self.writers = [
            Writer(
                number,
                ALIAS,
                Connection(_beginning_with(ports, number)),
                points=points,
                rate=rate,
                seed=seed,
                kinds=kinds,
                sharded=sharded,
                repeats=repeats,
            )
            for number in range(WRITERS)
        ]
        self.readers = [
            Reader(
                number,
                ALIAS,
                Connection(_beginning_with(reader_ports or ports, number)),
                points=points,
                rate=rate,
                seed=seed,
            )
            for number in range(READERS)
        ]

    @contextmanager
    def running(self) -> Iterator[Oracle]:
        """Writers and readers run meanwhile, and have ended afterwards."""
        threads = [*self.writers, *self.readers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            for thread in threads:
                thread.stopping.set()
            for thread in threads:
                thread.join(60)
            assert not any(thread.is_alive() for thread in threads)
        failures = [thread.failure for thread in threads if thread.failure]
        assert not failures, failures

    @property
    def operations(self) -> list[Operation]:
        return [op for writer in self.writers for op in writer.traffic.operations]

    def judge(
        self,
        connection: Connection,
        listed: Collection[int | str] = (),
        windows: Sequence[Window] = (),
    ) -> Verdict:
        """Compare every point behind the alias, as this server sees it."""
        live = read_states(connection, ALIAS)
        return compare(self.points, self.operations, live, listed, windows)

    @property
    def errors(self) -> list[str]:
        """What writers and readers met that an application does not expect."""
        found = [said for writer in self.writers for said in writer.traffic.errors]
        return found + [said for reader in self.readers for said in reader.examples]

    @property
    def refused(self) -> float:
        """Seconds between the first and the last refusal of a freeze, the longest one."""
        spans = sorted(span for writer in self.writers for span in writer.traffic.refused)
        longest, begin, end = 0.0, 0.0, 0.0
        for first, last in spans:
            if first > end + 1:
                begin = first
            end = max(end, last)
            longest = max(longest, end - begin)
        return longest

    def counts(self) -> dict[str, Any]:
        """Figures of a run, as its row of the table needs them."""
        reads = sum((reader.counts for reader in self.readers), Counter[str]())
        operations = self.operations
        return {
            "operations": sum(op.acknowledged for op in operations),
            "unknown": sum(not op.acknowledged for op in operations),
            "kinds": dict(Counter(op.kind for op in operations)),
            "cuts": sum(writer.traffic.cuts for writer in self.writers),
            "limited": sum(writer.traffic.limited for writer in self.writers),
            "errors": sum(len(writer.traffic.errors) for writer in self.writers),
            "refused": round(self.refused, 2),
            "reads": reads["requests"],
            "read_errors": reads["errors"] + reads["cuts"],
            "read_empty": reads["empty"],
            "slowest_read": round(max(reader.slowest for reader in self.readers), 2),
        }


def _beginning_with(ports: Sequence[int], number: int) -> list[int]:
    start = number % len(ports)
    return [*ports[start:], *ports[:start]]


def wait_for(what: Callable[[], bool], seconds: float = 60.0, pause: float = 0.05) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, f"not in {seconds} s"
        time.sleep(pause)
