"""Detects API keys and tokens in text, for the audit and for redacted output."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from qdrantctl.model.field_rule import Json
from qdrantctl.model.secret_spelling import spelling_pattern
from qdrantctl.model.spec import Path

HIDDEN = "(hidden)"
MIN_LENGTH = 6
"""Characters of a value that may be a key."""
MIN_UNIQUE_LENGTH = 16
"""Characters of a key that no other word contains by chance."""

_JWT = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]{16,}")
_KEY_NAME = r"(?: \w*qdrant\w* | read[_-]?only[_-] | alt[_-] )? api[_-]?key"
KEY_SETTING = re.compile(
    rf"""(?ix) (?<![\w-]) {_KEY_NAME} ["']?
        [ \t]* (?: = | : (?! [ \t]* [^\s"'\#,}}\]]+ [ ]+ [^\s\#] ) ) [ \t]*
        (?: (["']) ([^"'\n]*) (?: \1 | $ | (?=\n) ) | ([^\s"'\#,}}\]]+) )"""
)
"""A name with its value. A value after a colon that is followed by more words is prose."""
_NAMES = re.compile(_KEY_NAME, re.IGNORECASE | re.VERBOSE)
_REFERENCE = re.compile(
    r"^[$%<{\[|>&*!@]|^/dev/|\s|^(?:null|none|true|false|~|\.{3}|…|x+|\*+)$"
    r"|^(?:keyword|integer|datetime)$",
    re.IGNORECASE,
)
"""Values that are no secret: a variable, a template, a placeholder in brackets, a file, YAML that
continues on the next line, or the index of a payload field with such a name."""


class DetectedSecret(NamedTuple):
    """A string of a document that is, or contains, a key or a token."""

    path: Path
    key: bool
    """Whether the secret is a mapping's key rather than a value."""
    text: str
    description: str
    """Such as `this is the API key in use`."""


@lru_cache(maxsize=1024)
def find_secret(text: str, api_key: str | None, *, settings: bool = True) -> str:
    """A description of the secret in a text; empty if there is none.

    `api_key` is the one in use, which is found at any place. Without `settings`, a name with a
    value does not count: in source code it is mostly a variable.
    """
    # No spelling is shorter than the key; almost every text is.
    pattern = key_pattern(api_key) if api_key and len(text) >= len(api_key) else None
    if pattern and pattern.search(text):
        return "this is the API key in use"
    # Almost all texts end here; the patterns cost far more.
    if "eyJ" not in text and "key" not in text.lower():
        return ""
    if _JWT.search(text):
        return "this looks like a token (JWT)"
    if settings and any(
        may_be_secret(match[2] or match[3] or "") for match in KEY_SETTING.finditer(text)
    ):
        return "this looks like an API key"
    return ""


def find_secrets(value: Json, api_key: str | None) -> Iterator[DetectedSecret]:
    """Every key and token in a document, in its mapping keys and its values."""
    return _secrets_below(value, (), api_key)


def _secrets_below(value: Json, path: Path, api_key: str | None) -> Iterator[DetectedSecret]:
    if isinstance(value, dict):
        for name, inner in value.items():
            entry_path = (*path, name)
            if description := find_secret(name, api_key):
                yield DetectedSecret(entry_path, True, name, description)
            yield from _secrets_below(inner, entry_path, api_key)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _secrets_below(inner, (*path, position), api_key)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value)
        description = find_secret(text, api_key)
        if not description and path and _NAMES.fullmatch(str(path[-1])) and may_be_secret(text):
            description = "this looks like an API key"
        if description:
            yield DetectedSecret(path, False, text, description)


@lru_cache(maxsize=1)
def key_pattern(api_key: str | None) -> re.Pattern[str] | None:
    """A pattern for the key in any spelling.

    A short key must be a whole word as it is: it may be part of ordinary ones.
    """
    if not api_key or len(api_key) < MIN_LENGTH:
        return None
    if len(api_key) >= MIN_UNIQUE_LENGTH:
        return spelling_pattern(api_key)
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(api_key)}(?![A-Za-z0-9])")


def may_be_secret(value: str) -> bool:
    """Whether a setting's value may be a key: long enough, no reference and not redacted."""
    return len(value) >= MIN_LENGTH and not _REFERENCE.search(value) and value != HIDDEN
