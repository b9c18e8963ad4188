"""Payload field paths: what Qdrant accepts as one, and the spelling that it reports."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

_PLAIN_PART = re.compile(r"[\w-]+", re.UNICODE)
_PATH_PART = re.compile(r'(?:"([^"\\]*)"|([\w-]+))((?:\[\d*\])*)', re.UNICODE)
_BRACKETS = re.compile(r"\[\d*\]")
_QUOTED = re.compile(r'"[^"]*"')
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


def reported_array(path: str) -> str:
    """A path to an array as the server stores it, `offers[]` for `offers`.

    Raises PydanticCustomError.
    """
    name = _reported_part(path)
    return name if name.endswith("[]") else f"{name}[]"


def _count_array_levels(name: str) -> int:
    """The brackets in a reported name, those inside quotes left out."""
    return len(_BRACKETS.findall(_QUOTED.sub("", name)))


def refuse_misplaced_arrays(indexes: dict[str, Any]) -> dict[str, Any]:
    """Refuse `nested` that does not fit the field. Raises PydanticCustomError.

    The server's rules (`PayloadFieldSchema::validate_for_field`, 1.20.0).
    """
    for path, index in indexes.items():
        if (nested := index.nested) is None:
            continue
        tenant = next((n for n in ("is_tenant", "is_principal") if getattr(index, n, None)), "")
        if _count_array_levels(nested) != 1:
            problem, hint = "has not exactly one array level", "Name one array, such as offers."
        elif not path.startswith(f"{nested}."):
            problem = f"does not contain the field {path!r}"
            hint = f"The field must be inside the elements, such as {nested}.price."
        elif tenant:
            problem, hint = f"cannot be combined with {tenant}", f"Leave {tenant} or nested out."
        else:
            continue
        raise PydanticCustomError(
            "nested",
            "nested {nested} {problem}",
            {
                "nested": repr(nested),
                "problem": problem,
                "path": (path, "nested"),
                "rule": "QC133",
                "hint": hint,
            },
        )
    return indexes


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
