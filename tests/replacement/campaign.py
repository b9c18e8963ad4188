"""Replacements while the oracle runs: begun, disturbed, finished and judged."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tests.replacement.comparison import Verdict, Window
from tests.replacement.connection import Connection
from tests.replacement.site import ADDRESS, Site
from tests.replacement.watch import Watch
from tests.replacement.workload import ALIAS, Oracle

PHASES = ("create", "fill", "catch_up", "gate", "switch", "sweep", "keep")
LATEST = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Seconds after the beginning of a phase, at most."""
SETTLE = 1.0
REPLICAS_SECONDS = 180


class Campaign:
    """Replacements of one site, one after the other, under one oracle."""

    def __init__(self, site: Site, oracle: Oracle, seed: int = 0) -> None:
        self.site = site
        self.oracle = oracle
        self.watch = Watch(site.ports, ALIAS)
        self.random = random.Random(f"campaign {seed}")
        self.windows: list[Window] = []
        self.kills: list[str] = []
        """The phases in which an apply was killed."""
        self.faults = 0
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[Campaign]:
        """The oracle runs meanwhile, and a moment before and after."""
        self.watch.start()
        began = time.monotonic()
        try:
            with self.oracle.running():
                time.sleep(SETTLE)
                yield self
                time.sleep(SETTLE)
        finally:
            self.seconds = time.monotonic() - began
            self.watch.stop()

    @contextmanager
    def replacement(self) -> Iterator[None]:
        """What happens inside is one replacement, or one rollback."""
        began, switches = time.monotonic(), len(self.watch.switches)
        yield
        time.sleep(SETTLE)
        moved = self.watch.switches[switches:]
        assert len(moved) == 1, f"the alias moved {len(moved)} times\n{self.site.log[-1]}"
        before, after = moved[0]
        self.windows.append(Window(began, before, after, time.monotonic()))

    def replace(self, **changes: Any) -> None:
        """One replacement that nothing disturbs."""
        with self.replacement():
            self.site.states(**changes)
            # On a busy machine three servers may not agree in time; the next apply goes on.
            self.site.applied(tries=min(len(self.site.nodes), 3))

    def replace_with_kills(self, phases: Sequence[str], **changes: Any) -> None:
        """One replacement whose applies are killed in these phases, and then finish."""
        with self.replacement():
            self.site.states(**changes)
            for phase in sorted(phases, key=PHASES.index):
                if not self._kill_in(phase):
                    break
            self.site.applied(tries=min(len(self.site.nodes), 3))

    def _kill_in(self, phase: str) -> bool:
        """Kill an apply at a random moment of a phase; whether it had not ended before."""
        process = self.site.apply()
        reached = PHASES[PHASES.index(phase) :]
        while process.poll() is None and not self.watch.wait_for_phase(*reached, seconds=0.05):
            pass
        time.sleep(self.random.choice(LATEST) * self.random.random())
        where = self.watch.phase or "before"
        process.kill()
        if process.wait() >= 0:
            self.site.log.append(self.site.output())
            return False
        self.kills.append(where)
        return True

    def roll_back(self) -> None:
        """Let the aliases lead to the old collection again, with what was written since."""
        with self.replacement():
            code = self.site.run("replacement", "rollback", ADDRESS, "--auto-approve")
            assert code == 0, self.site.log[-1]

    def judge(self) -> list[Verdict]:
        """The verdict of every node."""
        listed = self.watch.conflicts
        verdicts = []
        for node in self.site.nodes:
            connection = Connection([node.http_port])
            wait_for_replicas(connection)
            verdicts.append(self.oracle.judge(connection, listed, self.windows))
            connection.close()
        return verdicts

    def row(self, verdicts: list[Verdict]) -> Mapping[str, Any]:
        """The figures of this run for the table."""
        worst = max(verdicts, key=lambda v: len(v.lost) + len(v.revived) + len(v.wrong))
        return {
            "nodes": len(self.site.nodes),
            "points": self.site.points,
            "replacements": len(self.windows),
            "seconds": round(self.seconds),
            **self.oracle.counts(),
            "kills": len(self.kills),
            "killed_in": {phase: self.kills.count(phase) for phase in ("before", *PHASES)},
            "faults": self.faults,
            "lost": len(worst.lost),
            "revived": len(worst.revived),
            "wrong": len(worst.wrong),
            "conflicts": len(worst.conflicts),
            "listed": len(self.watch.conflicts),
            "listed_wrongly": len(worst.listed_wrongly),
        }


def wait_for_replicas(connection: Connection) -> None:
    """Return when the node of a connection has every replica, after it was away."""
    deadline = time.monotonic() + REPLICAS_SECONDS
    while True:
        try:
            topology = connection.ask("GET", f"/collections/{ALIAS}/cluster")
            shards = [*topology["local_shards"], *topology["remote_shards"]]
            if not topology["shard_transfers"] and all(s["state"] == "Active" for s in shards):
                return
        except (OSError, AssertionError):
            topology = {}
        assert time.monotonic() < deadline, topology
        time.sleep(0.5)
