"""Tells keys and tokens from other text: the audit looks for them, and output hides them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import Path

HIDDEN = "(hidden)"
SHORTEST = 6
"""Characters of a value that may be a key."""
UNMISTAKABLE = 16
"""Characters of a key that stands in no other word by chance."""

_JWT = re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]{16,}")
_KEY_NAME = r"(?: \w*qdrant\w* | read[_-]?only[_-] | alt[_-] )? api[_-]?key"
_SETTING = re.compile(
    rf"""(?ix) (?<![\w-]) {_KEY_NAME} ["']?
        [ \t]* (?: = | : (?! [ \t]* [^\s"'\#,}}\]]+ [ ]+ [^\s\#] ) ) [ \t]*
        (?: (["']) ([^"'\n]*) (?: \1 | $ | (?=\n) ) | ([^\s"'\#,}}\]]+) )"""
)
"""A name with its value. Behind a colon and with more words behind, it is prose."""
_NAMES = re.compile(_KEY_NAME, re.IGNORECASE | re.VERBOSE)
_REFERENCE = re.compile(
    r"^[$%<{\[|>&*!@]|^/dev/|\s|^(?:null|none|true|false|~|\.{3}|…|x+|\*+)$"
    r"|^(?:keyword|integer|datetime)$",
    re.IGNORECASE,
)
"""A variable, a template, a placeholder in brackets, a file, YAML that goes on below, or the index
of a payload field that is called so."""
_BEGUN = re.compile(r"\beyJ[\w-]{8,}(?:\.[\w.-]*…?|…)")
_ELLIPSIS = re.compile(rf"\S{{{SHORTEST},}}(?=…)")
"""Words whose end was cut off, which may be the beginning of a secret."""


class DetectedSecret(NamedTuple):
    """A string of a document that is, or holds, a key or a token."""

    path: Path
    key: bool
    """Whether it is the name of a mapping's entry rather than what stands there."""
    text: str
    what: str
    """`the key in use stands here`, and the like."""


def find_secret(text: str, api_key: str | None, *, settings: bool = True) -> str:
    """What a text gives away, in words; empty where that is nothing.

    `api_key` is the one in use, which is found wherever it stands. Without `settings` a name beside
    a value tells nothing: in source code it is mostly a variable.
    """
    if (whole := _key_pattern(api_key)) and whole.search(text):
        return "the key in use stands here"
    # Of ten thousand words hardly one gets past these; the patterns cost far more.
    if "eyJ" not in text and "key" not in text.lower():
        return ""
    if _JWT.search(text):
        return "what stands here looks like a token (JWT)"
    if settings and any(_may_be_secret(f[2] or f[3] or "") for f in _SETTING.finditer(text)):
        return "what stands here looks like an API key"
    return ""


def find_secrets(value: Json, api_key: str | None) -> Iterator[DetectedSecret]:
    """Every key and token in a document, among the names as well as among the values."""
    return _secrets_below(value, (), api_key)


def _secrets_below(value: Json, path: Path, api_key: str | None) -> Iterator[DetectedSecret]:
    if isinstance(value, dict):
        for name, inner in value.items():
            here = (*path, name)
            if what := find_secret(name, api_key):
                yield DetectedSecret(here, True, name, what)
            yield from _secrets_below(inner, here, api_key)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _secrets_below(inner, (*path, position), api_key)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        text = str(value)
        what = find_secret(text, api_key)
        if not what and path and _NAMES.fullmatch(str(path[-1])) and _may_be_secret(text):
            what = "what stands here looks like an API key"
        if what:
            yield DetectedSecret(path, False, text, what)


def redact(text: str, api_key: str | None, known: tuple[DetectedSecret, ...] = ()) -> str:
    """The text without anything that is recognised, or the beginning of it where it was cut."""
    for secret in known:
        if secret.text:
            text = _redact_beginning(text.replace(secret.text, HIDDEN), secret.text)
    if whole := _key_pattern(api_key):
        text = _redact_beginning(whole.sub(HIDDEN, text), str(api_key))
    return _BEGUN.sub(HIDDEN, _SETTING.sub(_redact_match, text))


def _redact_beginning(text: str, secret: str) -> str:
    """The text without the beginning of a secret in front of an ellipsis."""

    def begun(found: re.Match[str]) -> str:
        word = found[0]
        for start in range(len(word) - SHORTEST + 1):
            if secret.startswith(word[start:]):
                return word[:start] + HIDDEN
        return word

    return _ELLIPSIS.sub(begun, text)


def _redact_match(found: re.Match[str]) -> str:
    group = 2 if found[2] is not None else 3
    if not _may_be_secret(found[group]):
        return found[0]
    start, end = (edge - found.start() for edge in found.span(group))
    return found[0][:start] + HIDDEN + found[0][end:]


@lru_cache(maxsize=1)
def _key_pattern(api_key: str | None) -> re.Pattern[str] | None:
    """Finds the key; a short one as a word of its own, since it may be a part of ordinary ones."""
    if not api_key or len(api_key) < SHORTEST:
        return None
    if len(api_key) >= UNMISTAKABLE:
        return re.compile(re.escape(api_key))
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(api_key)}(?![A-Za-z0-9])")


def _may_be_secret(value: str) -> bool:
    return len(value) >= SHORTEST and not _REFERENCE.search(value) and value != HIDDEN
