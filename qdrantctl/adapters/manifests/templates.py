"""Jinja2 templates of manifests: sandboxed, strict about undefined names, bounded.

Bounds: output is counted, time is measured by a trace function, and memory is limited by the
process's limit while rendering (where the system has one).

To map output lines to template lines, a template is rendered a second time with marks in its text.
The mapping is used only if the output without the marks is the same.
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
from qdrantctl.adapters.manifests.template_values import (
    dump_json,
    is_none,
    mark_nulls,
    write_value,
)
from qdrantctl.model.field_rule import Json
from qdrantctl.model.violation import Violation

MAX_TEMPLATE_OUTPUT = 10_000_000
"""Characters."""
MAX_SECONDS = 5.0
MAX_MEMORY = 256 * 2**20
"""Bytes in addition to the memory of the process when rendering begins."""
_MAX_BITS = 10_000
_SYNTAX_HINT = "Correct it here: {{ … }} writes a value, {% … %} is a statement, {# … #} a comment."
_FILE = "<template>"
"""The file name of a template from a string in Jinja2's tracebacks."""


class _BoundExceeded(Exception):
    """A template exceeded a bound."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, with bounded arithmetic."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, name: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        """`*` and `**` on numbers of reasonable length."""
        if isinstance(left, int) and isinstance(right, int):
            factor = right if name == "**" else 1
            if left.bit_length() * factor + right.bit_length() > _MAX_BITS:
                raise _BoundExceeded("a number in it grows too large")
        return (operator.pow if name == "**" else operator.mul)(left, right)


class _Marks(Extension):
    """Inserts the line number before each line of text and each expression of a template."""

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
"""The marks at the start of an output line: of a macro call, and last of the called macro."""
_NEWLINE = re.compile("\r\n|\r|\n")
"""The line ends that Jinja2 counts."""


def _mark_lines(text: str, line: int) -> str:
    """Text that begins on `line`, with a mark after the indentation of each of its lines."""
    marked = []
    for number, content in enumerate(text.split("\n"), line):
        bare = content.lstrip(" ")
        indent = content[: len(content) - len(bare)]
        marked.append(f"{indent}{_line_mark(number)}{bare}" if bare else content)
    return "\n".join(marked)


def _line_mark(line: int) -> str:
    return f"\x02{line}\x03"


@cache
def _template_environment(*, marks: bool) -> _Sandbox:
    environment = _Sandbox(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        loader=DictLoader({}),
        cache_size=0,
        extensions=[_Marks] if marks else [],
        finalize=write_value,
    )
    environment.tests["none"] = is_none
    environment.policies["json.dumps_function"] = dump_json
    return environment


def render_template(
    page: SourceText, env: str, variables: Mapping[str, Json], command: str
) -> SourceText | Violation:
    """The page after its template, or the violation with the place in the template.

    `command` is the command that prints the rendered text; errors quote it.
    """
    values = {"env": env, "vars": mark_nulls(variables, "vars")}
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
        message = "template: its output contains a lone surrogate, which UTF-8 cannot encode"
        return result.make_violation(
            "QC004", message, "Write the whole character.", result.position_at(error.start)
        )
    return result


def _run_template(template: str, values: Mapping[str, Json], *, marks: bool) -> str:
    """The output of a template. Raises _BoundExceeded, and any error of the template."""
    parts: list[str] = []
    size = 0
    with _limit_memory(), _limit_time():  # in this order: the trace must not stop the clean-up
        for part in _template_environment(marks=marks).from_string(template).generate(values):
            size += len(part)
            if size > MAX_TEMPLATE_OUTPUT:
                raise _BoundExceeded(f"its output passes {MAX_TEMPLATE_OUTPUT:,} characters")
            parts.append(part)
        return "".join(parts)


def _trace_lines(
    template: str, text: str, values: Mapping[str, Json], command: str
) -> TemplateTrace:
    """The line of the template for each line of `text`; empty where marks change the output."""
    lines, alike = array("I"), array("I")
    try:
        marked = _run_template(template, values, marks=True)
    except Exception:
        return TemplateTrace(template, lines, alike, command)
    if _MARK.sub("", marked) != text:  # it reads its own text, or uses random values
        return TemplateTrace(template, lines, alike, command)
    template_lines = _NEWLINE.split(template)
    current = 1
    for written in split_lines(marked):
        begins = _BEGINS.match(written)
        line = int(begins[1]) if begins else current
        for mark in _MARK.finditer(written):
            current = int(mark[1])
        lines.append(line)
        alike.append(
            _count_common_characters(
                _MARK.sub("", written),
                template_lines[line - 1] if line <= len(template_lines) else "",
            )
        )
    return TemplateTrace(template, lines, alike, command)


def _count_common_characters(first: str, second: str) -> int:
    """The length of the common start of two lines."""
    if first == second:
        return len(first)
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))


def _error_line(trace: TracebackType | None) -> int:
    """The template's line that raised an error; 0 when none of its lines ran."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _explain_template_error(error: Exception, values: Mapping[str, Any]) -> tuple[str, str, str]:
    """Rule, message and hint for an error that a template raised."""
    text = str(error)
    if isinstance(error, UndefinedError):
        return "QC021", f"template: {text}", _explain_undefined(text, values)
    if isinstance(error, SecurityError):
        return "QC022", f"template: {text}", "Templates see `env` and `vars`, and nothing else."
    if isinstance(error, TemplateNotFound):
        return "QC022", "template: other files cannot be included", "Use `vars` instead."
    if isinstance(error, _BoundExceeded):
        return "QC023", f"template stopped: {text}", "Make it simpler."
    if isinstance(error, OverflowError) and text:
        return "QC023", f"template stopped: {text[:1].lower()}{text[1:]}", "Make it simpler."
    if isinstance(error, MemoryError | OverflowError | RecursionError):
        return "QC023", "template stopped: it needs too much memory", "Make it simpler."
    if isinstance(error, TemplateError):
        return "QC020", f"template: {text}", _SYNTAX_HINT
    return "QC020", f"template: {text or type(error).__name__}", "Check the types of its values."


def _explain_undefined(message: str, values: Mapping[str, Any]) -> str:
    if message.endswith("is null"):
        return "Give it a value, or use the filter `default('…', true)`; `tojson` writes null."
    if match := re.fullmatch(r"'(\w+)' is undefined", message):
        word, names, prefix = match[1], list(values), ""
    elif match := re.search(r"has no attribute '([^']{1,64})'", message):
        word, names, prefix = match[1], [str(name) for name in values["vars"]], "vars."
    else:
        return "Give it a value under `vars` of the environment, or use the filter `default`."
    if close := get_close_matches(word, names, 1):
        return f"Did you mean {prefix}{close[0]}?"
    if not prefix and word in values["vars"]:
        return f"Did you mean vars.{word}?"
    listed = ", ".join(f"{prefix}{name}" for name in sorted(names)[:12])
    return f"Known here: {listed}." if listed else "Set it under `vars` of the environment."


@contextmanager
def _limit_time() -> Iterator[None]:
    """Raise _BoundExceeded inside a template that runs longer than MAX_SECONDS.

    The time is checked at each line of the template, and at each call that a line makes.
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
    """Let allocations beyond MAX_MEMORY fail with MemoryError, where the system supports it."""
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
