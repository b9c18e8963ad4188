"""One environment as all files together state it; each value with the file it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from qdrantctl.adapters.project.project_file import Chain, Layer, read_values
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation

_OF_A_SERVER = ("url", "api_key", "allow_http", "tls", "nodes")
"""Belong together: whoever states another `url` gets only the key stated beside it."""


@dataclass(frozen=True, slots=True)
class Stated:
    """A value, and the file that states it."""

    value: Any
    layer: Layer
    path: Path

    @property
    def place(self) -> str:
        """`qdrantctl.yaml:12`."""
        return self.layer.place(self.path)

    def violation(self, rule: str, message: str, hint: str) -> Violation:
        """What is wrong with the value, at its line."""
        return self.layer.violation(self.path, rule, message, hint)


@dataclass(frozen=True, slots=True)
class Merged:
    """An environment after all files that speak of it."""

    name: str
    stated: Mapping[str, Stated] = field(default_factory=dict)
    vars: tuple[Stated, ...] = ()
    """Every file's `vars`, the first one's first."""

    def get(self, word: str) -> Stated | None:
        """The last word on a key; None where nobody states it."""
        return self.stated.get(word)

    def value(self, word: str) -> Any:
        """The same without its place."""
        found = self.stated.get(word)
        return found.value if found else None


def merge(chain: Chain, name: str) -> Merged:
    """The environment `name`; an empty one where no file speaks of it."""
    stated: dict[str, Stated] = {}
    values: list[Stated] = []
    for layer in chain.layers:
        environment = layer.spec.environments.get(name)
        if environment is None:
            continue
        if environment.url is not None:
            stated = {word: found for word, found in stated.items() if word not in _OF_A_SERVER}
        for word in type(environment).model_fields:
            value = getattr(environment, word)
            if value is not None:
                stated[word] = Stated(value, layer, ("spec", "environments", name, word))
        if environment.vars is not None:
            values.append(stated["vars"])
    merged = Merged(name, stated, tuple(values))
    _contradictions(merged)
    return merged


def template_values(merged: Merged, root: FilePath) -> dict[str, Json]:
    """`vars` for templates: the files in their order, then what is stated in place.

    Mappings are merged key by key, everything else is replaced. Raises ManifestError.
    """
    found: dict[str, Json] = {}
    if files := merged.get("vars_files"):
        for position, file in enumerate(files.value):
            found = _laid_over(found, read_values(files.layer, file, (*files.path, position), root))
    for stated in merged.vars:
        found = _laid_over(found, stated.value)
    return found


def _laid_over(below: Mapping[str, Json], above: Mapping[str, Json]) -> dict[str, Json]:
    found = dict(below)
    for key, value in above.items():
        under = found.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            found[key] = _laid_over(under, value)
        else:
            found[key] = value
    return found


def _contradictions(merged: Merged) -> None:
    """What each file may say alone but not all together."""
    on_drift = merged.get("on_drift")
    if on_drift and on_drift.value != "refuse" and merged.value("protected"):
        message = f"environment {merged.name} is protected, which refuses drift"
        hint = f"Leave on_drift: {on_drift.value} out, or protected."
        violation = on_drift.violation("QC077", message, hint)
        raise ManifestError("the project file contradicts itself", (violation,))
