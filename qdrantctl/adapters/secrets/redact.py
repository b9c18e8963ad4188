"""Takes secrets that should not stand in a file out of what is quoted from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qdrantctl.adapters.secrets.detect import HIDDEN, Secret, hidden, secrets_in
from qdrantctl.adapters.yaml.documents import Document, Marks
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


def concealed(
    violation: Violation, document: Document | None, api_key: str | None = None
) -> Violation:
    """What is wrong with a project file, with nothing in it that may be a secret."""
    secrets = (*_literals(document), *secrets_in(document.value, api_key)) if document else ()
    found = hidden_in(violation, secrets, api_key, document)
    if found.snippet is ABSENT:
        return found
    return found.model_copy(update={"snippet": _KEY.sub(rf"\1{HIDDEN}", str(found.snippet))})


def hidden_in(
    violation: Violation,
    secrets: tuple[Secret, ...],
    api_key: str | None,
    document: Document | None = None,
) -> Violation:
    """The violation without the secrets that were recognised, nor what a URL may hold of them.

    `document` is the one that they stand in, where its places are those of the file.
    """
    changed: dict[str, str] = {}
    for word in ("address", "message", "hint", "snippet"):
        text = getattr(violation, word)
        if isinstance(text, str):
            if word == "snippet" and document:
                text = _line(text, violation, secrets, document)
            changed[word] = _IN_URL.sub(rf"\1\2{HIDDEN}", hidden(text, api_key, secrets))
    return violation.model_copy(update=changed)


def _line(
    snippet: str, violation: Violation, secrets: tuple[Secret, ...], document: Document
) -> str:
    """A line without what stands of a secret in it, in whatever way it is written there."""
    line = violation.origin.line if isinstance(violation.origin, Origin) else 0
    for secret in secrets:
        first, column = document.place(secret.path, key=secret.key)
        after = (number for number in _key_lines(document.marks) if number > first)
        if line == first:
            snippet = snippet[: column - 1] + HIDDEN
        elif first < line < min(after, default=line + 1):
            return HIDDEN
    return snippet


def _key_lines(marks: Marks | None) -> Iterator[int]:
    for mark in (marks or {}).values():
        yield mark.key[0]
        yield from _key_lines(mark.below)


def _literal_paths(document: Document) -> Iterator[Path]:
    """Where a key stands instead of the place to find it."""
    for name, environment in _below(document.value, "spec", "environments").items():
        source = _below(environment).get("api_key")
        here = ("spec", "environments", name, "api_key")
        if isinstance(source, dict):
            for word, value in source.items():
                if not isinstance(value, _SOURCES.get(word, ())):
                    yield (*here, word)
        elif source is not None:
            yield here


def _literals(document: Document) -> Iterator[Secret]:
    """The keys themselves, those that are long enough to be told from ordinary words as text."""
    for path in _literal_paths(document):
        value = document.value
        for word in path:
            value = value[word]
        for text in _scalars(value):
            yield Secret(path, False, text if len(text) >= _SHORTEST else "", "")


def _scalars(value: Json) -> Iterator[str]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _scalars(inner)
    else:
        yield str(value)


def _below(value: Json, *path: str) -> dict[str, Json]:
    for word in path:
        value = value.get(word) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
