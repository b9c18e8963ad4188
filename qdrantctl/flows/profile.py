"""The caps of a StrictModeProfile manifest, for an audit of a whole cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qdrantctl.edges.page import Page
from qdrantctl.edges.sources import read_page
from qdrantctl.edges.spec_errors import validate
from qdrantctl.edges.yaml_documents import Document, read_documents
from qdrantctl.kinds.collection.strict_mode import StrictMode
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.rule import Json
from qdrantctl.model.violation import Violation

WORD = "StrictModeProfile"
CONFIG = ("spec", "config")


@dataclass(frozen=True, slots=True)
class Profile:
    """Caps, and globs of the collections that must have them."""

    config: Mapping[str, Json] | None = None
    globs: tuple[str, ...] = ("*",)


def profile(path: Path) -> Profile:
    """The one profile in a file. Raises ManifestError."""
    page = read_page(path, path.name, bytes)
    if isinstance(page, Violation):
        raise _broken(page)
    documents, problems = read_documents(page)
    if problems:
        raise _broken(*problems)
    known = [document for document in documents if isinstance(document.value, dict)]
    found = [document for document in known if document.value.get("kind") == WORD]
    if len(found) != 1:
        told = f"the file holds {len(found)} manifests of kind {WORD}"
        raise _broken(page.violation("QC033", told, "It holds one.", (1, 1)))
    return _read(found[0], page)


def _read(document: Document, page: Page) -> Profile:
    spec = document.value.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    made, faults = validate(StrictMode, spec.get("config"))
    if made is None:
        raise _broken(*(
            page.violation(fault.rule, fault.message, fault.hint,
                           document.place((*CONFIG, *fault.path), key=fault.key))
            for fault in faults
        ))  # fmt: skip
    named = spec.get("collections")
    globs = tuple(str(glob) for glob in named) if isinstance(named, list) else ("*",)
    return Profile(made.model_dump(exclude_none=True), globs)


def _broken(*violations: Violation) -> ManifestError:
    return ManifestError("the profile has errors; no server was asked", violations)
