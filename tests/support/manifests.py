"""Loads manifests without a server, the way `validate` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qdrantctl.adapters.manifests.load import LoadedManifests, load_manifests
from qdrantctl.adapters.manifests.sources import Sources
from qdrantctl.flows.state import desired as flow
from qdrantctl.kinds.catalog import KINDS, OVERLAYS
from qdrantctl.model.violation import Violation

HEAD = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
"""
"""A valid manifest of five lines; more of its spec can follow, indented by two."""


def loaded(
    folder: Path, *patterns: str, stdin: bytes = b"", env: str = "-", **variables: Any
) -> LoadedManifests:
    sources = Sources(folder, patterns or ("a.yaml",), env, variables, explicit=True)
    return load_manifests(sources, (*KINDS, *OVERLAYS), lambda: stdin)


def linted(found: LoadedManifests) -> list[Violation]:
    """Everything wrong with what was loaded, kinds' own rules included."""
    return [
        *found.violations,
        *dict.fromkeys(flow.lint_manifests(found, flow.apply_overlays(found))),
    ]


def violations(text: str, folder: Path, file: str = "a.yaml", **words: Any) -> list[Violation]:
    (folder / file).write_text(text)
    return linted(loaded(folder, file, **words))


def place(violation: Violation) -> tuple[str, int, int | None]:
    """Rule, line and column (None where only the line is known)."""
    column = violation.column if isinstance(violation.column, int) else None
    return violation.rule, violation.origin.line, column


def write_collections(folder: Path, *names: str) -> Path:
    """The folder, with a manifest for each collection."""
    for name in names:
        (folder / f"{name}.yaml").write_text(HEAD.replace("products", name))
    return folder
