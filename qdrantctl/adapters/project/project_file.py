"""Reads the project file and the files it extends, each validated completely, with its lines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path as FilePath
from typing import TypeVar

from qdrantctl.adapters.files.read import read_source
from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.validation import validate_document
from qdrantctl.adapters.secrets.detect import find_secrets
from qdrantctl.adapters.secrets.redact import redact_violation
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.adapters.yaml.positions import YamlDocument
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.project import Project, SharedFile, SharedSpec
from qdrantctl.model.spec import Path, Spec
from qdrantctl.model.violation import Violation

FileModel = TypeVar("FileModel", bound=Spec)
ReadText = Callable[[FilePath], tuple[str, str]]
"""The text of a file, or why there is none."""

MAX_CHARACTERS = 1_000_000
"""Of a project file or a file of values; a larger one is refused."""
_EXTENDS: Path = ("spec", "extends")
_READABLE_HINT = "It must be a text file that the user of qdrantctl can read."
_REPLACE_HINT = (
    "Remove it, and replace the key on the server: the file is committed, and output quotes what "
    "templates render from it."
)
_RELATIVE_HINT = "Relative paths start at the folder of the file that states them."


@frozen
class ProjectFileLayer:
    """The project file, or a file that it extends."""

    path: FilePath
    spec: SharedSpec
    page: SourceText
    document: YamlDocument

    @property
    def folder(self) -> FilePath:
        """Where its relative paths start."""
        return self.path.parent

    def locate(self, path: Path) -> str:
        """`qdrantctl.yaml:12`: file and line of the value at `path`."""
        return f"{self.page.file}:{self.document.position_of(path)[0]}"

    def make_violation(self, path: Path, rule: str, message: str, hint: str = "") -> Violation:
        """A violation at the value at `path`, its line quoted."""
        violation = self.page.make_violation(rule, message, hint, self.document.position_of(path))
        return redact_violation(violation, self.document)

    def find_secrets(self, api_key: str | None) -> Iterator[Violation]:
        """Every secret in the file. `api_key` is the one in use, as far as it is known."""
        for secret in find_secrets(self.document.value, api_key):
            place = self.document.position_of(secret.path, key=secret.key)
            violation = self.page.make_violation("QC071", secret.description, _REPLACE_HINT, place)
            yield redact_violation(violation, self.document, api_key)


@frozen
class ProjectFiles:
    """The project file and all files it extends."""

    project: Project
    layers: tuple[ProjectFileLayer, ...]
    """From the most general file to the project file."""

    @property
    def environment_names(self) -> tuple[str, ...]:
        """The name of every environment, in the order of the files."""
        names = (name for layer in self.layers for name in layer.spec.environments)
        return tuple(dict.fromkeys(names))

    @property
    def default_environment(self) -> str | None:
        """The environment that is used where none is named; the nearest file decides."""
        stated = (layer.spec.default_environment for layer in reversed(self.layers))
        return next(filter(None, stated), None)


def load_project_files(path: FilePath, read: ReadText | None = None) -> ProjectFiles:
    """Load the project file at the absolute `path`, and the files it extends.

    `read` reads the files of a commit instead of those on disk. Raises ManifestError with all
    errors of the first invalid file.
    """
    root = path.parent
    page, document = _read_layer(path, root, read=read)
    project = _validate_layer(Project, page, document)
    layers = [ProjectFileLayer(path, project.spec, page, document)]
    loaded = {os.path.realpath(path): page.file}
    while (layer := layers[0]).spec.extends is not None:
        base = layer.folder / layer.spec.extends
        real = os.path.realpath(base)
        if real in loaded:
            names = " -> ".join([*loaded.values(), loaded[real]])
            hint = "Remove extends from one of them."
            raise _project_file_error(
                layer.make_violation(_EXTENDS, "QC075", f"extends forms a cycle: {names}", hint)
            )
        page, document = _read_layer(base, root, (layer, _EXTENDS), read=read)
        shared = _validate_layer(SharedFile, page, document)
        loaded[real] = page.file
        layers.insert(0, ProjectFileLayer(base, shared.spec, page, document))
    files = ProjectFiles(project, tuple(layers))
    _check_default_environment(files)
    return files


def _check_default_environment(files: ProjectFiles) -> None:
    """Raise ManifestError for a default environment that no file of the chain has."""
    known = files.environment_names
    for layer in files.layers:
        name = layer.spec.default_environment
        if name is not None and name not in known:
            message = f"there is no environment {name!r}"
            hint = f"Known are {', '.join(known)}." if known else "Add it under environments."
            raise _project_file_error(
                layer.make_violation(("spec", "default_environment"), "QC072", message, hint)
            )


def read_values_file(
    layer: ProjectFileLayer, file: str, path: Path, root: FilePath
) -> dict[str, Json]:
    """The values in a file that `layer` names at `path`. Raises ManifestError."""
    page, document = _read_layer(layer.folder / file, root, (layer, path))
    if not isinstance(document.value, dict):
        place = (document.line, 1)
        raise _project_file_error(
            page.make_violation("QC042", "values are a mapping", "Write `name: value`.", place)
        )
    return document.value


def _read_layer(
    path: FilePath,
    root: FilePath,
    named: tuple[ProjectFileLayer, Path] | None = None,
    *,
    read: ReadText | None = None,
) -> tuple[SourceText, YamlDocument]:
    """The one document of a file. `named` is the place at which another file names this one."""
    shown = os.path.relpath(path, root)
    text, why = (read or _read_small_file)(path)
    if why:
        if named:
            layer, place = named
            raise _project_file_error(
                layer.make_violation(place, "QC075", f"{shown} {why}", _RELATIVE_HINT)
            )
        raise _project_file_error(
            SourceText(shown, "").make_violation("QC001", f"{shown} {why}", _READABLE_HINT)
        )
    page = SourceText(shown, text)
    documents, problems = read_documents(page)
    if problems:
        raise _project_file_error(*(redact_violation(problem, None) for problem in problems))
    if len(documents) != 1:
        line = documents[1].line if documents else 1
        count = "holds more than one document" if documents else "is empty"
        raise _project_file_error(
            page.make_violation("QC030", f"{shown} {count}", "It must hold one.", (line, 1))
        )
    return page, documents[0]


def _read_small_file(path: FilePath) -> tuple[str, str]:
    """The text of a small regular file, or why there is none."""
    source = read_source(path, path.name, bytes)
    if isinstance(source, Violation):
        return "", source.message if source.rule == "QC001" else f"is {source.message}"
    if len(source.text) > MAX_CHARACTERS:
        return "", f"is longer than {MAX_CHARACTERS:,} characters"
    return source.text, ""


def _validate_layer(model: type[FileModel], page: SourceText, document: YamlDocument) -> FileModel:
    """The document as a model. Raises ManifestError with all errors of it."""
    result, faults = validate_document(model, document.value)
    if result is not None:
        return result
    raise _project_file_error(
        *(
            redact_violation(
                page.make_violation(
                    fault.rule,
                    fault.message,
                    fault.hint,
                    document.position_of(fault.path, key=fault.key),
                ),
                document,
            )
            for fault in faults
        )
    )


def _project_file_error(*violations: Violation) -> ManifestError:
    return ManifestError("the project file has errors; no changes were made", violations)
