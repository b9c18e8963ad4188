"""Pipelines for the CI of a project: text made of its environments, to be changed by its owner."""

from __future__ import annotations

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

    @property
    def suffix(self) -> str:
        """The name as part of a variable's."""
        return self.name.upper().replace("-", "_")
