"""The flow of `init`: a starter project in a folder, and nothing overwritten."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

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
    # prod:
    #   url: https://qdrant.example.com:6333
    #   api_key: {{env: QDRANT_API_KEY}}
    #   protected: true
"""

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


def init(folder: Path, profile: str | None = None) -> tuple[Path, ...]:
    """Make a starter project and give the files that were written. Nothing is overwritten.

    Raises SettingsError when there is a project already, with nothing touched, or when a file
    cannot be written.
    """
    project, manifest = folder / PROJECT_FILE, folder / "manifests" / "products.yaml"
    if project.exists():
        raise SettingsError(
            f"{project} exists already; nothing was changed",
            hint="Name another folder, or go on with qdrantctl plan.",
        )
    wanted = {project: _PROJECT.format(name=_quoted(project_name(folder.resolve().name)))}
    if not manifest.exists():
        wanted[manifest] = _MANIFEST
    if profile and not (caps := folder / "manifests" / "strict-mode.yaml").exists():
        wanted[caps] = PROFILES[profile]
    try:
        ignore = folder / ".gitignore"
        ignored = ignore.read_text(encoding="utf-8") if ignore.exists() else ""
        if IGNORED not in ignored.splitlines():
            between = "\n" if ignored and not ignored.endswith("\n") else ""
            wanted[ignore] = f"{ignored}{between}{IGNORED}\n"
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{folder} cannot be written: {error}") from None
    return tuple(wanted)


def project_name(folder: str) -> str:
    """The valid project name that is nearest to the folder's: `Mon Café` -> `Mon-Cafe`."""
    plain = unicodedata.normalize("NFKD", folder).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9_.-]+", "-", plain).lstrip("_.-")[:NAME_LENGTH].rstrip("-.")
    return words or "project"


def _quoted(name: str) -> str:
    """In quotes where YAML would read a number, a boolean or null."""
    plain = name[0].isalpha() and name.lower() not in ("null", "true", "false")
    return name if plain else f'"{name}"'
