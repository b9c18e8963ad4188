"""stdout and stderr that write every text, and whose write errors become errors of qdrantctl."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.frozen import frozen

_SUBSTITUTES = {
    "…": "...",
    "→": "->",
    "\u2013": "-",
    "\u2014": "-",
    "\u201c": '"',
    "”": '"',
    "✓": "+",
    "✗": "x",
    "•": "*",
    "·": "-",
    "━": "=",
    "╸": "=",
    "╺": "-",
}
"""What is written for a character that the encoding of a terminal lacks; `?` for any other."""
_HANDLER = "qdrantctl.substitute"


@frozen
class SafeStream:
    """A stream of text that hands its write errors to a function."""

    stream: TextIO
    on_error: Callable[[OSError], None]

    @property
    def encoding(self) -> str:
        """Any text can be written; click would go around a stream whose encoding is ASCII."""
        return "utf-8"

    def write(self, text: str) -> int:
        """Write a text; a write error goes to `on_error`."""
        try:
            return self.stream.write(text)
        except OSError as error:
            self.on_error(error)
            return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self.stream.flush()
        except OSError as error:
            self.on_error(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def protect_streams() -> QdrantctlError | None:
    """Replace stdout and stderr by safe streams. The error to exit with if stdout is closed.

    A stream that is closed is opened on the null device, or the next file or socket would take its
    number.
    """
    codecs.register_error(_HANDLER, _substitute)
    sys.stdin = sys.stdin or _open_null("r")
    is_closed = sys.stdout is None
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        _accept_any_text(stream)
    sys.stdout = SafeStream(sys.stdout or _open_null("w"), _raise_unwritten)
    sys.stderr = SafeStream(sys.stderr or _open_null("w"), _ignore)
    return _unwritable("it is closed") if is_closed else None


def flush_stdout() -> None:
    """Flush stdout before the process ends. An error was reported when the text was written."""
    try:
        sys.stdout.flush()
    except (OSError, QdrantctlError):
        # The rest of the text goes to the null device, or Python would try to write it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _accept_any_text(stream: TextIO | None) -> None:
    """Have a stream read or write any text.

    Files and pipes get UTF-8 in every locale: a document must not lose a character. A terminal gets
    a substitute for characters that its encoding lacks.
    """
    if stream is None or not hasattr(stream, "reconfigure"):
        return
    if stream is sys.stdin:
        stream.reconfigure(errors="replace")
    elif stream.isatty():
        stream.reconfigure(errors=_HANDLER)
    else:
        stream.reconfigure(encoding="utf-8", errors=_HANDLER)


def _substitute(error: UnicodeError) -> tuple[str, int]:
    """The substitutes for the characters that cannot be encoded."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end]
    return "".join(_SUBSTITUTES.get(char, "?") for char in lacking), error.end


def _open_null(mode: str) -> Any:
    return Path(os.devnull).open(mode)


def _ignore(_: OSError) -> None:
    """An apply continues even if its progress cannot be shown."""


def _raise_unwritten(error: OSError) -> None:
    """Raise for output that is lost; a closed pipe is no error: its reader has stopped reading."""
    if isinstance(error, BrokenPipeError):
        raise error
    raise _unwritable(str(error.strerror or error)) from None


def _unwritable(why: str) -> QdrantctlError:
    return QdrantctlError(
        f"standard output cannot be written: {why}",
        why="Changes made before that were completed and recorded.",
        hint="Redirect it to a file on a disk with free space, or to /dev/null, and run again.",
    )
