"""Names, paths and values as one line of text that is unambiguous and safe to print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from json import dumps

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.spec import Path

LONGEST_VALUE = 100
"""Characters of a value that are shown."""
LISTED = 5
"""Names of a list that are shown in a sentence."""

_PLAIN_WORD = re.compile(r"[^\W\d][\w-]*")
_UNLIMITED_CAP = (2**63 - 1, 1e300)
"""Values that remove a strict-mode cap, which Qdrant cannot unset."""


def escape_line(text: str) -> str:
    """`text` on one line: control and invisible characters as JSON escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else dumps(char)[1:-1] for char in text)


def format_path(path: Path) -> str:
    """`hnsw_config.m`; names with dots or odd characters quoted, so that 7 and "7" differ.

    The unnamed vector, whose name is empty, is written as in a manifest: `vectors.size`.
    """
    keys = (path[0], *path[2:]) if path[:2] == ("vectors", "") and path[2:] else path
    return ".".join(
        str(key) if isinstance(key, int) or _PLAIN_WORD.fullmatch(key) else _format_json(key)
        for key in keys
    )


def format_value(value: Json, path: Path = ()) -> str:
    """A value as compact JSON, cut where it is very long."""
    if value is ABSENT:
        return "nothing"
    if (
        path[:1] == ("strict_mode_config",)
        and type(value) in (int, float)
        and value in _UNLIMITED_CAP
    ):
        return "unlimited"
    return shorten_text(_format_json(value))


def shorten_text(text: str) -> str:
    """`text`, or its beginning and an ellipsis."""
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def join_names(names: Sequence[str], most: int = LISTED) -> str:
    """`a, b, c and 12 more`."""
    head = ", ".join(escape_line(name) for name in names[:most])
    return head if len(names) <= most else f"{head} and {len(names) - most} more"


def count_noun(number: int, word: str) -> str:
    """`1 error`, `2 errors`, `3 aliases`, `4 snapshot policies`."""
    if number == 1:
        return f"1 {word}"
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{number} {word[:-1]}ies"
    return f"{number} {word}{'es' if word.endswith('s') else 's'}"


def _format_json(value: Json) -> str:
    return escape_line(dumps(value, ensure_ascii=False))
