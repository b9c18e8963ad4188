"""One connection that writes, and notes what was acknowledged."""

from __future__ import annotations

import random
import re
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.replacement.connection import Connection
from tests.replacement.points import (
    CLASSES,
    DELETE,
    DELETE_BY_FILTER,
    DELETE_PAYLOAD,
    GROUP,
    OVERWRITE_PAYLOAD,
    SET_PAYLOAD,
    UPDATE_VECTORS,
    UPSERT,
    Operation,
    group_of,
    lacks_vectors,
    shard_key_of,
    text_of,
)
from tests.replacement.requests import request_of

INSERT, OVERWRITE, REVIVE = "insert", "overwrite", "revive"
MIX = {
    INSERT: 18,
    OVERWRITE: 20,
    REVIVE: 10,
    DELETE: 14,
    DELETE_BY_FILTER: 4,
    SET_PAYLOAD: 12,
    OVERWRITE_PAYLOAD: 6,
    DELETE_PAYLOAD: 6,
    UPDATE_VECTORS: 10,
}
"""How often each is done, in percent; the first three are upserts."""
HOT = 20
"""So many points of a writer get a third of its updates, so that both sides of a switch meet."""
FREEZE = re.compile(
    "upsert limit|update limit|payload storage size limit"
    "|larger than rate limiter capacity|Retry after [1-6][0-9]s"
)
"""What a server answers while writes are refused: a rate limit of 1 a minute is one of the caps."""
LATE = 60.0
"""Seconds after which an operation that is refused, or cut off, is given up."""
LATE_AFTER_ERROR = 10.0
PAUSE = 0.02


@dataclass
class Traffic:
    """What one connection met."""

    operations: list[Operation] = field(default_factory=list)
    refused: list[tuple[float, float]] = field(default_factory=list)
    """From the first refusal of an operation until the server answered otherwise."""
    limited: int = 0
    """429 because of a rate limit that was stated; the operations are sent again."""
    cuts: int = 0
    errors: list[str] = field(default_factory=list)
    """Answers that an application does not expect."""


class Writer(threading.Thread):
    """Owns the points of one residue class, so that operations on one point are ordered.

    The outcome of an operation whose answer did not come is unknown. Either it is sent again, or
    its points are left alone from then on: a server that has not answered may act late.
    """

    def __init__(
        self,
        number: int,
        collection: str,
        connection: Connection,
        *,
        points: int,
        rate: float,
        seed: int = 0,
        kinds: Sequence[str] = tuple(MIX),
        sharded: bool = False,
        repeats: float = 0.5,
    ) -> None:
        super().__init__(daemon=True, name=f"writer {number}")
        self.own = number
        self.collection = collection
        self.connection = connection
        self.rate = rate
        self.random = random.Random(f"{seed} {number}")
        self.kinds = list(kinds)
        self.sharded = sharded
        self.repeats = repeats
        self.traffic = Traffic()
        self.stopping = threading.Event()
        self.texts = {n: text_of(n, 0) for n in range(number, points, CLASSES)}
        """The text of each point that exists, by its number."""
        self.gone: list[int] = []
        self.next_number = points + (number - points) % CLASSES
        self.aside: set[int] = set()
        """Points whose state is unknown; they are left alone."""
        self.aside_groups: set[str] = set()
        self.version = number + CLASSES

        self.failure = ""

    def run(self) -> None:
        try:
            self._write()
        except Exception:
            self.failure = traceback.format_exc()
            raise
        finally:
            self.connection.close()

    def _write(self) -> None:
        due = time.monotonic()
        while not self.stopping.is_set():
            operation = self._choose()
            if operation is None:
                continue
            self._perform(operation)
            due = max(due + 1 / self.rate, time.monotonic() - 1)
            self.stopping.wait(due - time.monotonic())

    def _choose(self) -> Operation | None:
        """The next operation, if there are points for it."""
        kind = self.random.choices(self.kinds, [MIX[kind] for kind in self.kinds])[0]
        numbers = self._numbers(kind)
        if not numbers:
            return None
        self.version += CLASSES
        while kind == OVERWRITE and lacks_vectors(self.version):
            # Until 1.19 an upsert may leave those vectors of the point that it does not have.
            self.version += CLASSES
        operation = Operation(
            UPSERT if kind in (INSERT, OVERWRITE, REVIVE) else kind, numbers, self.version
        )
        operation.waits = self.random.random() < 0.75
        if kind == OVERWRITE_PAYLOAD:
            operation.text = self.texts[numbers[0]]
        return operation

    def _numbers(self, kind: str) -> tuple[int, ...]:
        count = self.random.randint(1, 5)
        if kind == INSERT:
            numbers = [self.next_number + i * CLASSES for i in range(count)]
            self.next_number = numbers[-1] + CLASSES
        elif kind == REVIVE:
            numbers = [n for n in self._some(self.gone, count) if n not in self.texts]
        elif kind == DELETE_BY_FILTER:
            first = self._existing()
            base = first // GROUP * GROUP
            if group_of(first) in self.aside_groups:
                return ()
            return tuple(
                n for n in range(base + self.own, base + GROUP, CLASSES) if n in self.texts
            )
        elif kind == OVERWRITE_PAYLOAD:
            numbers = [self._existing()]
        else:
            numbers = [self._existing() for _ in range(count)]
        usable = [n for n in dict.fromkeys(numbers) if n not in self.aside]
        if self.sharded:
            usable = [n for n in usable if shard_key_of(n) == shard_key_of(usable[0])]
        return tuple(usable)

    def _existing(self) -> int:
        """A number whose point exists: often one of the few hot ones."""
        last = HOT if self.random.random() < 1 / 3 else (self.next_number - 1) // CLASSES
        for _ in range(100):
            number = self.own + self.random.randrange(last) * CLASSES
            if number in self.texts and number not in self.aside:
                return number
        return next(n for n in self.texts if n not in self.aside)

    def _some(self, numbers: list[int], count: int) -> list[int]:
        return self.random.sample(numbers, min(count, len(numbers)))

    def _perform(self, operation: Operation) -> None:
        request = request_of(operation, self.collection, self.sharded)
        operation.began = time.monotonic()
        effect = self._send(operation, request)
        operation.ended = time.monotonic()
        if effect == "none":
            return
        operation.acknowledged = effect == "acknowledged"
        self.traffic.operations.append(operation)
        if not operation.acknowledged:
            self.aside |= set(operation.numbers)
            self.aside_groups |= {group_of(number) for number in operation.numbers}
        for number in operation.numbers:
            if operation.kind == UPSERT:
                self.texts[number] = text_of(number, operation.version)
            elif operation.kind in (DELETE, DELETE_BY_FILTER):
                del self.texts[number]
                self.gone.append(number)

    def _send(self, operation: Operation, request: tuple[str, str, dict[str, Any]]) -> str:
        """Until it is acknowledged; else whether it surely had no effect, or that is unknown."""
        effect, refused = "none", 0.0
        while True:
            try:
                status, answer = self.connection.send(*request)
            except OSError:
                self.traffic.cuts += 1
                if self.random.random() >= self.repeats or self._is_late(operation):
                    return "unknown"
                effect = "unknown"
                continue
            text = "" if status == 200 else str(answer)
            is_refused = status in (400, 429) and FREEZE.search(text) is not None
            if is_refused:
                refused = refused or time.monotonic()
            elif refused:
                self.traffic.refused.append((refused, time.monotonic()))
                refused = 0.0
            if status == 200:
                return "acknowledged"
            if not is_refused or status == 429:
                effect = "unknown"  # of several shards one may have acted
            if status == 429:
                self.traffic.limited += not is_refused
            elif not is_refused:
                said = f"{operation.kind} {operation.numbers}: {status} {text[:300]}"
                self.traffic.errors.append(said)
                if self._is_late(operation, LATE_AFTER_ERROR):
                    return effect
            if self._is_late(operation):
                return effect
            time.sleep(PAUSE if is_refused else 10 * PAUSE)

    def _is_late(self, operation: Operation, patience: float = LATE) -> bool:
        """Whether nobody waits for it any more."""
        return self.stopping.is_set() or time.monotonic() - operation.began > patience
