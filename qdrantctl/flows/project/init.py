"""The flow of `init`: create a starter project in a folder, without overwriting files."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from qdrantctl.adapters.artifacts.pipelines import PIPELINE_FILES, Target, render_pipeline
from qdrantctl.adapters.artifacts.starter_project import (
    CLUSTERS,
    render_first_manifest,
    render_profile,
    render_project_file,
)
from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.adapters.project.settings import list_connection_variables, list_deployments
from qdrantctl.adapters.system import git
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.project import NAME_LENGTH

PROJECT_FILE = "qdrantctl.yaml"
IGNORED = ".qdrantctl/"
"""Where the embedded server keeps its data."""

_WORDS = ("null", "true", "false", "yes", "no", "on", "off", "y", "n")


def create_project(
    folder: Path, profile: str | None = None, ci: str | None = None
) -> tuple[Path, ...]:
    """Create a starter project and return the files that were written. Nothing is overwritten.

    With `ci` (github or gitlab) pipelines are added; an existing project gets only pipelines.
    Raises SettingsError if the files exist already, with no file changed, or if a file cannot be
    written; ManifestError for an invalid project file.
    """
    project = folder / PROJECT_FILE
    if ci and project.exists() and not profile:
        files = {}
        clusters = list_deployments(folder)
        variables = {name: list_connection_variables(folder, name) for name in clusters}
    else:
        files = _starter_files(folder, profile, with_clusters=bool(ci))
        clusters, variables = {name: name == "production" for name in CLUSTERS}, {}
    if ci:
        path, text = _pipeline_file(folder, clusters, variables, ci)
        files[path] = text
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, text.encode())
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error}") from None
    return tuple(files)


def _starter_files(folder: Path, profile: str | None, *, with_clusters: bool) -> dict[Path, str]:
    """The files of a new project. Raises SettingsError if a project exists."""
    project, manifest = folder / PROJECT_FILE, folder / "manifests" / "products.yaml"
    _require_absent(project)
    name = quote_if_needed(project_name(folder.resolve().name))
    files = {project: render_project_file(name, with_clusters=with_clusters)}
    if not manifest.exists():
        files[manifest] = render_first_manifest()
    if profile and not (profile_file := folder / "manifests" / "strict-mode.yaml").exists():
        files[profile_file] = render_profile(profile)
    ignore = folder / ".gitignore"
    try:
        ignored = ignore.read_bytes().decode() if ignore.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{ignore} cannot be read: {error}") from None
    if IGNORED not in ignored.replace("\r\n", "\n").split("\n"):
        line_end = "\r\n" if "\r\n" in ignored else "\n"
        between = line_end if ignored and not ignored.endswith("\n") else ""
        files[ignore] = f"{ignored}{between}{IGNORED}{line_end}"
    return files


def _pipeline_file(
    folder: Path, clusters: Mapping[str, bool], variables: Mapping[str, Mapping[str, str]], ci: str
) -> tuple[Path, str]:
    """The file of a CI's pipelines, at the root of the repository. Raises SettingsError.

    `variables` are those that a project's environments name.
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
            f"the folder {below} has a name that a pipeline cannot contain",
            hint="Letters, digits, dots, dashes and underscores are safe.",
        )
    in_order = sorted(clusters, key=lambda name: clusters[name])  # protected environments last
    targets = [
        Target(name, quote_if_needed(name), clusters[name], variables.get(name, {}))
        for name in in_order
    ]
    root = folder if top is None or below == "." else Path(os.path.relpath(top))
    path = root / PIPELINE_FILES[ci]
    _require_absent(path)
    return path, render_pipeline(ci, targets, below)


def _require_absent(path: Path) -> None:
    if path.exists():
        raise SettingsError(
            f"{path} exists already; nothing was changed",
            hint="Name another folder, or continue with qdrantctl plan.",
        )


def project_name(folder: str) -> str:
    """The valid project name that is closest to the folder's: `Mon Café` -> `Mon-Cafe`."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-")[:NAME_LENGTH].rstrip("-.")
    return name or "project"


def quote_if_needed(name: str) -> str:
    """The name, in quotes if YAML would read a number, a boolean or null."""
    plain = name[0].isalpha() and name.lower() not in _WORDS
    return name if plain else f'"{name}"'
