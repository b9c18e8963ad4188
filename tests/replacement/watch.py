"""Watches a replacement from outside: its phase in the ledger, and where the alias leads."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from tests.replacement.connection import Connection

RECORD = "replacement/products"
POLL = 0.01


class Watch(threading.Thread):
    """Looks at the ledger and at every node's aliases, again and again."""

    def __init__(self, ports: Sequence[int], alias: str) -> None:
        super().__init__(daemon=True, name="watch")
        self.alias = alias
        self.connections = [Connection([port]) for port in ports]
        self.phases: list[tuple[str, float]] = []
        """Every phase with the moment at which it was first seen; "" where there is no record."""
        self.switches: list[tuple[float, float]] = []
        """When an alias led to the old collection on all nodes for the last time, and to the new
        one on all nodes for the first time."""
        self.conflicts: set[int | str] = set()
        self.record: dict[str, Any] = {}
        self.stopping = threading.Event()
        self._moved = threading.Condition()
        self._target = ""
        self._settled = time.monotonic()

    def run(self) -> None:
        while not self.stopping.is_set():
            self._look_at_aliases()
            self._look_at_ledger()
            self.stopping.wait(POLL)
        for connection in self.connections:
            connection.close()

    def stop(self) -> None:
        self.stopping.set()
        self.join(60)

    @property
    def phase(self) -> str:
        return self.phases[-1][0] if self.phases else ""

    def wait_for_phase(self, *phases: str, seconds: float) -> bool:
        """Whether one of the phases is under way within so many seconds."""
        with self._moved:
            return self._moved.wait_for(lambda: self.phase in phases, seconds)

    def _look_at_aliases(self) -> None:
        began = time.monotonic()
        targets = set()
        for connection in self.connections:
            try:
                _, answer = connection.send("GET", "/aliases")
                found = answer["result"]["aliases"]
            except (OSError, KeyError, TypeError):
                continue  # this node is down
            targets |= {a["collection_name"] for a in found if a["alias_name"] == self.alias}
        if len(targets) != 1:
            return
        [target] = targets
        if target != self._target:
            if self._target:
                self.switches.append((self._settled, time.monotonic()))
            self._target = target
        self._settled = began

    def _look_at_ledger(self) -> None:
        path = f"/collections/_qdrantctl/points/{ledger_point_id(RECORD)}"
        for connection in self.connections:
            try:
                status, answer = connection.send("GET", path)
            except OSError:
                continue
            if status == 404:
                self._note({})
                return
            if status == 200:
                self._note((answer["result"].get("payload") or {}).get("replacement") or {})
                return

    def _note(self, record: dict[str, Any]) -> None:
        self.conflicts |= set(record.get("conflict_ids", ()))
        self.record = record or self.record
        phase = record.get("phase", "")
        if phase != self.phase or not self.phases:
            with self._moved:
                self.phases.append((phase, time.monotonic()))
                self._moved.notify_all()
