"""One connection that reads, and never expects an error or an empty answer."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from typing import Any

import orjson

from tests.replacement.connection import Connection
from tests.replacement.points import (
    CLASSES,
    WRITERS,
    embed,
    frozen,
    id_of,
    text_of,
    whole_point,
)

MOST = 20


class Reader(threading.Thread):
    """Scrolls, queries, counts and retrieves in turn.

    What it retrieves are points that no writer changes, so it knows each answer.
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
    ) -> None:
        super().__init__(daemon=True, name=f"reader {number}")
        self.path = f"/collections/{collection}/points"
        self.connection = connection
        self.points = points
        self.rate = rate
        self.random = random.Random(f"reader {seed} {number}")
        self.counts: Counter[str] = Counter()
        """Requests, errors, cuts and empty (or wrong) answers."""
        self.examples: list[str] = []
        self.slowest = 0.0
        self.stopping = threading.Event()
        self.failure = ""

    def run(self) -> None:
        try:
            self._read()
        except Exception:
            self.failure = traceback.format_exc()
            raise
        finally:
            self.connection.close()

    def _read(self) -> None:
        reads: list[Callable[[], str]] = [self.scroll, self.query, self.count, self.retrieve]
        turn = 0
        while not self.stopping.is_set():
            began = time.monotonic()
            self.counts["requests"] += 1
            try:
                found = reads[turn % len(reads)]()
            except OSError as error:
                self.counts["cuts"] += 1
                found = f"cut: {error}"
            if found and len(self.examples) < MOST:
                self.examples.append(found)
            self.slowest = max(self.slowest, time.monotonic() - began)
            turn += 1
            self.stopping.wait(began + 1 / self.rate - time.monotonic())

    def scroll(self) -> str:
        body = {"limit": 20, "offset": id_of(self._stable(half=True)), "with_payload": True}
        return self._asked("/scroll", body, lambda result: bool(result["points"]))

    def query(self) -> str:
        number = self._stable()
        body = {"query": embed(text_of(number, 0)), "using": "a", "limit": 5}
        return self._asked("/query", body, lambda result: bool(result["points"]))

    def count(self) -> str:
        least = self.points // CLASSES
        return self._asked("/count", {"exact": True}, lambda result: result["count"] >= least)

    def retrieve(self) -> str:
        numbers = sorted({self._stable() for _ in range(5)})
        ids = [id_of(number) for number in numbers]
        known = {id_of(number): frozen(whole_point(number, 0)) for number in numbers}

        def is_whole(result: list[dict[str, Any]]) -> bool:
            return {p["id"]: frozen((p["payload"], p["vector"])) for p in result} == known

        body = {"ids": ids, "with_payload": True, "with_vector": True}
        return self._asked("", body, is_whole)

    def _stable(self, half: bool = False) -> int:
        """The number of a point that is never written."""
        count = self.points // CLASSES
        kept = WRITERS + self.random.randrange(CLASSES - WRITERS)
        return self.random.randrange(count // 2 if half else count) * CLASSES + kept

    def _asked(self, path: str, body: dict[str, Any], is_whole: Callable[[Any], bool]) -> str:
        """What is wrong with the answer; empty if nothing is."""
        status, answer = self.connection.send("POST", self.path + path, body)
        if status != 200:
            self.counts["errors"] += 1
            return f"{path}: {status} {str(answer)[:300]}"
        if not is_whole(answer["result"]):
            self.counts["empty"] += 1
            return f"{path} {body}: {orjson.dumps(answer['result'])[:500].decode()}"
        return ""
