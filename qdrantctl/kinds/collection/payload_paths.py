"""Payload field paths: what Qdrant accepts as one, and the spelling that it reports."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_PLAIN_PART = re.compile(r"[\w-]+", re.UNICODE)
_PATH_PART = re.compile(r'(?:"([^"\\]*)"|([\w-]+))((?:\[\d*\])*)', re.UNICODE)
_PADDED = re.compile(r"\[0+(?=\d)")


def reported_field_name(path: str) -> str:
    """A payload path as the server reports it, with quotes only where needed.

    Raises ValueError when Qdrant would refuse it (`lib/segment/src/json_path/parse.rs`).
    """
    parts, position = [], 0
    while part := _PATH_PART.match(path, position):
        quoted, plain, brackets = part.groups()
        key = plain or quoted
        brackets = _PADDED.sub("[", brackets)
        parts.append((key if _PLAIN_PART.fullmatch(key) else f'"{key}"') + brackets)
        position = part.end()
        if position == len(path):
            return ".".join(parts)
        if path[position] != ".":
            break
        position += 1
    raise ValueError(path)


def _reported_part(path: str) -> str:
    try:
        return reported_field_name(path)
    except ValueError:
        raise PydanticCustomError(
            "payload_path",
            "{name} is not a payload path",
            {
                "name": repr(path),
                "rule": "QC113",
                "hint": "Join keys by dots, put [] after an array and quotes around odd keys, "
                'as in a.b[]."c d".',
            },
        ) from None


PayloadPath = Annotated[str, AfterValidator(_reported_part)]
"""A field path, by the name that the server reports."""


def refuse_duplicate_paths(indexes: Any) -> Any:
    """Refuse one field under two spellings. Raises PydanticCustomError."""
    names: set[str] = set()
    for path in indexes if isinstance(indexes, dict) else ():
        try:
            name = reported_field_name(path)
        except (ValueError, TypeError):
            continue  # the path itself is reported as an error
        if name in names:
            raise PydanticCustomError(
                "payload_path",
                "{name} is indexed twice",
                {
                    "name": repr(name),
                    "path": (path,),
                    "rule": "QC113",
                    "hint": "Keep one of the two.",
                },
            )
        names.add(name)
    return indexes
