"""The parts of an HTML page as data. Templates only place them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Origin
from qdrantctl.model.violation import Violation
from qdrantctl.render.diagnostics import REPORTED
from qdrantctl.render.shared.picture import Picture

THREE_WAY = ("applied", "live", "desired")
"""The columns of fields: as last applied, on the cluster, in the manifests."""
DANGER, HEAVY, GOOD, CHANGE, CALM = "danger", "heavy", "good", "change", "calm"
"""Tones, the loudest first. A sign or a word says the same, so that colour is never alone."""


@frozen
class PageRow:
    """One field of an entry: a value for each column, in the order of the columns."""

    sign: str
    path: str
    values: tuple[str, ...]
    effect: str = ""
    notes: tuple[str, ...] = ()
    place: str = ""


@frozen
class PageMember:
    """A resource of an entry that shows several."""

    address: str
    anchor: str
    about: str
    """What is its own: points, bytes and place."""


@frozen
class PageEntry:
    """One resource or rule, or several alike ones, with what can be filtered."""

    title: str
    """Its address, the rule, or `20 collections`."""
    tags: tuple[tuple[str, str], ...]
    """Name and value of each filter that selects it."""
    sign: str = ""
    summary: str = ""
    tone: str = CALM
    anchor: str = ""
    """The id of its element, if a picture links to it."""
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rows: tuple[PageRow, ...] = ()
    is_open: bool = False
    """Whether its details are shown at first."""
    members: tuple[PageMember, ...] = ()
    """The resources, if there are several."""

    @property
    def size(self) -> int:
        """The number of resources or rules."""
        return len(self.members) or 1


@frozen
class PageSection:
    """Entries under a title."""

    title: str
    entries: tuple[PageEntry, ...]


@frozen
class PageMessage:
    """A violation: what is wrong, where, and what to do."""

    severity: str
    rule: str
    message: str
    place: str = ""
    snippet: str = ""
    hint: str = ""


@frozen
class PageList:
    """Lines without details, folded."""

    title: str
    lines: tuple[str, ...]


@frozen
class PageFilter:
    """A group of choices: the values of one tag, each with its number of resources or rules."""

    name: str
    choices: tuple[tuple[str, int], ...]


@frozen
class Page:
    """A whole page."""

    kind: str
    """`Plan`, `Drift`, `Audit` or the command of a report."""
    subject: str
    """Project and environment, or the address of a resource."""
    verdict: str
    tone: str
    facts: tuple[tuple[str, str], ...] = ()
    """Labels and values: server, version, commit."""
    notices: tuple[str, ...] = ()
    sections: tuple[PageSection, ...] = ()
    messages: tuple[PageMessage, ...] = ()
    lists: tuple[PageList, ...] = ()
    picture: Picture | None = None
    program: str = ""
    """The program with its version, if the document states it."""

    @property
    def filters(self) -> tuple[PageFilter, ...]:
        """The tags of the entries with their values, in the order of their first entries."""
        counts: dict[str, Counter[str]] = {}
        for section in self.sections:
            for entry in section.entries:
                for name, value in entry.tags:
                    counts.setdefault(name, Counter())[value] += entry.size
        return tuple(PageFilter(name, tuple(counted.items())) for name, counted in counts.items())

    @property
    def size(self) -> int:
        """The number of resources or rules."""
        return sum(entry.size for section in self.sections for entry in section.entries)


def page_messages(violations: Iterable[Violation]) -> tuple[PageMessage, ...]:
    """The violations that are reported, with their places."""
    return tuple(
        PageMessage(
            severity=str(violation.severity),
            rule=violation.rule,
            message=violation.message,
            place=", ".join(
                str(part)
                for part in (violation.address, violation.origin)
                if isinstance(part, str | Origin)
            ),
            snippet=violation.snippet if isinstance(violation.snippet, str) else "",
            hint=violation.hint,
        )
        for violation in violations
        if violation.severity in REPORTED
    )
