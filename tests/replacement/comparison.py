"""What must be in a collection after all operations, compared with what is there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from tests.replacement.connection import Connection
from tests.replacement.points import (
    Operation,
    State,
    applied,
    frozen,
    id_of,
    number_of,
    whole_point,
)

PAGE = 1000


@dataclass(frozen=True)
class Window:
    """When a replacement ran, and between which moments its aliases moved (`time.monotonic`)."""

    began: float
    before_switch: float
    after_switch: float
    ended: float


@dataclass
class Verdict:
    """Numbers of points that are not as they must be."""

    points: int = 0
    lost: list[int] = field(default_factory=list)
    revived: list[int] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    """Points that the product lists, which changed on both sides and lack older changes."""
    listed_wrongly: list[int] = field(default_factory=list)
    """Points that the product lists, but did not change on both sides of a switch."""
    details: dict[int, str] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        return not (self.lost or self.revived or self.wrong or self.listed_wrongly)

    def describe(self) -> str:
        """The first points of each kind, with what happened to them."""
        lines = []
        for name in ("lost", "revived", "wrong", "listed_wrongly"):
            numbers = getattr(self, name)
            lines += [f"{name}: {len(numbers)}"] if numbers else []
            lines += [f"  {number}: {self.details.get(number, '')}" for number in numbers[:5]]
        return "\n".join(lines)


def read_states(connection: Connection, collection: str) -> dict[int, State]:
    """Every point of a collection by its number."""
    states: dict[int, State] = {}
    offset: Any = None
    while True:
        body = {"limit": PAGE, "with_payload": True, "with_vector": True, "offset": offset}
        page = connection.ask("POST", f"/collections/{collection}/points/scroll", body)
        for point in page["points"]:
            states[number_of(point["id"])] = (point["payload"], point["vector"])
        offset = page["next_page_offset"]
        if offset is None:
            return states


def compare(
    points: int,
    operations: Iterable[Operation],
    live: Mapping[int, State],
    listed: Collection[int | str] = (),
    windows: Sequence[Window] = (),
) -> Verdict:
    """Compare a collection that began with `points` points with what must be in it.

    `listed` are ids of points that the product says changed on both sides of a switch.
    """
    logs: dict[int, list[Operation]] = defaultdict(list)
    for operation in operations:
        for number in operation.numbers:
            logs[number].append(operation)
    for log in logs.values():
        log.sort(key=lambda operation: operation.version)
    verdict = Verdict(len(live))
    numbers_listed = {number_of(point_id) for point_id in listed}
    for number in sorted(logs.keys() | live.keys() | set(range(points)) | numbers_listed):
        first = whole_point(number, 0) if number < points else None
        _judge(verdict, number, first, logs.get(number, []), live.get(number), windows)
        if number in numbers_listed:
            _forgive(verdict, number, first, logs.get(number, []), live.get(number), windows)
    return verdict


def _judge(
    verdict: Verdict,
    number: int,
    first: State,
    log: Sequence[Operation],
    found: State,
    windows: Sequence[Window],
) -> None:
    """Note a point that is not in any of the states that it may have."""
    states = _possible_states(first, number, log)
    if frozen(found) in states:
        return
    if found is None:
        kind = verdict.lost
    elif states == {b""}:
        kind = verdict.revived
    else:
        kind = verdict.wrong
    kind.append(number)
    said = [f"{op.kind} v{op.version} {_side(op, windows)}" for op in log[-4:]]
    verdict.details[number] = (
        f"id {id_of(number)}, found {frozen(found).decode()}, not one of "
        f"{[state.decode() for state in states]}, after {said}"
    )


def _forgive(
    verdict: Verdict,
    number: int,
    first: State,
    log: Sequence[Operation],
    found: State,
    windows: Sequence[Window],
) -> None:
    """A listed point may lack changes of the older side, if it changed on both."""
    is_right = not any(number in kind for kind in (verdict.lost, verdict.revived, verdict.wrong))
    if not any(_has_both_sides(log, window) for window in windows):
        verdict.listed_wrongly.append(number)
        verdict.details.setdefault(
            number, str([f"{op.kind} v{op.version} {_side(op, windows)}" for op in log[-4:]])
        )
    elif not is_right and _lacks_older_changes(first, number, log, found):
        for kind in (verdict.lost, verdict.revived, verdict.wrong):
            if number in kind:
                kind.remove(number)
        verdict.conflicts.append(number)


def _possible_states(first: State, number: int, log: Iterable[Operation]) -> set[bytes]:
    states = [first]
    for operation in log:
        changed = [applied(operation, number, state) for state in states]
        states = changed if operation.acknowledged else states + changed
    return {frozen(state) for state in states}


def _has_both_sides(log: Iterable[Operation], window: Window) -> bool:
    """Whether operations of a replacement's time may have gone to both of its collections."""
    log = [op for op in log if op.ended >= window.began and op.began <= window.ended]
    return any(op.began <= window.after_switch for op in log) and any(
        op.ended >= window.before_switch for op in log
    )


def _lacks_older_changes(first: State, number: int, log: Sequence[Operation], found: State) -> bool:
    """Whether the point is as without some of its operations, the last one not among them."""
    return any(
        frozen(found) in _possible_states(first, number, [*log[:start], *log[end:]])
        for start, end in combinations(range(len(log)), 2)
    )


def _side(operation: Operation, windows: Sequence[Window]) -> str:
    """When an operation was, relative to the switch nearest to it."""
    if not windows:
        return ""
    window = min(windows, key=lambda each: abs(each.after_switch - operation.began))
    return f"({operation.began - window.after_switch:+.3f} s)"
