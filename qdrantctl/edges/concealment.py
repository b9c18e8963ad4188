"""Takes secrets that should not stand in a file out of what is quoted from it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qdrantctl.edges.yaml_documents import Document, Marks
from qdrantctl.model.resource import Origin
from qdrantctl.model.rule import ABSENT, Json
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

HIDDEN = "(hidden)"

_KEY = re.compile(
    r"""(?ix) ( (?:api[-_\s]?key|token|password|secret) ["']? \s* : \s* )
        (?! \s* (?: \{ \s* ["']? (?:env|file|command) \b | \# | $ ) ) \S .*"""
)
"""A value beside a word that promises a secret; references to where one is found stay."""
_IN_URL = re.compile(r"""(://) [^/\s"'@]* @ | (://[^\s"'?\#]*) [?\#][^\s"',}]* """, re.VERBOSE)
_SOURCES: dict[str, type] = {"env": str, "file": str, "command": list}
_SHORTEST = 4


def concealed(violation: Violation, document: Document | None) -> Violation:
    """The violation with nothing in it that may be a secret. Without a document by looks alone."""
    changed: dict[str, str] = {
        word: _IN_URL.sub(rf"\1\2{HIDDEN}", getattr(violation, word))
        for word in ("message", "hint")
    }
    if document is not None:
        for secret in _literals(document):
            for word in changed:
                changed[word] = changed[word].replace(secret, HIDDEN)
    if violation.snippet is not ABSENT:
        changed["snippet"] = _line(str(violation.snippet), violation, document)
    return violation.model_copy(update=changed)


def without_credentials(violation: Violation) -> Violation:
    """The violation without what a URL in a manifest may hold: who logs in, and a query."""
    words = {word: getattr(violation, word) for word in ("message", "hint", "snippet")}
    return violation.model_copy(
        update={
            word: _IN_URL.sub(rf"\1\2{HIDDEN}", text)
            for word, text in words.items()
            if isinstance(text, str)
        }
    )


def _line(snippet: str, violation: Violation, document: Document | None) -> str:
    line = violation.origin.line if isinstance(violation.origin, Origin) else 0
    for path in _literal_paths(document) if document else ():
        assert document is not None
        first, column = document.place(path)
        after = (number for number in _key_lines(document.marks) if number > first)
        if line == first:
            snippet = snippet[: column - 1] + HIDDEN
        elif first < line < min(after, default=line + 1):
            return HIDDEN
    return _IN_URL.sub(rf"\1\2{HIDDEN}", _KEY.sub(rf"\1{HIDDEN}", snippet))


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


def _literals(document: Document) -> Iterator[str]:
    """The keys themselves, where they are long enough to be told from ordinary words."""
    for path in _literal_paths(document):
        value = document.value
        for word in path:
            value = value[word]
        yield from (text for text in _scalars(value) if len(text) >= _SHORTEST)


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
