"""Takes secrets that should not stand in a file out of what is quoted from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qdrantctl.adapters.secrets.detect import HIDDEN, DetectedSecret, find_secrets, redact
from qdrantctl.adapters.yaml.documents import NodePositions, YamlDocument
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

_KEY = re.compile(
    r"""(?ix) ( (?:api[-_\s]?key|token|password|secret) ["']? \s* : \s* )
        (?! \s* (?: \{ \s* ["']? (?:env|file|command) \b | \# | $ ) ) \S .*"""
)
"""A value beside a word that promises a secret; references to where one is found stay."""
_IN_URL = re.compile(r"""(://) [^/\s"'@]* @ | (://[^\s"'?\#]*) [?\#][^\s"',}]* """, re.VERBOSE)
_SOURCES: dict[str, type] = {"env": str, "file": str, "command": list}
_SHORTEST = 4


def redact_violation(
    violation: Violation, document: YamlDocument | None, api_key: str | None = None
) -> Violation:
    """What is wrong with a project file, with nothing in it that may be a secret."""
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
    """The violation without the secrets that were recognised, nor what a URL may hold of them.

    `document` is the one that they stand in, where its places are those of the file.
    """
    changed: dict[str, str] = {}
    for word in ("address", "message", "hint", "snippet"):
        text = getattr(violation, word)
        if isinstance(text, str):
            if word == "snippet" and document:
                text = _redact_line(text, violation, secrets, document)
            changed[word] = _IN_URL.sub(rf"\1\2{HIDDEN}", redact(text, api_key, secrets))
    return violation.model_copy(update=changed)


def _redact_line(
    snippet: str, violation: Violation, secrets: tuple[DetectedSecret, ...], document: YamlDocument
) -> str:
    """A line without what stands of a secret in it, in whatever way it is written there."""
    line = violation.origin.line if isinstance(violation.origin, Origin) else 0
    for secret in secrets:
        first, column = document.position_of(secret.path, key=secret.key)
        after = (number for number in _lines_with_keys(document.marks) if number > first)
        if line == first:
            snippet = snippet[: column - 1] + HIDDEN
        elif first < line < min(after, default=line + 1):
            return HIDDEN
    return snippet


def _lines_with_keys(marks: NodePositions | None) -> Iterator[int]:
    for mark in (marks or {}).values():
        yield mark.key_position[0]
        yield from _lines_with_keys(mark.below)


def _key_sources(document: YamlDocument) -> Iterator[tuple[Path, Json]]:
    """Every place of a project file that says where a key is found."""
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
    """Where a key stands instead of the place to find it."""
    for here, source in _key_sources(document):
        if isinstance(source, dict):
            for word, value in source.items():
                if not isinstance(value, _SOURCES.get(word, ())):
                    yield (*here, word)
        elif source is not None:
            yield here


def _literal_keys(document: YamlDocument) -> Iterator[DetectedSecret]:
    """The keys themselves, those that are long enough to be told from ordinary words as text."""
    for path in _paths_of_literals(document):
        value = document.value
        for word in path:
            value = value[word]
        for text in _all_scalars(value):
            yield DetectedSecret(path, False, text if len(text) >= _SHORTEST else "", "")


def _all_scalars(value: Json) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _all_scalars(inner)
    else:
        yield str(value)


def _scalars_below(value: Json, *path: str) -> dict[str, Json]:
    for word in path:
        value = value.get(word) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
