"""Pipelines for the CI of a project: text made of its environments, to be changed by its owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

INSTALL = "pip install qdrantctl  # if not on PyPI: a wheel, or git+https://HOST/REPOSITORY@TAG"
"""With what to write instead, since nobody may have published it under that name."""


class Target(NamedTuple):
    """An environment that a pipeline applies to, after those before it."""

    name: str
    quoted: str
    """The name as YAML takes it for text."""
    approved: bool
    """Whether somebody approves the plan before it is applied."""
    variables: Mapping[str, str]
    """Those that its `url` and `api_key` stand in."""

    @property
    def suffix(self) -> str:
        """The name as part of a variable's."""
        return self.name.upper().replace("-", "_")


def describe_variables(targets: Sequence[Target]) -> str:
    """The lines of a head that say how the project file finds url and key."""
    return "\n".join(_variable_lines(targets))


def _variable_lines(targets: Sequence[Target]) -> Iterator[str]:
    yield "# Jobs hand them over for url: {env: QDRANT_URL} and api_key: {env: QDRANT_API_KEY}."
    usual = {"url": "QDRANT_URL", "api_key": "QDRANT_API_KEY"}
    for target in targets:
        named = {word: name for word, name in target.variables.items() if name != usual[word]}
        if named:
            words = " and ".join(f"{word}: {{env: {name}}}" for word, name in named.items())
            yield f"# {target.name} states {words} instead: change that, or the jobs."
