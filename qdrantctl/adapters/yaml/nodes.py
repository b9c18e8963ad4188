"""YAML text as nodes with their spans, so that an edit changes only the span of a node.

The parser's marks give the start of each node, and the end of scalars and flow collections. A block
collection ends where its last part ends, without the comments that follow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from qdrantctl.adapters.yaml.documents import parse_events, parse_events_slowly

COLON = re.compile(r"\s*:")
"""The text between a key and its value."""


@dataclass(slots=True)
class YamlNode:
    """A value in the text: characters `start` to `end`."""

    start: int
    end: int
    line: int
    """On which it begins, from 1."""
    column: int
    """In which it begins, from 0."""
    flow: bool = False
    """Whether it is a mapping or a list in braces or brackets."""
    entries: dict[str, tuple[YamlNode, YamlNode]] | None = None
    """Of a mapping: key and value by the key's text."""
    items: list[YamlNode] | None = field(default=None)
    """Of a list."""


def compose_nodes(text: str) -> list[YamlNode]:
    """The root of each document. Raises YAMLError for text that `read_documents` rejects."""
    try:
        return _compose_documents(text, parse_events(text))
    except YAMLError:
        return _compose_documents(text, parse_events_slowly(text))


def _compose_documents(text: str, next_event: Callable[[], Any]) -> list[YamlNode]:
    result: list[YamlNode] = []
    while type(event := next_event()) is not StreamEndEvent:
        if type(event) is DocumentStartEvent:
            result.append(_compose_node(text, next_event(), next_event))
    return result


def _compose_node(text: str, event: Any, next_event: Callable[[], Any]) -> YamlNode:
    start = event.start_mark
    node = YamlNode(start.index, event.end_mark.index, start.line + 1, start.column)
    if type(event) in (ScalarEvent, AliasEvent):
        return node
    node.flow = bool(event.flow_style)
    if type(event) is MappingStartEvent:
        node.entries = {}
        while type(event := next_event()) is not MappingEndEvent:
            key = _compose_node(text, event, next_event)
            value = _compose_node(text, next_event(), next_event)
            if value.start == value.end:  # an empty value; the parsers disagree on its position
                value.start = value.end = _skip_colon(text, key.end)
            node.entries[getattr(event, "value", "")] = (key, value)
            node.end = max(key.end, value.end)
    else:
        node.items = []
        while type(event := next_event()) is not SequenceEndEvent:
            node.items.append(_compose_node(text, event, next_event))
            node.end = node.items[-1].end
    if node.flow:
        node.end = event.end_mark.index
    return node


def _skip_colon(text: str, index: int) -> int:
    colon = COLON.match(text, index)
    return colon.end() if colon else index
