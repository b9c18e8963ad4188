"""Jinja2 templates of manifests: sandboxed, strict about undefined names, bounded.

Bounds: output by counting it, time by a trace of the template's own lines, memory by the process's
limit while rendering (where the system has one).
"""

from __future__ import annotations

import operator
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError, TemplateNotFound
from jinja2.loaders import DictLoader
from jinja2.sandbox import ImmutableSandboxedEnvironment

from qdrantctl.edges.page import Page
from qdrantctl.model.rule import Json
from qdrantctl.model.violation import Violation

MAX_OUTPUT = 10_000_000
"""Characters."""
MAX_SECONDS = 5.0
MAX_MEMORY = 256 * 2**20
"""Bytes on top of what the process has when rendering begins."""
_MAX_BITS = 10_000
_FILE = "<template>"
"""What Jinja2 calls a template without a file in tracebacks."""


class _Bound(Exception):
    """A template ran past a bound."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, with arithmetic that cannot run away."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Any, name: str, left: Any, right: Any) -> Any:  # noqa: ARG002
        """`*` and `**` on numbers of reasonable length."""
        if isinstance(left, int) and isinstance(right, int):
            by = right if name == "**" else 1
            if left.bit_length() * by + right.bit_length() > _MAX_BITS:
                raise _Bound("a number in it grows too large")
        return (operator.pow if name == "**" else operator.mul)(left, right)


@cache
def _environment() -> _Sandbox:
    return _Sandbox(
        undefined=StrictUndefined, keep_trailing_newline=True, loader=DictLoader({}), cache_size=0
    )


def render(page: Page, env: str, variables: Mapping[str, Json]) -> Page | Violation:
    """The page after its template, or what is wrong with the template and where."""
    parts: list[str] = []
    size = 0
    try:
        template = _environment().from_string(page.text)
        with _bounded_time(), _bounded_memory():
            for part in template.generate(env=env, vars=dict(variables)):
                size += len(part)
                if size > MAX_OUTPUT:
                    raise _Bound(f"its output passes {MAX_OUTPUT:,} characters")
                parts.append(part)
        return Page(page.file, "".join(parts), rendered=True)
    except TemplateSyntaxError as error:
        return page.violation("QC020", f"template: {error.message}", "", (error.lineno, 1))
    except Exception as error:
        line = _line(error.__traceback__)
        rule, message, hint = _words(error, {"env": env, "vars": variables})
        return page.violation(rule, message, hint, (line, 1) if line else None)


def _line(trace: TracebackType | None) -> int:
    """The template's line that an error came from; 0 when none of its lines ran."""
    line = 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _words(error: Exception, known: Mapping[str, Any]) -> tuple[str, str, str]:
    """Rule, message and hint for what a template raised."""
    said = str(error)
    if isinstance(error, UndefinedError):
        return "QC021", f"template: {said}", _undefined_hint(said, known)
    if isinstance(error, SecurityError):
        return "QC022", f"template: {said}", "Templates see `env` and `vars`, and nothing else."
    if isinstance(error, TemplateNotFound):
        return "QC022", "template: other files cannot be included", "Use `vars` instead."
    if isinstance(error, _Bound):
        return "QC023", f"template stopped: {said}", "Make it simpler."
    if isinstance(error, MemoryError | OverflowError | RecursionError):
        return "QC023", "template stopped: it needs too much memory", "Make it simpler."
    if isinstance(error, TemplateError):
        return "QC020", f"template: {said}", ""
    return "QC020", f"template: {said or type(error).__name__}", "Check the types of its values."


def _undefined_hint(said: str, known: Mapping[str, Any]) -> str:
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
def _bounded_time() -> Iterator[None]:
    """Raises _Bound from inside a template whose own lines run for too long."""
    end = time.monotonic() + MAX_SECONDS

    def trace(frame: FrameType, event: str, argument: Any) -> Any:  # noqa: ARG001
        if frame.f_code.co_filename != _FILE:
            return None
        if time.monotonic() > end:
            raise _Bound(f"it runs longer than {MAX_SECONDS:g} seconds")
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def _bounded_memory() -> Iterator[None]:
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
