"""YAML 1.2 documents as plain values with the position of each. Bounded in time and memory.

The events come from ruamel's C parser, or from its slow Python parser where the C parser is missing
or too strict. Values follow the core schema: `no`, `on`, `12:30` and dates are strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

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

from qdrantctl.adapters.files.source_text import Position, SourceText
from qdrantctl.adapters.yaml.json_text import read_json
from qdrantctl.adapters.yaml.positions import (
    NodePosition,
    NodePositions,
    YamlDocument,
    pack_position,
    unpack_position,
)
from qdrantctl.adapters.yaml.scalars import AmbiguousScalar, parse_plain_scalar
from qdrantctl.adapters.yaml.syntax_errors import explain_syntax_error
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.violation import Violation

MAX_DEPTH = 100
MAX_VALUES = 500_000
"""Values in one file, about what 10 MB of ordinary manifests hold."""
MAX_EXPANDED = 50_000
"""Values that the aliases of one document may expand to."""
MAX_REREAD = 100_000
"""The most characters that the slow parser reads."""
MAX_PROBLEMS = 100
"""The most errors that are reported of one file."""

_STR_TAGS = ("!", "tag:yaml.org,2002:str")


def read_documents(page: SourceText) -> tuple[list[YamlDocument], list[Violation]]:
    """The documents of a file without empty ones, and all problems of its YAML.

    Documents with a wrong value are included, so that the rest of them is checked too. After a
    syntax error or an exceeded bound the rest of the file is not read. JSON means what it means
    as JSON.
    """
    reader = _read_yaml(page)
    if reader.problems and not reader.is_broken:
        return reader.documents, reader.problems
    try:
        value = read_json(page.text)
    except AmbiguousScalar as ambiguity:
        return [], [page.make_violation("QC011", ambiguity.message, ambiguity.hint)]
    if value is ABSENT:
        return reader.documents, reader.problems
    if reader.is_broken:
        return [YamlDocument(value, 1, None)], []
    return [replace(document, value=value) for document in reader.documents], []


def _read_yaml(page: SourceText) -> _DocumentReader:
    """A reader that has read the page."""
    reader = _DocumentReader(page)
    try:
        reader.read_all(parse_events(page.text))
    except YAMLError as error:
        refused_by_c = any(reason in str(error) for reason in _REFUSED_BY_C)
        if not refused_by_c or len(page.text) > MAX_REREAD:
            reader.report_syntax_error(error)
            return reader
        reader = _DocumentReader(page)
        try:
            reader.read_all(parse_events_slowly(page.text))
        except YAMLError as second_error:
            reader.report_syntax_error(second_error)
    return reader


_BAD_ESCAPE = "found invalid Unicode character escape code"
_REFUSED_BY_C = ("found unexpected ':'", _BAD_ESCAPE)
"""The C parser rejects `{url: http://host}` and two escapes for one character; both are YAML."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""A UTF-16 surrogate: JSON escapes write a character beyond 16 bits as two of them."""


class _StopReading(Exception):
    """The rest of the file cannot be read, or would exceed a bound. The problem is reported."""


@dataclass(slots=True)
class _DocumentReader:
    page: SourceText
    documents: list[YamlDocument] = field(default_factory=list)
    problems: list[Violation] = field(default_factory=list)
    anchors: dict[str, tuple[Json, int]] = field(default_factory=dict)
    open_anchors: set[str] = field(default_factory=set)
    count: int = 0
    expanded: int = 0
    next_event: Callable[[], Any] = lambda: None
    is_broken: bool = False
    """Whether the text is not YAML."""

    def report_syntax_error(self, error: YAMLError) -> None:
        """Report that the rest of the text cannot be read."""
        self.is_broken = True
        self.problems.append(explain_syntax_error(self.page, error))

    def read_all(self, next_event: Callable[[], Any]) -> None:
        """Read all documents. Raises YAMLError."""
        self.next_event = next_event
        with suppress(_StopReading):
            while (event := next_event()) is not None:
                if type(event) is DocumentStartEvent:
                    self._read_document()
                elif type(event) is StreamEndEvent:
                    return

    def _read_document(self) -> None:
        self.anchors = {}
        self.expanded = 0
        event = self.next_event()
        value, marks = self._read_value(event, 0)
        if value is not None:
            self.documents.append(YamlDocument(value, event.start_mark.line + 1, marks))

    def _read_value(self, event: Any, depth: int) -> tuple[Json, NodePositions | None]:
        self.count += 1
        if self.count > MAX_VALUES:
            self._stop(event, "QC010", f"more than {MAX_VALUES:,} values in one file", "Split it.")
        kind = type(event)
        if kind is ScalarEvent:
            value = self._read_scalar(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (value, 1 + (len(event.value) >> 4))
            return value, None
        if kind is AliasEvent:
            return self._read_alias(event), None
        if depth >= MAX_DEPTH:
            self._stop(event, "QC010", f"nested deeper than {MAX_DEPTH} levels", "Make it flatter.")
        before, anchor = self.count + self.expanded, event.anchor
        if anchor is not None:
            self.anchors.pop(anchor, None)
            self.open_anchors.add(anchor)
        is_mapping = kind is MappingStartEvent
        if not event.implicit:
            self._apply_tag(event, "map" if is_mapping else "seq")
        marks: NodePositions = {}
        inner = depth + 1
        value = (
            self._read_mapping(event, marks, inner)
            if is_mapping
            else self._read_sequence(marks, inner)
        )
        if anchor is not None:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, self.count + self.expanded - before + 1)
        return value, marks

    def _read_mapping(self, start: Any, marks: NodePositions, depth: int) -> dict[str, Json]:
        result: dict[str, Json] = {}
        merges: list[tuple[Json, Any]] = []
        next_event = self.next_event
        while type(event := next_event()) is not MappingEndEvent:
            key = self._read_key(event, start)
            inner = next_event()
            if key == "<<" and event.implicit[0]:
                merges.append((self._read_value(inner, depth)[0], event))
                continue
            if key in result:
                self._report_duplicate_key(event, key, unpack_position(marks[key].start))
            value, below = self._read_value(inner, depth)
            where = pack_position(event.start_mark)
            marks[key] = NodePosition(where, pack_position(inner.start_mark), below)
            result[key] = value
        for value, event in merges:
            self._merge_keys(result, value, event, marks)
        return result

    def _read_sequence(self, marks: NodePositions, depth: int) -> list[Json]:
        result: list[Json] = []
        while type(event := self.next_event()) is not SequenceEndEvent:
            value, below = self._read_value(event, depth)
            start = pack_position(event.start_mark)
            marks[len(result)] = NodePosition(start, start, below)
            result.append(value)
        return result

    def _read_scalar(self, event: Any) -> Json:
        plain, quoted = event.implicit
        if quoted:
            return event.value
        if not plain:
            if event.tag not in _STR_TAGS:
                self._apply_tag(event, "str")
            return event.value
        try:
            return parse_plain_scalar(event.value)
        except AmbiguousScalar as ambiguity:
            self._add_problem(event, "QC011", ambiguity.message, ambiguity.hint)
            return ambiguity.value

    def _read_key(self, event: Any, start: Any) -> str:
        self.count += 1
        if type(event) is AliasEvent:
            key = self._read_alias(event)
        elif type(event) is ScalarEvent:
            key = event.value if event.value == "<<" else self._read_scalar(event)
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
        self._add_problem(
            event,
            "QC007",
            f"the key {written or 'null'} is not a string",
            f'Put it in quotes: "{written}"' if written else "Write a key before the colon.",
        )
        return str(written)

    def _read_alias(self, event: Any) -> Json:
        name = event.anchor
        if name in self.open_anchors:
            message = f"the alias *{name} is used inside the value that it refers to"
            self._stop(event, "QC009", message, "Write it out.")
        if name not in self.anchors:
            names = ", ".join(sorted(self.anchors)[:9])
            self._add_problem(
                event,
                "QC009",
                f"the alias *{name} is not defined in this document",
                f"Anchors so far: {names}."
                if names
                else f"Define it with &{name} before its use, or put quotes around the text.",
            )
            return f"*{name}"
        value, size = self.anchors[name]
        self.expanded += size
        if self.expanded > MAX_EXPANDED:
            self._stop(
                event,
                "QC009",
                f"aliases expand to more than {MAX_EXPANDED:,} values",
                "Use fewer aliases.",
            )
        return value

    def _merge_keys(
        self, target: dict[str, Json], value: Json, event: Any, marks: NodePositions
    ) -> None:
        """`<<: *defaults` adds the keys of one or more mappings that `target` does not define."""
        start = pack_position(event.start_mark)
        for source in value if isinstance(value, list) else [value]:
            if not isinstance(source, dict):
                self._add_problem(
                    event, "QC009", "<< needs a mapping, or a list of mappings", "As in <<: *name."
                )
                return
            self.expanded += len(source)
            for key, inner in source.items():
                if key not in target:
                    target[key] = inner
                    marks[key] = NodePosition(start, start, None)

    def _apply_tag(self, event: Any, natural: str) -> None:
        tag = str(event.tag)
        if tag not in ("!", f"tag:yaml.org,2002:{natural}"):
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._add_problem(
                event, "QC008", f"the tag {shown} is not supported", "Write the value without it."
            )

    def _report_duplicate_key(self, event: Any, key: str, first: Position) -> None:
        self._add_problem(
            event,
            "QC006",
            f"the key {key!r} is stated twice; the first is on {self.page.describe_line(first[0])}",
            "Keep one of the two.",
        )

    def _add_problem(self, event: Any, rule: str, message: str, hint: str = "") -> None:
        self.problems.append(
            self.page.make_violation(
                rule, message, hint, unpack_position(pack_position(event.start_mark))
            )
        )
        if len(self.problems) >= MAX_PROBLEMS:
            raise _StopReading

    def _stop(self, event: Any, rule: str, message: str, hint: str = "") -> NoReturn:
        self._add_problem(event, rule, message, hint)
        raise _StopReading


def parse_events(text: str) -> Callable[[], Any]:
    """A function that returns the next event of `text`, and None after the last."""
    try:
        from _ruamel_yaml import CParser  # type: ignore[import-not-found]
    except ImportError:
        return parse_events_slowly(text)
    parsed: Callable[[], Any] = CParser(text).get_event
    return parsed


def parse_events_slowly(text: str) -> Callable[[], Any]:
    """The same from the slow parser, which accepts some YAML that the C parser rejects."""
    from ruamel.yaml import YAML

    events = map(_join_surrogates, YAML(typ="safe", pure=True).parse(text))
    return lambda: next(events, None)


def _join_surrogates(event: Any) -> Any:
    """Join two escapes that JSON writes for one character beyond 16 bits.

    The Python parser leaves them as two surrogates. A lone surrogate is an error, since UTF-8
    cannot encode it.
    """
    if type(event) is not ScalarEvent or not _SURROGATE.search(event.value):
        return event
    try:
        event.value = event.value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise MarkedYAMLError(problem=_BAD_ESCAPE, problem_mark=event.start_mark) from None
    return event
