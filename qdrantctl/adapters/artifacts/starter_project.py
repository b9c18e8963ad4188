"""The files of a new project."""

from __future__ import annotations

from qdrantctl.adapters.artifacts.environment import render_template

PROFILES = {
    "production": {"query_limit": 5000, "timeout": 15, "hnsw_ef": 500},
    "development": {"query_limit": 20000, "timeout": 60, "hnsw_ef": 2000},
}
"""Initial strict-mode limits, within Qdrant's recommendations."""


def render_project_file(name: str, *, with_clusters: bool) -> str:
    """The project file; `name` is a YAML string."""
    return render_template("starter/project.yaml", name=name, with_clusters=with_clusters)


def render_first_manifest() -> str:
    """A collection and an alias of it."""
    return render_template("starter/products.yaml")


def render_profile(profile: str) -> str:
    """Strict-mode limits for every collection: one of `PROFILES`."""
    return render_template("starter/strict-mode.yaml", name=profile, **PROFILES[profile])
