"""YAML syntax errors as violations with instructions."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError, YAMLError

from qdrantctl.adapters.files.source_text import Position, SourceText
from qdrantctl.model.violation import Violation

_TEMPLATE = re.compile(r"\{\{|\{%|\{#")
_TEMPLATE_HINT = "Templates work in files named *.yaml.j2 only; otherwise quote the text."

_COLUMNS = "Check the indentation: the keys of a mapping, or dashes of a list, start in one column."
_SYNTAX_HINTS = {
    "mapping values are not allowed": "Put the value in quotes if it holds a colon; otherwise "
    "check the indentation: keys of one mapping start in one column.",
    "could not find expected ':'": "A key needs a colon and a space: `key: value`. Text of several "
    "lines needs quotes or `|`.",
    "expected key": _COLUMNS,
    "expected '-'": _COLUMNS,
    "expected <block end>": _COLUMNS,
    "expected ',' or '}'": "Close the brace, or add the comma that is missing.",
    "expected ',' or ']'": "Close the bracket, or add the comma that is missing.",
    "node content": "Close the bracket or brace, or write the value.",
    "found unexpected ':'": "Put the value in quotes.",
    "unexpected end of stream": "Close the quotes.",
    "invalid Unicode character escape": "Write the character itself.",
    "control characters": "Remove the character.",
    "special characters": "Remove the character.",
    "unknown escape character": "In double quotes a backslash is written twice; in single quotes "
    "it is written once.",
    "sequence entries are not allowed": "Begin the list on a line of its own.",
    "<document start>": "Begin the next document with a line `---`.",
}
"""Hints by the message of the C parser or the Python parser."""
_ANY_HINT = "Look at this line and the one above: quotes, brackets, colons and indentation."


def explain_syntax_error(page: SourceText, error: YAMLError) -> Violation:
    """The parser's message, its position, and a hint for the usual cause."""
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place: Position = (
        (mark.line + 1, mark.column + 1) if mark else _position_without_mark(page, error)
    )
    line = page.get_line(place[0])
    if line is None or (not line.strip() and place[0] > 1):
        place = _last_position(page)
        line = page.get_line(place[0]) or ""
    char = line[place[1] - 1 : place[1]]
    message, hint = _explain_problem(str(problem), line, char)
    if isinstance(error, MarkedYAMLError) and error.context_mark is not None:
        begins = error.context_mark.line + 1
        if begins < place[0]:
            message += f", {error.context} that begins on {page.describe_line(begins)}"
    return page.make_violation("QC005", f"not valid YAML: {message}", hint, place)


def _explain_problem(problem: str, line: str, char: str) -> tuple[str, str]:
    if "\t" in line[: len(line) - len(line.lstrip())] or char == "\t":
        return "a tab where YAML allows only spaces", "Indent with spaces."
    hint = next((hint for pattern, hint in _SYNTAX_HINTS.items() if pattern in problem), _ANY_HINT)
    if "cannot start any token" in problem:
        problem, hint = f"a plain value cannot begin with {char!r}", "Put the value in quotes."
    return problem, _TEMPLATE_HINT if _TEMPLATE.search(line) else hint


def _position_without_mark(page: SourceText, error: YAMLError) -> Position:
    position = getattr(error, "position", None)
    return page.position_at(position) if isinstance(position, int) else _last_position(page)


def _last_position(page: SourceText) -> Position:
    """The end of the last line that is not empty."""
    return page.position_at(len(page.text.rstrip()))
