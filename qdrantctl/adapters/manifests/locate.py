"""Finds the lines of a manifest that findings about its resource are on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from qdrantctl.adapters.manifests.validation import FieldError
from qdrantctl.model.address import Address
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.spec import FieldTree, Path
from qdrantctl.model.violation import Finding, Violation

if TYPE_CHECKING:
    from qdrantctl.adapters.manifests.load import DeclaredResource, ManifestSource


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
