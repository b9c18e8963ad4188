"""Manifests in their files: where their values are, and the violations for errors in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from typing import NamedTuple

from qdrantctl.adapters.files.source_text import Position, SourceText
from qdrantctl.adapters.manifests.validation import FieldError
from qdrantctl.adapters.secrets.detect import DetectedSecret
from qdrantctl.adapters.secrets.redact import redact_secrets
from qdrantctl.adapters.yaml.positions import NodePositions, YamlDocument
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.spec import FieldTree, Path
from qdrantctl.model.violation import Finding, Severity, Violation


@frozen
class ManifestSource:
    """One manifest, and its place in a document: the root, or an item of a List."""

    page: SourceText
    document: YamlDocument
    value: Json
    prefix: Path = ()
    secrets: tuple[DetectedSecret, ...] = ()
    """Secrets in the document, which output must not contain."""
    api_key: str | None = field(default=None, repr=False)
    """The API key in use, None if unknown."""

    def position_of(self, path: Path, *, key: bool = False) -> Position:
        """Line and column of the value at a path of the manifest, or of its key."""
        return self.document.position_of((*self.prefix, *path), key=key)

    def position_in_file(self, path: Path) -> Position | None:
        """The position in the file before templates; None where that is unknown."""
        return self.page.position_in_file(self.position_of(path))

    def make_violation(
        self, fault: FieldError, severity: Severity = Severity.ERROR, address: str = ""
    ) -> Violation:
        """The violation for an error, at its line of the manifest."""
        violation = self.page.make_violation(
            fault.rule,
            fault.message,
            fault.hint,
            self.position_of(fault.path, key=fault.key),
            severity=severity,
            address=address,
        )
        document = None if self.page.template_trace else self.document
        return redact_secrets(violation, self.secrets, self.api_key, document)


class DeclaredResource(NamedTuple):
    """The manifest of a resource, and the fields of its kind."""

    source: ManifestSource
    shape: FieldTree


def locate_finding(
    resource: Resource,
    finding: Finding,
    declared: Mapping[Address, DeclaredResource],
    overlays: Inventory,
) -> Violation:
    """The violation for a finding, at its line in the manifest or in an overlay."""
    if layer := resource.layers.get(finding.path):
        resource, finding = overlays[layer.document], replace(finding, path=layer.path)
    source, shape = declared[resource.address]
    where = path_as_written(source, shape, finding.path)
    fault = FieldError(where, finding.rule, finding.message, finding.hint)
    return source.make_violation(fault, finding.severity, str(resource.address))


def path_as_written(source: ManifestSource, shape: FieldTree, path: Path) -> Path:
    """A path of the canonical spec in the manifest's notation, as far as the manifest has it.

    A manifest may use another notation: another spelling of a key, an unnamed vector, a bare shard
    key, quotes in a payload path.
    """
    where: list[str | int] = ["spec"]
    value, tree = source.value["spec"], shape
    for position, word in enumerate(path):
        key = tree.key_in(value, word)
        child = tree.child(word)
        if key is not None:
            where.append(key)
            value = value[key]
        elif word != "":
            return (*where, *path[position:])
        if child is None:
            break
        tree = child
    return tuple(where)


KnownPlaces = dict[tuple[int, int, Path], tuple[NodePositions | None, Position]]
"""Positions within specs, by the identities of its positions and of its fields, and by path."""


def make_locator(
    source: ManifestSource, shape: FieldTree, known: KnownPlaces
) -> Callable[[Path], Position | None]:
    """A function that finds the values of a canonical spec in the file.

    Files that state the same spec share its positions, which are looked up once.
    """
    place = None if source.prefix else (source.document.marks or {}).get("spec")
    below, lines_before = (place.below, place.lines_before) if place else (None, 0)

    def locate(path: Path) -> Position | None:
        key = id(below), id(shape), path
        shared, position = known.get(key, (None, (0, 0)))
        if shared is None or shared is not below:
            line, column = source.position_of(path_as_written(source, shape, path))
            position = line - lines_before, column
            known[key] = below, position
        return source.page.position_in_file((position[0] + lines_before, position[1]))

    return locate
