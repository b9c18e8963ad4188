"""Pipelines for the CI of a project: made of its environments, to be changed by its owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from qdrantctl.adapters.artifacts.environment import render_template

INSTALL = "pip install qdrantctl  # if not on PyPI: a wheel, or git+https://HOST/REPOSITORY@TAG"
"""With what to write instead, since it may not be published under that name."""
PIPELINE_FILES = {"github": ".github/workflows/qdrantctl.yml", "gitlab": ".gitlab-ci.yml"}
"""Where each CI looks for its pipelines, from the root of the repository."""
_PASSED_VARIABLES = {"url": "QDRANT_URL", "api_key": "QDRANT_API_KEY"}


class Target(NamedTuple):
    """An environment that a pipeline applies to, after those before it."""

    name: str
    quoted: str
    """The name as YAML takes it for text."""
    approved: bool
    """Whether a person approves the plan before it is applied."""
    variables: Mapping[str, str]
    """Those that its `url` and `api_key` are read from."""

    @property
    def suffix(self) -> str:
        """The name as part of a variable's."""
        return self.name.upper().replace("-", "_")

    @property
    def other_variables(self) -> str:
        """Which of its variables are not those that jobs pass; empty for none."""
        others = {k: name for k, name in self.variables.items() if name != _PASSED_VARIABLES[k]}
        return " and ".join(f"{key}: {{env: {name}}}" for key, name in others.items())


def render_pipeline(ci: str, targets: Sequence[Target], folder: str) -> str:
    """The pipelines of a project in `folder` of its repository, for `github` or `gitlab`."""
    return render_template(
        f"{ci}_pipeline.yml",
        targets=targets,
        folder=folder,
        path="" if folder == "." else f"{folder}/",
        install_command=INSTALL,
    )
