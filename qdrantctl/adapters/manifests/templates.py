"""Jinja2 templates of manifests: sandboxed, strict about undefined names, bounded.

Bounds: output by counting it, time by a trace of what runs, memory by the process's limit while
rendering (where the system has one).

Which line of the template wrote which line of its output is found by rendering a second time with
marks in the template's text. It counts only where the marks changed nothing else.
"""

from __future__ import annotations

import operator
import re
import sys
import time
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError, TemplateNotFound
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.loaders import DictLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from qdrantctl.adapters.files.source_text import SourceText, TemplateTrace, split_lines
from qdrantctl.model.field_rule import Json
from qdrantctl.model.violation import Violation

MAX_TEMPLATE_OUTPUT = 10_000_000
"""Characters."""
MAX_SECONDS = 5.0
MAX_MEMORY = 256 * 2**20
"""Bytes on top of what the process has when rendering begins."""
_MAX_BITS = 10_000
_SYNTAX_HINT = "Correct it here: {{ … }} writes a value, {% … %} is a statement, {# … #} a comment."
_FILE = "<template>"
"""What Jinja2 calls a template without a file in tracebacks."""


class _BoundExceeded(Exception):
    """A template ran past a bound."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, with arithmetic that cannot run away."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, name: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        """`*` and `**` on numbers of reasonable length."""
        if isinstance(left, int) and isinstance(right, int):
            by = right if name == "**" else 1
            if left.bit_length() * by + right.bit_length() > _MAX_BITS:
                raise _BoundExceeded("a number in it grows too large")
        return (operator.pow if name == "**" else operator.mul)(left, right)


class _Marks(Extension):
    """Puts the line's number in front of all text, and of every expression, of a template."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The template's tokens with marks in them."""
        for token in stream:
            if token.type == "data":
                yield Token(token.lineno, "data", _mark_lines(token.value, token.lineno))
                continue
            if token.type == "variable_begin":
                yield Token(token.lineno, "data", _line_mark(token.lineno))
            yield token


_MARK = re.compile("\x02([0-9]+)\x03")
_BEGINS = re.compile("[ ]*(?:\x02([0-9]+)\x03[ ]*)+")
"""The marks in front of the first word of a line: of a call, and last of what was called."""
_NEWLINE = re.compile("\r\n|\r|\n")
"""What Jinja2 counts as the end of a line."""


def _mark_lines(text: str, line: int) -> str:
    """Text that begins on `line`, with a mark in each of its lines behind the indentation."""
    marked = []
    for number, words in enumerate(text.split("\n"), line):
        bare = words.lstrip(" ")
        indent = words[: len(words) - len(bare)]
        marked.append(f"{indent}{_line_mark(number)}{bare}" if bare else words)
    return "\n".join(marked)


def _line_mark(line: int) -> str:
    return f"\x02{line}\x03"


@cache
def _template_environment(*, marks: bool) -> _Sandbox:
    return _Sandbox(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        loader=DictLoader({}),
        cache_size=0,
        extensions=[_Marks] if marks else [],
    )


def render_template(
    page: SourceText, env: str, variables: Mapping[str, Json], command: str
) -> SourceText | Violation:
    """The page after its template, or what is wrong with the template and where.

    `command` is what shows a person the text.
    """
    values = {"env": env, "vars": variables}
    try:
        text = _run_template(page.text, values, marks=False)
    except TemplateSyntaxError as error:
        message = f"template: {error.message}"
        return page.make_violation("QC020", message, _SYNTAX_HINT, (error.lineno, 1))
    except Exception as error:
        line = _error_line(error.__traceback__)
        rule, message, hint = _explain_template_error(error, values)
        return page.make_violation(rule, message, hint, (line, 1) if line else None)
    result = SourceText(page.file, text, _trace_lines(page.text, text, values, command))
    try:
        text.encode()
    except UnicodeEncodeError as error:
        message = "template: it writes half a character, which UTF-8 cannot hold"
        return result.make_violation(
            "QC004", message, "Write it whole.", result.position_at(error.start)
        )
    return result


def _run_template(template: str, values: Mapping[str, Json], *, marks: bool) -> str:
    """What a template writes. Raises whatever it raises, and _Bound."""
    parts: list[str] = []
    size = 0
    with _limit_memory(), _limit_time():  # in this order: the clock must not stop the clean-up
        for part in _template_environment(marks=marks).from_string(template).generate(values):
            size += len(part)
            if size > MAX_TEMPLATE_OUTPUT:
                raise _BoundExceeded(f"its output passes {MAX_TEMPLATE_OUTPUT:,} characters")
            parts.append(part)
        return "".join(parts)


def _trace_lines(
    template: str, text: str, values: Mapping[str, Json], command: str
) -> TemplateTrace:
    """Which line of the template wrote which line of `text`."""
    lines, alike = array("I"), array("I")
    try:
        marked = _run_template(template, values, marks=True)
    except Exception:
        return TemplateTrace(template, lines, alike, command)
    if _MARK.sub("", marked) != text:  # it looks at its own text, or rolls dice
        return TemplateTrace(template, lines, alike, command)
    own = _NEWLINE.split(template)
    going_on = 1
    for written in split_lines(marked):
        begins = _BEGINS.match(written)
        line = int(begins[1]) if begins else going_on
        for found in _MARK.finditer(written):
            going_on = int(found[1])
        lines.append(line)
        alike.append(
            _count_common_characters(
                _MARK.sub("", written), own[line - 1] if line <= len(own) else ""
            )
        )
    return TemplateTrace(template, lines, alike, command)


def _count_common_characters(one: str, other: str) -> int:
    """With how many of the same characters two lines begin."""
    if one == other:
        return len(one)
    return next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]),
                min(len(one), len(other)))  # fmt: skip


def _error_line(trace: TracebackType | None) -> int:
    """The template's line that an error came from; 0 when none of its lines ran."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _explain_template_error(error: Exception, known: Mapping[str, Any]) -> tuple[str, str, str]:
    """Rule, message and hint for what a template raised."""
    said = str(error)
    if isinstance(error, UndefinedError):
        return "QC021", f"template: {said}", _explain_undefined(said, known)
    if isinstance(error, SecurityError):
        return "QC022", f"template: {said}", "Templates see `env` and `vars`, and nothing else."
    if isinstance(error, TemplateNotFound):
        return "QC022", "template: other files cannot be included", "Use `vars` instead."
    if isinstance(error, _BoundExceeded):
        return "QC023", f"template stopped: {said}", "Make it simpler."
    if isinstance(error, OverflowError) and said:
        return "QC023", f"template stopped: {said[:1].lower()}{said[1:]}", "Make it simpler."
    if isinstance(error, MemoryError | OverflowError | RecursionError):
        return "QC023", "template stopped: it needs too much memory", "Make it simpler."
    if isinstance(error, TemplateError):
        return "QC020", f"template: {said}", _SYNTAX_HINT
    return "QC020", f"template: {said or type(error).__name__}", "Check the types of its values."


def _explain_undefined(said: str, known: Mapping[str, Any]) -> str:
    if found := re.fullmatch(r"'(\w+)' is undefined", said):
        word, names, prefix = found[1], list(known), ""
    elif found := re.search(r"has no attribute '([^']{1,64})'", said):
        word, names, prefix = found[1], [str(name) for name in known["vars"]], "vars."
    else:
        return "Give it a value under `vars` of the environment, or use the filter `default`."
    if close := get_close_matches(word, names, 1):
        return f"Did you mean {prefix}{close[0]}?"
    if not prefix and word in known["vars"]:
        return f"Did you mean vars.{word}?"
    listed = ", ".join(f"{prefix}{name}" for name in sorted(names)[:12])
    return f"Known here: {listed}." if listed else "State it under `vars` of the environment."


@contextmanager
def _limit_time() -> Iterator[None]:
    """Raises _Bound from inside a template that runs for too long.

    It looks at the clock at each of the template's lines, and at each call of what they use.
    """
    end = time.monotonic() + MAX_SECONDS

    def trace(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001
        if time.monotonic() > end:
            raise _BoundExceeded(f"it runs longer than {MAX_SECONDS:g} seconds")
        return trace if frame.f_code.co_filename == _FILE else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def _limit_memory() -> Iterator[None]:
    """Lets allocations fail (MemoryError) beyond the bound, where the system can."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError, ValueError):
        yield
        return
    limit = pages * resource.getpagesize() + MAX_MEMORY
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
