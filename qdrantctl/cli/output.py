"""Prints documents: finds the renderer of a format, and decides about colour."""

from __future__ import annotations

import os
import re
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, TextIO

import click

from qdrantctl import render as renderers

if TYPE_CHECKING:
    from qdrantctl.cli.options import OutputArgs

DEFAULT_FORMAT = "text"
EVENTS_FORMAT = "jsonl"


def render(
    document: str,
    value: Any,
    args: OutputArgs,
    stream: TextIO | None = None,
    *,
    as_format: str = "",
) -> str:
    """The text of a value in the format of the arguments, or `as_format`, for `stream` or stdout.

    The renderer is the function `document` of the module `qdrantctl.render.<format>`.
    """
    from qdrantctl.render.shared.style import Style

    module = import_module(f"{renderers.__name__}.{as_format or args.format}")
    colour = wants_colour(stream or sys.stdout, no_color=args.no_color)
    style = Style(
        colour,
        args.max_bytes,
        width=_terminal_width(stream or sys.stdout),
        summary=args.summary,
        details_url=args.details_url,
    )
    text: str = getattr(module, document)(value, style)
    return text


def _terminal_width(stream: TextIO) -> int | None:
    """The columns of a terminal; None for other output."""
    from shutil import get_terminal_size

    return get_terminal_size().columns if can_draw(stream) else None


def print_document(document: str, value: Any, args: OutputArgs) -> None:
    """Print a value on stdout in the format of the arguments."""
    print_output(render(document, value, args))


def print_for_operator(document: str, value: Any, args: OutputArgs) -> None:
    """Print a value as text: on stdout, or on stderr if stdout is for another format."""
    stream = sys.stdout if args.format == DEFAULT_FORMAT else sys.stderr
    text = render(document, value, args, stream, as_format=DEFAULT_FORMAT)
    print_output(text, err=stream is sys.stderr)


def print_event(args: OutputArgs, kind: str, **details: Any) -> None:
    """Print an event in a line of its own, at once, if the format of the arguments is jsonl.

    `details` are fields of `Event`.
    """
    if args.format == EVENTS_FORMAT:
        from qdrantctl.model.event import Event

        print_document("event", Event.model_validate({"event": kind, **details}), args)


def print_output(text: str, *, err: bool = False) -> None:
    """Print a rendered text, unless it is empty.

    The renderer has decided about colour; click must not decide again.
    """
    if text:
        click.echo(text, nl=not text.endswith("\n"), err=err, color=True)


def wants_colour(stream: TextIO, *, no_color: bool = False) -> bool:
    """Whether to use colour: on a terminal that is not dumb; `NO_COLOR` turns it off.

    `FORCE_COLOR` turns it on, except against `--no-color` and `NO_COLOR`.
    """
    if no_color or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR") or os.environ.get("CLICOLOR_FORCE"):
        return True
    return can_draw(stream)


def can_draw(stream: TextIO) -> bool:
    """Whether a stream is a terminal that obeys control sequences."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def formats_of(document: str) -> tuple[str, ...]:
    """The formats whose module defines the function `document`; text comes first, then JSON.

    The source is searched, since importing every renderer would slow `--help` down.
    """
    pattern = re.compile(rf"^def {document}\(", re.MULTILINE)
    formats = (name for name, source in _renderer_sources().items() if pattern.search(source))
    return tuple(sorted(formats, key=lambda name: (name != DEFAULT_FORMAT, name != "json", name)))


@cache
def _renderer_sources() -> dict[str, str]:
    sources = {}
    for module in iter_modules(renderers.__path__):
        spec = None if module.ispkg else find_spec(f"{renderers.__name__}.{module.name}")
        if spec and spec.loader:
            sources[module.name] = spec.loader.get_source(spec.name) or ""  # type: ignore[attr-defined]
    return sources
