"""One environment, merged from all project files; each value with the file that states it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path as FilePath
from typing import Any

from qdrantctl.adapters.project.project_file import ProjectFileLayer, ProjectFiles, read_values_file
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.project import EMBEDDED
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

_SERVER_KEYS = ("url", "version", "api_key", "allow_http", "tls", "nodes", "grpc_port")
"""The keys of one server: a file that states another `url` uses only its own."""


@frozen
class SourcedValue:
    """A value, and the file that states it."""

    value: Any
    layer: ProjectFileLayer
    path: Path

    @property
    def place(self) -> str:
        """`qdrantctl.yaml:12`."""
        return self.layer.locate(self.path)

    def make_violation(self, rule: str, message: str, hint: str) -> Violation:
        """A violation at the line of the value."""
        return self.layer.make_violation(self.path, rule, message, hint)


@frozen
class MergedEnvironment:
    """An environment, merged from all files that define it."""

    name: str
    stated: Mapping[str, SourcedValue] = field(default_factory=dict)
    vars: tuple[SourcedValue, ...] = ()
    """The `vars` of every file, in the order of the files."""

    def get(self, key: str) -> SourcedValue | None:
        """The last value of a key; None if no file states it."""
        return self.stated.get(key)

    def value(self, key: str) -> Any:
        """The same without its file."""
        entry = self.stated.get(key)
        return entry.value if entry else None

    @property
    def value_files(self) -> tuple[FilePath, ...]:
        """The files of `vars_files`."""
        files = self.stated.get("vars_files")
        return tuple(files.layer.folder / name for name in files.value) if files else ()


def merge_environment(chain: ProjectFiles, name: str) -> MergedEnvironment:
    """The environment `name`; an empty one if no file defines it."""
    stated: dict[str, SourcedValue] = {}
    values: list[SourcedValue] = []
    for layer in chain.layers:
        environment = layer.spec.environments.get(name)
        if environment is None:
            continue
        if environment.url is not None:
            stated = {key: entry for key, entry in stated.items() if key not in _SERVER_KEYS}
        for key in type(environment).model_fields:
            value = getattr(environment, key)
            if value is not None:
                stated[key] = SourcedValue(value, layer, ("spec", "environments", name, key))
        if environment.vars is not None:
            values.append(stated["vars"])
    merged = MergedEnvironment(name, stated, tuple(values))
    _refuse_contradictions(merged)
    return merged


def load_template_values(merged: MergedEnvironment, root: FilePath) -> dict[str, Json]:
    """`vars` for templates: first `vars_files` in their order, then `vars`.

    Mappings are merged key by key, other values are replaced. Raises ManifestError.
    """
    result: dict[str, Json] = {}
    if files := merged.get("vars_files"):
        for position, file in enumerate(files.value):
            result = _merge_values(
                result, read_values_file(files.layer, file, (*files.path, position), root)
            )
    for stated in merged.vars:
        result = _merge_values(result, stated.value)
    return result


def _merge_values(below: Mapping[str, Json], above: Mapping[str, Json]) -> dict[str, Json]:
    result = dict(below)
    for key, value in above.items():
        under = result.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            result[key] = _merge_values(under, value)
        else:
            result[key] = value
    return result


def _refuse_contradictions(merged: MergedEnvironment) -> None:
    """Raise ManifestError for settings of different files that contradict each other."""
    on_drift = merged.get("on_drift")
    if on_drift and on_drift.value != "refuse" and merged.value("protected"):
        message = f"environment {merged.name} is protected, which refuses drift"
        hint = f"Remove on_drift: {on_drift.value}, or protected: true."
        violation = on_drift.make_violation("QC077", message, hint)
        raise ManifestError("the project file contradicts itself", (violation,))
    url, version = merged.value("url"), merged.get("version")
    if version and isinstance(url, str) and url != EMBEDDED:
        message = f"environment {merged.name} states a version, and its server is not embedded"
        hint = "Leave version out; min_server_version states the oldest server that is accepted."
        violation = version.make_violation("QC076", message, hint)
        raise ManifestError("the project file contradicts itself", (violation,))
