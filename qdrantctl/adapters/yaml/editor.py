"""Changes values in YAML text: the rest keeps every byte, comments and order included.

Edits replace spans of the text, located by the parser's marks. This preserves quotes, spaces, line
ends and the notation of numbers, which an emitter would normalise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

from qdrantctl.adapters.yaml.nodes import COLON, YamlNode
from qdrantctl.adapters.yaml.pretty import render_entry, render_flow, render_item, render_scalar
from qdrantctl.model.field_rule import ABSENT, Json, json_equal
from qdrantctl.model.spec import FieldTree

_BREAK = re.compile(r"\r\n|\r|\n")


class CannotEdit(Exception):
    """This part of the text cannot be changed separately."""


@dataclass(slots=True)
class YamlEditor:
    """Collects edits of a text; `edited_text` applies them."""

    text: str
    step: int = 2
    """Columns by which a block is indented."""
    edits: list[tuple[int, int, str]] = field(default_factory=list)

    def edited_text(self) -> str:
        """The text with all edits. Two edits at one position keep the order of their calls."""
        result = self.text
        for start, end, replacement in sorted(self.edits, key=lambda edit: edit[:2])[::-1]:
            result = result[:start] + replacement + result[end:]
        return result

    def change_value(self, node: YamlNode, old: Json, new: Json, shape: FieldTree | None) -> None:
        """Change the value at `node` from `old` to `new`. Raises CannotEdit."""
        before = len(self.edits)
        try:
            if node.entries and isinstance(old, Mapping) and isinstance(new, Mapping) and new:
                self._change_mapping(node, old, new, shape)
                return
            if node.items and isinstance(old, list) and isinstance(new, list) and new:
                self._change_list(node, old, new, shape)
                return
        except CannotEdit:
            del self.edits[before:]
        if not node.flow and (node.entries or node.items):
            raise CannotEdit  # only its parent knows where a block begins
        self._refuse_comments(node.start, node)
        self._replace_span(node.start, node.end, self._render_value(new, node))

    def _render_value(self, new: Json, node: YamlNode) -> str:
        if isinstance(new, Mapping | list):
            return render_flow(new)
        quote = self.text[node.start : node.start + 1]
        return render_scalar(new, quote if quote in ("'", '"') else "")

    def _replace_span(self, start: int, end: int, replacement: str) -> None:
        """Replace a span. A value inserted into an empty span needs a space before it."""
        needs_space = start == end and start > 0 and not self.text[start - 1].isspace()
        self.edits.append((start, end, f" {replacement}" if needs_space else replacement))

    def _change_mapping(
        self,
        node: YamlNode,
        old: Mapping[str, Json],
        new: Mapping[str, Json],
        shape: FieldTree | None,
    ) -> None:
        assert node.entries is not None
        removed = [key for key in old if key not in new]
        if any(key not in node.entries for key in removed):
            raise CannotEdit  # it came with `<<`
        if len(removed) == len(node.entries):
            raise CannotEdit
        for key, value in new.items():
            if key in old and key in node.entries and not json_equal(old[key], value):
                self.change_entry(node, key, old[key], value, shape.child(key) if shape else None)
        spans = list(node.entries.items())
        self._delete_entries(node, [(key in removed, *nodes) for key, nodes in spans])
        added = {
            key: value
            for key, value in new.items()
            if key not in node.entries and not (key in old and json_equal(old[key], value))
        }
        if not added:
            return
        last_kept = [nodes for key, nodes in spans if key not in removed][-1]
        if node.flow:
            quoted = self.text[last_kept[0].start] == '"'
            written = render_flow(added) if not quoted else json.dumps(added, ensure_ascii=False)
            self.edits.append((_end_of(last_kept), _end_of(last_kept), f", {written[1:-1]}"))
            return
        lines: list[str] = []
        for key, value in added.items():
            below = shape.child(key) if shape else None
            lines += render_entry(key, value, below, node.column, self.step)
        self._insert_lines(_end_of(last_kept), lines)

    def change_entry(
        self, node: YamlNode, key: str, old: Json, new: Json, shape: FieldTree | None
    ) -> None:
        """Change one value of a mapping; a block that cannot be changed is rewritten."""
        assert node.entries is not None
        name, value = node.entries[key]
        try:
            self.change_value(value, old, new, shape)
        except CannotEdit:
            colon = COLON.match(self.text, name.end)
            if colon is None:
                raise
            self._refuse_comments(colon.end(), value)
            lines = list(render_entry(key, new, shape, node.column, self.step))
            head = f"{' ' * node.column}{render_scalar(key)}:"
            replacement = self._line_end.join([lines[0].removeprefix(head), *lines[1:]])
            self.edits.append((colon.end(), value.end, replacement))

    def rename_entry(self, node: YamlNode, key: str, new_key: str, value: Json) -> None:
        """Replace key and value of an entry where they are written. Raises CannotEdit."""
        name, old = self._own_entry(node, key)
        quote = self.text[name.start]
        as_json = quote == '"'
        self.edits.append((name.start, name.end, f'"{new_key}"' if as_json else new_key))
        written = json.dumps(value, ensure_ascii=False) if as_json else render_flow(value)
        self.edits.append((old.start, old.end, written))

    def remove_entry(self, node: YamlNode, key: str) -> None:
        """Remove an entry of a mapping that has others. Raises CannotEdit."""
        self._own_entry(node, key)
        assert node.entries is not None
        if len(node.entries) == 1:
            raise CannotEdit("it is all that its section states")
        self._delete_entries(node, [(name == key, *nodes) for name, nodes in node.entries.items()])
        if any("#" in self.text[start:end] for start, end, _ in self.edits):
            raise CannotEdit("a comment in it would be lost")

    def _own_entry(self, node: YamlNode, key: str) -> tuple[YamlNode, YamlNode]:
        if not node.entries or key not in node.entries:
            raise CannotEdit("it comes from an anchor")
        return node.entries[key]

    def _change_list(
        self, node: YamlNode, old: list[Json], new: list[Json], shape: FieldTree | None
    ) -> None:
        """Remove entries in place and append new ones; rewrite the list for any other change.

        Entries are matched by their key if the list has one, else by their whole value. If no
        unchanged entry would move and the length stays, they are matched by position.
        """
        assert node.items is not None
        key = shape.rule.key if shape else ""
        results = [next((n for n in new if _is_same_entry(key, o, n)), ABSENT) for o in old]
        remaining = [entry for entry in results if entry is not ABSENT]
        if not remaining or not json_equal(remaining, new[: len(remaining)]):
            pairs = zip(results, new, strict=False)
            moved = any(entry is not ABSENT and not json_equal(entry, now) for entry, now in pairs)
            if key or moved or len(old) != len(new):
                raise CannotEdit
            results = remaining = new
        below = shape.entries if shape else None
        for inner, before, after in zip(node.items, old, results, strict=True):
            if after is not ABSENT and not json_equal(before, after):
                self.change_value(inner, before, after, below)
        is_kept = [entry is not ABSENT for entry in results]
        self._delete_entries(
            node, [(not k, n, n) for k, n in zip(is_kept, node.items, strict=True)]
        )
        last_kept = [n for k, n in zip(is_kept, node.items, strict=True) if k][-1]
        if added := new[len(remaining) :]:
            if node.flow:
                addition = "".join(f", {render_flow(value)}" for value in added)
                self.edits.append((last_kept.end, last_kept.end, addition))
            else:
                self._insert_lines(
                    last_kept.end, [render_item(value, node.column) for value in added]
                )

    def _refuse_comments(self, start: int, node: YamlNode) -> None:
        """Raises CannotEdit where a comment would be lost by rewriting."""
        for leaf in (*_scalar_nodes(node), None):
            if "#" in self.text[start : leaf.start if leaf else node.end]:
                raise CannotEdit("a comment in it would be lost")
            start = leaf.end if leaf else start

    def _delete_entries(
        self, node: YamlNode, entries: list[tuple[bool, YamlNode, YamlNode]]
    ) -> None:
        """Remove entries; in a block with their lines."""
        if not node.flow:
            for removed, key, value in entries:
                if removed:
                    start = self._find_line_start(key.start, "-" if node.items else "")
                    self.edits.append((start, self._find_next_line(_end_of((key, value))), ""))
            return
        at = 0
        for removed, group in groupby(entries, key=lambda entry: entry[0]):
            size = len(list(group))
            first, last = at, at + size - 1
            at += size
            if not removed:
                continue
            if at < len(entries):
                self.edits.append((entries[first][1].start, entries[at][1].start, ""))
            else:
                self.edits.append((_end_of(entries[first - 1][1:]), _end_of(entries[last][1:]), ""))

    def _find_line_start(self, index: int, dash: str) -> int:
        """Where the line of an entry begins. Raises CannotEdit if another entry is on it."""
        start = max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1
        if self.text[start:index].strip(" ") != dash:
            raise CannotEdit
        return start

    def _find_next_line(self, index: int) -> int:
        """Where the line after a value begins."""
        if index > 0 and self.text[index - 1] == "\n":
            return index
        line_break = _BREAK.search(self.text, index)
        return len(self.text) if line_break is None else line_break.end()

    def _insert_lines(self, index: int, lines: list[str]) -> None:
        """Insert lines below the line on which a value ends."""
        at = self._find_next_line(index)
        starts_line = at == 0 or self.text[at - 1] in "\r\n"
        inserted = "".join(f"{line}{self._line_end}" for line in lines)
        if not starts_line:
            inserted = self._line_end + inserted.removesuffix(self._line_end)
        self.edits.append((at, at, inserted))

    @property
    def _line_end(self) -> str:
        """How the text ends its lines."""
        line_break = _BREAK.search(self.text)
        return line_break[0] if line_break else "\n"


def _is_same_entry(key: str, entry: Json, other: Json) -> bool:
    """Whether two entries have the same key; in a list without keys, whether they are equal."""
    names = (e[key] if key and isinstance(e, Mapping) and key in e else e for e in (entry, other))
    return json_equal(*names)


def _scalar_nodes(node: YamlNode) -> Iterator[YamlNode]:
    """The scalars of a value in their order, keys included."""
    children = node.items or [child for pair in (node.entries or {}).values() for child in pair]
    for child in children:
        yield from _scalar_nodes(child)
    if not children and not node.flow:
        yield node


def _end_of(nodes: tuple[YamlNode, ...]) -> int:
    return max(node.end for node in nodes)
