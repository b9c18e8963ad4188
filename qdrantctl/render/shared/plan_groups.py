"""Changes of a plan that say the same of many resources, so that a reviewer reads them once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace

from qdrantctl.model.change import Action, Change, identify_fields
from qdrantctl.model.frozen import frozen
from qdrantctl.render.shared.escape import count_noun
from qdrantctl.render.shared.plan_rows import (
    FieldRow,
    change_heading,
    change_reason,
    change_rows,
    snapshot_note,
)

FEWEST = 3
"""Alike changes that are shown as one."""
_GROUPED_ACTIONS = (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.FORGET)
"""Actions that may be grouped: what is destroyed, replaced or refused is shown one by one."""


@frozen
class ChangeGroup:
    """Changes that are shown as one; most groups have one change."""

    changes: tuple[Change, ...]

    @property
    def first(self) -> Change:
        """The first of them, which shows what all of them do."""
        return self.changes[0]

    @property
    def is_alone(self) -> bool:
        """Whether it is a single change."""
        return len(self.changes) == 1

    @property
    def title(self) -> str:
        """`20 collections`."""
        return count_noun(len(self.changes), self.first.parsed_address.kind.replace("_", " "))

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses, in the order of the plan."""
        return tuple(change.address for change in self.changes)

    @property
    def rows(self) -> tuple[FieldRow, ...]:
        """The fields; without places where they are of several resources."""
        rows = change_rows(self.first)
        return rows if self.is_alone else tuple(replace(row, place="") for row in rows)


def group_changes(
    changes: Iterable[Change], more: Callable[[Change], object] = lambda _: None
) -> tuple[ChangeGroup, ...]:
    """Groups in the order of their first changes.

    `more` is what a format shows of a change beyond text; it is the same within a group.
    """
    groups: dict[object, list[Change]] = {}
    known: dict[Hashable, object] = {}
    for change in changes:
        groups.setdefault((_likeness(change, known), more(change)), []).append(change)
    result: list[ChangeGroup] = []
    for members in groups.values():
        if len(members) >= FEWEST:
            result.append(ChangeGroup(tuple(members)))
        else:
            result += (ChangeGroup((member,)) for member in members)
    positions = {change.address: number for number, change in enumerate(changes)}
    return tuple(sorted(result, key=lambda group: positions[group.first.address]))


def _likeness(change: Change, known: dict[Hashable, object]) -> object:
    """Equal for changes that are shown alike but for their names.

    `known` keeps the rows by what they are made of.
    """
    if change.action not in _GROUPED_ACTIONS or change.retires or snapshot_note(change, ""):
        return change.address
    source = change.action, identify_fields(change.fields)
    if source not in known:
        known[source] = tuple(
            (row.sign, row.path, row.change, row.notes) for row in change_rows(change)
        )
    return (
        change.parsed_address.kind,
        change.action,
        change_heading(change),
        change_reason(change),
        known[source],
    )
