"""The flow of `init`: create a starter project in a folder, without overwriting files."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from qdrantctl.adapters.artifacts.starter_project import (
    render_first_manifest,
    render_profile,
    render_project_file,
)
from qdrantctl.adapters.files.atomic_write import replace_file
from qdrantctl.flows.project.pipelines import quote_if_needed
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.project import NAME_LENGTH

PROJECT_FILE = "qdrantctl.yaml"
IGNORED = ".qdrantctl/"
"""Where the embedded server keeps its data."""


def create_project(
    folder: Path, profile: str | None = None, *, with_clusters: bool = False
) -> tuple[Path, ...]:
    """Create a starter project and return the files that were written. Nothing is overwritten.

    `with_clusters` adds environments of clusters, for pipelines. Raises SettingsError if a project
    exists already, with no file changed, or if a file cannot be written.
    """
    files = _starter_files(folder, profile, with_clusters=with_clusters)
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
