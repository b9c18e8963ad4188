"""Changes values in YAML text: what is not changed keeps every byte, comments and order included.

Edits are replacements of spans of the text, which the parser's marks name. That leaves alone what
no emitter would write the same again: quotes, spaces, line ends, numbers as they were spelled.
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
    """This part of the text cannot be changed by itself."""


@dataclass(slots=True)
class YamlEditor:
    """Collects edits of a text; `text_after` carries them out."""

    text: str
    step: int = 2
    """Columns by which a block is indented."""
    edits: list[tuple[int, int, str]] = field(default_factory=list)

    def edited_text(self) -> str:
        """The text with all edits. Of two at one place the first that was noted comes first."""
        result = self.text
        for start, end, words in sorted(self.edits, key=lambda edit: edit[:2])[::-1]:
            result = result[:start] + words + result[end:]
        return result

    def change_value(self, node: YamlNode, old: Json, new: Json, shape: FieldTree | None) -> None:
        """Make the value at `node`, which is `old`, into `new`. Raises Awkward."""
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
            raise CannotEdit  # where it begins, only its parent knows
        self._refuse_comments(node.start, node)
        self._replace_span(node.start, node.end, self._render_value(new, node))

    def _render_value(self, new: Json, node: YamlNode) -> str:
        if isinstance(new, Mapping | list):
            return render_flow(new)
        first = self.text[node.start : node.start + 1]
        return render_scalar(new, first if first in ("'", '"') else "")

    def _replace_span(self, start: int, end: int, words: str) -> None:
        """Replace a span; what was nothing needs a space before it."""
        glued = start == end and start > 0 and not self.text[start - 1].isspace()
        self.edits.append((start, end, f" {words}" if glued else words))

    def _change_mapping(
        self,
        node: YamlNode,
        old: Mapping[str, Json],
        new: Mapping[str, Json],
        shape: FieldTree | None,
    ) -> None:
        assert node.entries is not None
        gone = [key for key in old if key not in new]
        if any(key not in node.entries for key in gone):
            raise CannotEdit  # it came with `<<`
        if len(gone) == len(node.entries):
            raise CannotEdit
        for key, value in new.items():
            if key in old and key in node.entries and not json_equal(old[key], value):
                self.change_entry(node, key, old[key], value, shape.child(key) if shape else None)
        spans = list(node.entries.items())
        self._delete_entries(node, [(key in gone, *nodes) for key, nodes in spans])
        added = {
            key: value
            for key, value in new.items()
            if key not in node.entries and not (key in old and json_equal(old[key], value))
        }
        if not added:
            return
        last = [nodes for key, nodes in spans if key not in gone][-1]
        if node.flow:
            quoted = self.text[last[0].start] == '"'
            written = render_flow(added) if not quoted else json.dumps(added, ensure_ascii=False)
            self.edits.append((_end_of(last), _end_of(last), f", {written[1:-1]}"))
            return
        lines: list[str] = []
        for key, value in added.items():
            below = shape.child(key) if shape else None
            lines += render_entry(key, value, below, node.column, self.step)
        self._insert_lines(_end_of(last), lines)

    def change_entry(
        self, node: YamlNode, key: str, old: Json, new: Json, shape: FieldTree | None
    ) -> None:
        """Change one value of a mapping; a block that cannot be changed is written anew."""
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
            words = self._line_end.join([lines[0].removeprefix(head), *lines[1:]])
            self.edits.append((colon.end(), value.end, words))

    def _change_list(
        self, node: YamlNode, old: list[Json], new: list[Json], shape: FieldTree | None
    ) -> None:
        """Entries go where they stand and come at the end; anything else is written anew.

        What says which entry is which is its key, where it has one, else all of it; and where none
        has another place by then, its place.
        """
        assert node.items is not None
        key = shape.rule.key if shape else ""
        became = [next((n for n in new if _is_same_entry(key, o, n)), ABSENT) for o in old]
        stay = [entry for entry in became if entry is not ABSENT]
        if not stay or not json_equal(stay, new[: len(stay)]):
            here = zip(became, new, strict=False)
            moved = any(entry is not ABSENT and not json_equal(entry, now) for entry, now in here)
            if key or moved or len(old) != len(new):
                raise CannotEdit
            became = stay = new
        below = shape.entries if shape else None
        for inner, before, after in zip(node.items, old, became, strict=True):
            if after is not ABSENT and not json_equal(before, after):
                self.change_value(inner, before, after, below)
        kept = [entry is not ABSENT for entry in became]
        self._delete_entries(node, [(not k, n, n) for k, n in zip(kept, node.items, strict=True)])
        last = [n for k, n in zip(kept, node.items, strict=True) if k][-1]
        if added := new[len(stay) :]:
            if node.flow:
                words = "".join(f", {render_flow(value)}" for value in added)
                self.edits.append((last.end, last.end, words))
            else:
                self._insert_lines(last.end, [render_item(value, node.column) for value in added])

    def _refuse_comments(self, start: int, node: YamlNode) -> None:
        """Raises Awkward where a comment stands in what is to be written anew."""
        for leaf in (*_scalar_nodes(node), None):
            if "#" in self.text[start : leaf.start if leaf else node.end]:
                raise CannotEdit("a comment in it would be lost")
            start = leaf.end if leaf else start

    def _delete_entries(
        self, node: YamlNode, entries: list[tuple[bool, YamlNode, YamlNode]]
    ) -> None:
        """Take entries out; in a block the lines they stand on."""
        if not node.flow:
            for gone, key, value in entries:
                if gone:
                    start = self._find_line_start(key.start, "-" if node.items else "")
                    self.edits.append((start, self._find_next_line(_end_of((key, value))), ""))
            return
        at = 0
        for gone, group in groupby(entries, key=lambda one: one[0]):
            size = len(list(group))
            first, last = at, at + size - 1
            at += size
            if not gone:
                continue
            if at < len(entries):
                self.edits.append((entries[first][1].start, entries[at][1].start, ""))
            else:
                self.edits.append((_end_of(entries[first - 1][1:]), _end_of(entries[last][1:]), ""))

    def _find_line_start(self, index: int, dash: str) -> int:
        """Where the line of an entry begins. Raises Awkward where it shares it with another."""
        start = max(self.text.rfind("\n", 0, index), self.text.rfind("\r", 0, index)) + 1
        if self.text[start:index].strip(" ") != dash:
            raise CannotEdit
        return start

    def _find_next_line(self, index: int) -> int:
        """Where the next line begins, from the end of a value on; what stands behind goes along."""
        if index > 0 and self.text[index - 1] == "\n":
            return index
        found = _BREAK.search(self.text, index)
        return len(self.text) if found is None else found.end()

    def _insert_lines(self, index: int, lines: list[str]) -> None:
        """Put lines below the one on which a value ends."""
        at = self._find_next_line(index)
        broken = at == 0 or self.text[at - 1] in "\r\n"
        words = "".join(f"{line}{self._line_end}" for line in lines)
        if not broken:
            words = self._line_end + words.removesuffix(self._line_end)
        self.edits.append((at, at, words))

    @property
    def _line_end(self) -> str:
        """How the text ends its lines."""
        found = _BREAK.search(self.text)
        return found[0] if found else "\n"


def _is_same_entry(key: str, one: Json, other: Json) -> bool:
    """Whether two entries of a list with identity are the same one; of another list: are equal."""
    names = (e[key] if key and isinstance(e, Mapping) and key in e else e for e in (one, other))
    return json_equal(*names)


def _scalar_nodes(node: YamlNode) -> Iterator[YamlNode]:
    """The scalars of a value in their order, keys included."""
    inner = node.items or [each for pair in (node.entries or {}).values() for each in pair]
    for each in inner:
        yield from _scalar_nodes(each)
    if not inner and not node.flow:
        yield node


def _end_of(nodes: tuple[YamlNode, ...]) -> int:
    return max(node.end for node in nodes)
