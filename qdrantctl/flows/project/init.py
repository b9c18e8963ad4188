"""The flow of `init`: a starter project in a folder, and nothing overwritten."""

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
            replace_file(path, text.encode())
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error}") from None
    return tuple(wanted)


def _starter_files(folder: Path, profile: str | None, *, with_clusters: bool) -> dict[Path, str]:
    """The files of a new project. Raises SettingsError where there is one."""
    project, manifest = folder / PROJECT_FILE, folder / "manifests" / "products.yaml"
    _require_absent(project)
    name = quote_if_needed(project_name(folder.resolve().name))
    wanted = {project: render_project_file(name, with_clusters=with_clusters)}
    if not manifest.exists():
        wanted[manifest] = render_first_manifest()
    if profile and not (caps := folder / "manifests" / "strict-mode.yaml").exists():
        wanted[caps] = render_profile(profile)
    ignore = folder / ".gitignore"
    try:
        ignored = ignore.read_bytes().decode() if ignore.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{ignore} cannot be read: {error}") from None
    if IGNORED not in ignored.splitlines():
        line_end = "\r\n" if "\r\n" in ignored else "\n"
        between = line_end if ignored and not ignored.endswith("\n") else ""
        wanted[ignore] = f"{ignored}{between}{IGNORED}{line_end}"
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
    root = folder if top is None or below == "." else Path(os.path.relpath(top))
    path = root / PIPELINE_FILES[ci]
    _require_absent(path)
    return path, render_pipeline(ci, targets, below)


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
