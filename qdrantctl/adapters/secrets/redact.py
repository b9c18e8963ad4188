"""Redacts secrets in text that output quotes from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qdrantctl.adapters.secrets.detect import (
    HIDDEN,
    KEY_SETTING,
    MIN_LENGTH,
    DetectedSecret,
    find_secrets,
    key_pattern,
    may_be_secret,
)
from qdrantctl.adapters.yaml.positions import YamlDocument
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Origin
from qdrantctl.model.secret_spelling import hide_secret
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

_TRUNCATED_TOKEN = re.compile(r"\beyJ[\w-]{8,}(?:\.[\w.-]*…?|…)")
_TRUNCATED_WORD = re.compile(rf"\S{{{MIN_LENGTH},}}(?=…)")
"""A word whose end was cut off: it may be the beginning of a secret."""
_KEY = re.compile(
    r"""(?ix) ( (?:api[-_\s]?key|token|password|secret) ["']? \s* : \s* )
        (?! \s* (?: \{ \s* ["']? (?:env|file|command) \b | \# | $ ) ) \S .*"""
)
"""A value after a word that names a secret; a reference to a key's source is not redacted."""
_IN_URL = re.compile(r"""(://) [^/\s"'@]* @ | (://[^\s"'?\#]*) [?\#][^\s"',}]* """, re.VERBOSE)
_SOURCES: dict[str, type] = {"env": str, "file": str, "command": list}
_MIN_TEXT_LENGTH = 4
_ESCAPE = re.compile(r"[%&\\]")


def redact(text: str, api_key: str | None, secrets: tuple[DetectedSecret, ...] = ()) -> str:
    """The text without the secrets in it, and without the beginning of one that was cut off."""
    for secret in secrets:
        if secret.text:
            text = text.replace(secret.text, HIDDEN)
            if len(secret.text) <= len(text) and _ESCAPE.search(text):
                text = hide_secret(text, secret.text, HIDDEN)
            text = _redact_beginning(text, secret.text)
    if pattern := key_pattern(api_key):
        text = _redact_beginning(pattern.sub(HIDDEN, text), str(api_key))
    return _TRUNCATED_TOKEN.sub(HIDDEN, KEY_SETTING.sub(_redact_match, text))


def _redact_beginning(text: str, secret: str) -> str:
    """The text without the beginning of a secret before an ellipsis."""

    def redact_word(match: re.Match[str]) -> str:
        word = match[0]
        for start in range(len(word) - MIN_LENGTH + 1):
            if secret.startswith(word[start:]):
                return word[:start] + HIDDEN
        return word

    return _TRUNCATED_WORD.sub(redact_word, text)


def _redact_match(match: re.Match[str]) -> str:
    group = 2 if match[2] is not None else 3
    if not may_be_secret(match[group]):
        return match[0]
    start, end = (edge - match.start() for edge in match.span(group))
    return match[0][:start] + HIDDEN + match[0][end:]


def redact_violation(
    violation: Violation, document: YamlDocument | None, api_key: str | None = None
) -> Violation:
    """A violation of a project file without any text that may be a secret."""
    secrets = (*_literal_keys(document), *find_secrets(document.value, api_key)) if document else ()
    result = redact_secrets(violation, secrets, api_key, document)
    if result.snippet is ABSENT:
        return result
    return result.model_copy(update={"snippet": _KEY.sub(rf"\1{HIDDEN}", str(result.snippet))})


def redact_secrets(
    violation: Violation,
    secrets: tuple[DetectedSecret, ...],
    api_key: str | None,
    document: YamlDocument | None = None,
) -> Violation:
    """The violation without the detected secrets, and without the secret parts of URLs.

    `document` contains the secrets; pass it if its positions are those of the file.
    """
    changed: dict[str, str] = {}
    for field in ("address", "message", "hint", "snippet"):
        text = getattr(violation, field)
        if isinstance(text, str):
            if field == "snippet" and document:
                text = _redact_line(text, violation, secrets, document)
            changed[field] = _IN_URL.sub(rf"\1\2{HIDDEN}", redact(text, api_key, secrets))
    return violation.model_copy(update=changed)


def _redact_line(
    snippet: str, violation: Violation, secrets: tuple[DetectedSecret, ...], document: YamlDocument
) -> str:
    """A line without the part of a secret in it, in any YAML notation."""
    line = violation.origin.line if isinstance(violation.origin, Origin) else 0
    for secret in secrets:
        first_line, column = document.position_of(secret.path, key=secret.key)
        after = (number for number in document.lines_with_keys() if number > first_line)
        if line == first_line:
            snippet = snippet[: column - 1] + HIDDEN
        elif first_line < line < min(after, default=line + 1):
            return HIDDEN
    return snippet


def _key_sources(document: YamlDocument) -> Iterator[tuple[Path, Json]]:
    """Every key source of a project file, with its path."""
    for name, environment in _scalars_below(document.value, "spec", "environments").items():
        source = _scalars_below(environment).get("api_key")
        yield ("spec", "environments", name, "api_key"), source
    here = ("spec", "snapshot_signing")
    signing = _scalars_below(document.value, *here)
    yield (*here, "key"), signing.get("key")
    previous = signing.get("previous_keys")
    for position, source in enumerate(previous if isinstance(previous, list) else ()):
        yield (*here, "previous_keys", position), source


def _paths_of_literals(document: YamlDocument) -> Iterator[Path]:
    """The paths that hold a literal key instead of its source."""
    for path, source in _key_sources(document):
        if isinstance(source, dict):
            for key, value in source.items():
                if not isinstance(value, _SOURCES.get(key, ())):
                    yield (*path, key)
        elif source is not None:
            yield path


def _literal_keys(document: YamlDocument) -> Iterator[DetectedSecret]:
    """The literal keys; the text is empty for a key too short to differ from ordinary words."""
    for path in _paths_of_literals(document):
        value = document.value
        for step in path:
            value = value[step]
        for text in _all_scalars(value):
            yield DetectedSecret(path, False, text if len(text) >= _MIN_TEXT_LENGTH else "", "")


def _all_scalars(value: Json) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _all_scalars(inner)
    else:
        yield str(value)


def _scalars_below(value: Json, *path: str) -> dict[str, Json]:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
