"""CI pipelines for a project, generated from its environments for its owner to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from qdrantctl.adapters.artifacts.environment import render_template

INSTALL = "pip install qdrantctl  # if not on PyPI: a wheel, or git+https://HOST/REPOSITORY@TAG"
"""With alternatives in a comment, since it may not be published under that name."""
PIPELINE_FILES = {"github": ".github/workflows/qdrantctl.yml", "gitlab": ".gitlab-ci.yml"}
"""The pipeline file of each CI, relative to the root of the repository."""
_PASSED_VARIABLES = {"url": "QDRANT_URL", "api_key": "QDRANT_API_KEY"}


class Target(NamedTuple):
    """An environment that a pipeline applies to, in the order of the pipeline."""

    name: str
    quoted: str
    """The name as a YAML string."""
    approved: bool
    """Whether a person approves the plan before it is applied."""
    variables: Mapping[str, str]
    """Those that its `url` and `api_key` are read from."""

    @property
    def suffix(self) -> str:
        """The name in the form for variable names."""
        return self.name.upper().replace("-", "_")

    @property
    def other_variables(self) -> str:
        """Its variables with other names than those that jobs pass; empty for none."""
        renamed = {k: name for k, name in self.variables.items() if name != _PASSED_VARIABLES[k]}
        return " and ".join(f"{key}: {{env: {name}}}" for key, name in renamed.items())


def render_pipeline(ci: str, targets: Sequence[Target], folder: str) -> str:
    """The pipelines of a project in `folder` of its repository, for `github` or `gitlab`."""
    return render_template(
        f"{ci}_pipeline.yml",
        targets=targets,
        folder=folder,
        path="" if folder == "." else f"{folder}/",
        install_command=INSTALL,
    )
