"""The flow of `init`: a starter project in a folder, and nothing overwritten."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from qdrantctl.adapters.artifacts import github_pipeline as github
from qdrantctl.adapters.artifacts import gitlab_pipeline as gitlab
from qdrantctl.adapters.artifacts.targets import Target
from qdrantctl.adapters.project.settings import list_connection_variables, list_deployments
from qdrantctl.adapters.system import git
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.project import NAME_LENGTH

PROJECT_FILE = "qdrantctl.yaml"
IGNORED = ".qdrantctl/"
"""Where the embedded server keeps its data."""

_PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {{name: {name}}}
spec:
  manifests: [manifests]
  environments:
    dev: {{url: embedded}}  # a real Qdrant on this machine: qdrantctl dev up
{clusters}"""

_PROD = """\
    # prod:
    #   url: https://qdrant.example.com:6333
    #   api_key: {env: QDRANT_API_KEY}
    #   protected: true
"""

CLUSTERS = ("staging", "production")
_CLUSTERS = """\
    staging:
      url: {env: QDRANT_URL}
      api_key: {env: QDRANT_API_KEY}
    production:
      url: {env: QDRANT_URL}
      api_key: {env: QDRANT_API_KEY}
      protected: true  # what is applied there was reviewed: state, consents, drift
"""
_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")

_MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 768, distance: Cosine}  # as your embedding model has them
  payload_indexes:  # one for each field that you filter by
    brand: keyword
    price: float
  strict_mode_config:
    enabled: true
    max_query_limit: 1000
    unindexed_filtering_retrieve: false
---
# Let applications ask for the alias: a new embedding model is then one changed line.
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: products-live}
spec: {collection: products}
"""

_PROFILE = """\
# Caps for every collection of this project; what a collection states itself goes before.
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {{name: {name}}}
spec:
  collections: ["*"]
  config:
    enabled: true
    max_query_limit: {limit}
    max_timeout: {timeout}  # seconds
    unindexed_filtering_retrieve: false
    search_max_hnsw_ef: {ef}
    search_allow_exact: false  # a count must then say exact: false
    # Tokens per minute and replica: one for each point written; one for each read, and one more
    # for each condition of its filter.
    # read_rate_limit: 6000
    # write_rate_limit: 60000
"""

PROFILES = {
    "production": _PROFILE.format(name="production", limit=5000, timeout=15, ef=500),
    "development": _PROFILE.format(name="development", limit=20000, timeout=60, ef=2000),
}
"""Strict-mode caps to begin with, within what Qdrant recommends."""


def create_project(
    folder: Path, profile: str | None = None, ci: str | None = None
) -> tuple[Path, ...]:
    """Make a starter project and give the files that were written. Nothing is overwritten.

    With `ci` (github or gitlab) it gets pipelines, too; a project that exists gets them alone.
    Raises SettingsError when there is everything already, with nothing touched, or when a file
    cannot be written; ManifestError for a project file that is wrong.
    """
    project = folder / PROJECT_FILE
    if ci and project.exists() and not profile:
        wanted = {}
        clusters = list_deployments(folder)
        stated = {name: list_connection_variables(folder, name) for name in clusters}
    else:
        wanted = _starter_files(folder, profile, with_clusters=bool(ci))
        clusters, stated = {name: name == "production" for name in CLUSTERS}, {}
    if ci:
        path, text = _pipeline_file(folder, clusters, stated, ci)
        wanted[path] = text
    try:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error}") from None
    return tuple(wanted)


def _starter_files(folder: Path, profile: str | None, *, with_clusters: bool) -> dict[Path, str]:
    """The files of a new project. Raises SettingsError where there is one."""
    project, manifest = folder / PROJECT_FILE, folder / "manifests" / "products.yaml"
    _require_absent(project)
    name = quote_if_needed(project_name(folder.resolve().name))
    wanted = {project: _PROJECT.format(name=name, clusters=_CLUSTERS if with_clusters else _PROD)}
    if not manifest.exists():
        wanted[manifest] = _MANIFEST
    if profile and not (caps := folder / "manifests" / "strict-mode.yaml").exists():
        wanted[caps] = PROFILES[profile]
    ignore = folder / ".gitignore"
    try:
        ignored = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{ignore} cannot be read: {error}") from None
    if IGNORED not in ignored.splitlines():
        between = "\n" if ignored and not ignored.endswith("\n") else ""
        wanted[ignore] = f"{ignored}{between}{IGNORED}\n"
    return wanted


def _pipeline_file(
    folder: Path, clusters: Mapping[str, bool], stated: Mapping[str, Mapping[str, str]], ci: str
) -> tuple[Path, str]:
    """The file of a CI's pipelines, at the root of the repository. Raises SettingsError.

    `stated` are the variables that a project's environments name.
    """
    if not clusters:
        raise SettingsError(
            f"{folder / PROJECT_FILE} names no environment that a pipeline could apply to",
            hint="Add one with the url of a cluster under spec.environments.",
        )
    top = git.find_toplevel(folder)
    below = os.path.relpath(folder.resolve(), top.resolve()).replace(os.sep, "/") if top else "."
    if not re.fullmatch(r"[\w./-]+", below, re.ASCII):
        raise SettingsError(
            f"the folder {below} has a name that a pipeline cannot hold",
            hint="Letters, digits, dots, dashes and underscores are safe.",
        )
    in_order = sorted(clusters, key=lambda name: clusters[name])  # what is protected comes last
    targets = [
        Target(name, quote_if_needed(name), clusters[name], stated.get(name, {}))
        for name in in_order
    ]
    made = github if ci == "github" else gitlab
    path = (folder if top is None or below == "." else Path(os.path.relpath(top))) / made.FILE
    _require_absent(path)
    return path, made.text(targets, below)


def _require_absent(path: Path) -> None:
    if path.exists():
        raise SettingsError(
            f"{path} exists already; nothing was changed",
            hint="Name another folder, or go on with qdrantctl plan.",
        )


def project_name(folder: str) -> str:
    """The valid project name that is nearest to the folder's: `Mon Café` -> `Mon-Cafe`."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-")[:NAME_LENGTH].rstrip("-.")
    return words or "project"


def quote_if_needed(name: str) -> str:
    """In quotes where YAML would read a number, a boolean or null."""
    plain = name[0].isalpha() and name.lower() not in _WORDS
    return name if plain else f'"{name}"'
