"""YAML 1.2 documents as plain values with the place of each. Bounded in time and memory.

ruamel's C parser gives the events (its Python parser where the C one is missing); the values are
made here, by the core schema: `no`, `on`, `12:30` and dates are strings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from qdrantctl.edges.page import Page, Place
from qdrantctl.edges.yaml_scalars import Doubtful, plain_value
from qdrantctl.edges.yaml_syntax import syntax_violation
from qdrantctl.model.rule import Json
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

MAX_DEPTH = 100
MAX_VALUES = 500_000
"""Values in one file, about what 10 MB of ordinary manifests hold."""
MAX_EXPANDED = 50_000
"""Values that the aliases of one document may stand for."""
_MAX_PROBLEMS = 100
"""Per file; whoever repairs a hundred can run it again."""

_STR_TAGS = ("!", "tag:yaml.org,2002:str")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: a plain value, and where each part of it stands."""

    value: Json
    line: int
    """Where it begins, from 1."""
    keys: dict[Path, Place]
    """Where each key or list entry stands."""
    values: dict[Path, Place]
    """Where the value of each key stands."""

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Where the value at `path` stands (or its key), or the nearest thing above it."""
        for end in range(len(path), 0, -1):
            here = path[:end]
            found = None if key or end < len(path) else self.values.get(here)
            if found := found or self.keys.get(here):
                return found
        return self.line, 1


def read_documents(page: Page) -> tuple[list[Document], list[Violation]]:
    """The documents of a page, empty ones left out, and everything wrong with its YAML.

    Documents with a wrong value are given all the same, so that the rest of them is checked too;
    after a syntax error or a broken bound the rest of the page is lost.
    """
    reader = _Reader(page)
    try:
        reader.run()
    except _Stop:
        pass
    except YAMLError as error:
        reader.problems.append(syntax_violation(page, error))
    return reader.documents, reader.problems


class _Stop(Exception):
    """Reading on would make no sense, or break a bound. The problem is already noted."""


@dataclass(slots=True)
class _Reader:
    page: Page
    documents: list[Document] = field(default_factory=list)
    problems: list[Violation] = field(default_factory=list)
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    anchors: dict[str, tuple[Json, int]] = field(default_factory=dict)
    open_anchors: set[str] = field(default_factory=set)
    count: int = 0
    expanded: int = 0
    next_event: Callable[[], Any] = lambda: None

    def run(self) -> None:
        self.next_event = _events(self.page.text)
        while (event := self.next_event()) is not None:
            if type(event) is DocumentStartEvent:
                self._document()
            elif type(event) is StreamEndEvent:
                return

    def _document(self) -> None:
        self.keys, self.values, self.anchors = {}, {}, {}
        self.expanded = 0
        event = self.next_event()
        line: int = event.start_mark.line + 1
        value = self._value(event, ())
        if value is not None:
            self.documents.append(Document(value, line, self.keys, self.values))

    def _value(self, event: Any, path: Path) -> Json:
        self.count += 1
        if self.count > MAX_VALUES:
            self._stop(event, "QC010", f"more than {MAX_VALUES:,} values in one file", "Split it.")
        kind = type(event)
        if kind is ScalarEvent:
            value = self._scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (value, 1 + (len(event.value) >> 4))
            return value
        if kind is AliasEvent:
            return self._alias(event)
        if len(path) >= MAX_DEPTH:
            self._stop(event, "QC010", f"nested deeper than {MAX_DEPTH} levels")
        before, anchor = self.count + self.expanded, event.anchor
        if anchor is not None:
            self.anchors.pop(anchor, None)
            self.open_anchors.add(anchor)
        if not event.implicit:
            self._tagged(event, "map" if kind is MappingStartEvent else "seq")
        value = self._mapping(path, event) if kind is MappingStartEvent else self._sequence(path)
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, self.count + self.expanded - before + 1)
        return value

    def _mapping(self, path: Path, start: Any) -> dict[str, Json]:
        found: dict[str, Json] = {}
        merges: list[tuple[Json, Any]] = []
        next_event, keys, values = self.next_event, self.keys, self.values
        while type(event := next_event()) is not MappingEndEvent:
            key = self._key(event, start)
            mark = event.start_mark
            here = (*path, key)
            inner = next_event()
            if key == "<<" and event.implicit[0]:
                merges.append((self._value(inner, here), event))
                continue
            if key in found:
                self._twice(event, key, keys[here])
            keys[here] = (mark.line + 1, mark.column + 1)
            mark = inner.start_mark
            values[here] = (mark.line + 1, mark.column + 1)
            found[key] = self._value(inner, here)
        for value, event in merges:
            self._merge(found, value, event, path)
        return found

    def _sequence(self, path: Path) -> list[Json]:
        found: list[Json] = []
        while type(event := self.next_event()) is not SequenceEndEvent:
            here = (*path, len(found))
            mark = event.start_mark
            self.keys[here] = (mark.line + 1, mark.column + 1)
            found.append(self._value(event, here))
        return found

    def _scalar(self, event: Any) -> Json:
        plain, quoted = event.implicit
        if quoted:
            return event.value
        if not plain:
            if event.tag not in _STR_TAGS:
                self._tagged(event, "str")
            return event.value
        try:
            return plain_value(event.value)
        except Doubtful as doubt:
            self._problem(event, "QC011", doubt.message, doubt.hint)
            return doubt.value

    def _key(self, event: Any, start: Any) -> str:
        self.count += 1
        if type(event) is AliasEvent:
            key = self._alias(event)
        elif type(event) is ScalarEvent:
            key = event.value if event.value == "<<" else self._scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (key, 1 + (len(event.value) >> 4))
        else:
            hint = "Keys are plain strings."
            if self.page.text.startswith("{{", start.start_mark.index):
                hint = "Template expressions work in files named *.yaml.j2 only."
            self._stop(event, "QC007", "a mapping or a list cannot be a key", hint)
        if isinstance(key, str):
            return key
        written = event.value if type(event) is ScalarEvent else str(key)
        self._problem(
            event,
            "QC007",
            f"the key {written or 'null'} is not a string",
            f'Put it in quotes: "{written}"' if written else "Write a key before the colon.",
        )
        return str(written)

    def _alias(self, event: Any) -> Json:
        name = event.anchor
        if name in self.open_anchors:
            self._stop(event, "QC009", f"the alias *{name} stands inside what it stands for")
        if name not in self.anchors:
            known = ", ".join(sorted(self.anchors)[:9])
            self._problem(
                event,
                "QC009",
                f"the alias *{name} is not defined in this document",
                f"Anchors so far: {known}."
                if known
                else f"Define it with &{name} before its use, or put quotes around the text.",
            )
            return f"*{name}"
        value, size = self.anchors[name]
        self.expanded += size
        if self.expanded > MAX_EXPANDED:
            self._stop(
                event,
                "QC009",
                f"aliases stand for more than {MAX_EXPANDED:,} values",
                "Write less with aliases.",
            )
        return value

    def _merge(self, found: dict[str, Json], value: Json, event: Any, path: Path) -> None:
        """`<<: *defaults` lays a mapping, or several, under the keys that are stated."""
        mark = event.start_mark
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                self._problem(
                    event, "QC009", "<< takes a mapping, or a list of mappings", "As in <<: *name."
                )
                return
            self.expanded += len(source)
            for key, inner in source.items():
                if key not in found:
                    found[key] = inner
                    self.keys[(*path, key)] = (mark.line + 1, mark.column + 1)

    def _tagged(self, event: Any, natural: str) -> None:
        tag = str(event.tag)
        if tag not in ("!", f"tag:yaml.org,2002:{natural}"):
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._problem(
                event, "QC008", f"the tag {shown} is not supported", "Write the value without it."
            )

    def _twice(self, event: Any, key: str, first: Place) -> None:
        self._problem(
            event,
            "QC006",
            f"the key {key!r} is stated twice; the first is on line {first[0]}",
            "Keep one of the two.",
        )

    def _problem(self, event: Any, rule: str, message: str, hint: str = "") -> None:
        mark = event.start_mark
        place = (mark.line + 1, mark.column + 1)
        self.problems.append(self.page.violation(rule, message, hint, place))
        if len(self.problems) >= _MAX_PROBLEMS:
            raise _Stop

    def _stop(self, event: Any, rule: str, message: str, hint: str = "") -> None:
        self._problem(event, rule, message, hint)
        raise _Stop


def _events(text: str) -> Callable[[], Any]:
    """A function that gives the next event of `text`, and None after the last."""
    try:
        from _ruamel_yaml import CParser  # type: ignore[import-not-found]
    except ImportError:
        from ruamel.yaml import YAML

        events = map(_sound, YAML(typ="safe", pure=True).parse(text))
        return lambda: next(events, None)
    parsed: Callable[[], Any] = CParser(text).get_event
    return parsed


def _sound(event: Any) -> Any:
    """The Python parser lets escapes make lone surrogates, which no UTF-8 can hold."""
    if type(event) is ScalarEvent and any("\ud800" <= char <= "\udfff" for char in event.value):
        raise MarkedYAMLError(
            problem="found invalid Unicode character escape code", problem_mark=event.start_mark
        )
    return event
