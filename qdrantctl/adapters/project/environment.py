"""One environment as all files together state it; each value with the file it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from qdrantctl.adapters.project.project_file import ProjectFileLayer, ProjectFiles, read_values_file
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

_OF_A_SERVER = ("url", "api_key", "allow_http", "tls", "nodes")
"""Belong together: a file that states another `url` gets only the key stated beside it."""


@dataclass(frozen=True, slots=True)
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
        """What is wrong with the value, at its line."""
        return self.layer.make_violation(self.path, rule, message, hint)


@dataclass(frozen=True, slots=True)
class MergedEnvironment:
    """An environment after all files that speak of it."""

    name: str
    stated: Mapping[str, SourcedValue] = field(default_factory=dict)
    vars: tuple[SourcedValue, ...] = ()
    """Every file's `vars`, the first one's first."""

    def get(self, word: str) -> SourcedValue | None:
        """The last value of a key; None where no file states it."""
        return self.stated.get(word)

    def value(self, word: str) -> Any:
        """The same without its place."""
        found = self.stated.get(word)
        return found.value if found else None

    @property
    def value_files(self) -> tuple[FilePath, ...]:
        """The files of `vars_files`."""
        files = self.stated.get("vars_files")
        return tuple(files.layer.folder / name for name in files.value) if files else ()


def merge_environment(chain: ProjectFiles, name: str) -> MergedEnvironment:
    """The environment `name`; an empty one where no file speaks of it."""
    stated: dict[str, SourcedValue] = {}
    values: list[SourcedValue] = []
    for layer in chain.layers:
        environment = layer.spec.environments.get(name)
        if environment is None:
            continue
        if environment.url is not None:
            stated = {word: found for word, found in stated.items() if word not in _OF_A_SERVER}
        for word in type(environment).model_fields:
            value = getattr(environment, word)
            if value is not None:
                stated[word] = SourcedValue(value, layer, ("spec", "environments", name, word))
        if environment.vars is not None:
            values.append(stated["vars"])
    merged = MergedEnvironment(name, stated, tuple(values))
    _find_contradictions(merged)
    return merged


def load_template_values(merged: MergedEnvironment, root: FilePath) -> dict[str, Json]:
    """`vars` for templates: the files in their order, then what is stated in place.

    Mappings are merged key by key, everything else is replaced. Raises ManifestError.
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


def _find_contradictions(merged: MergedEnvironment) -> None:
    """What each file may say alone but not all together."""
    on_drift = merged.get("on_drift")
    if on_drift and on_drift.value != "refuse" and merged.value("protected"):
        message = f"environment {merged.name} is protected, which refuses drift"
        hint = f"Leave on_drift: {on_drift.value} out, or protected."
        violation = on_drift.make_violation("QC077", message, hint)
        raise ManifestError("the project file contradicts itself", (violation,))
