"""The flow of `render ADDRESS`: resources as they are asked for, after templates and overlays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qdrantctl.adapters.manifests.write import document
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.engine.importing.manifest_form import worded
from qdrantctl.engine.planning.selection import matching
from qdrantctl.flows.state.desired import desired
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.errors import UsageError
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import shape_of


def resolved(settings: Settings, patterns: Sequence[str]) -> Iterator[str]:
    """A manifest for each resource that a pattern names. Raises ManifestError, UsageError."""
    wanted = desired(settings).inventory
    for pattern in patterns:
        if not matching([pattern], wanted):
            raise UsageError(f"{pattern} matches nothing that the manifests state")
    for address in sorted(matching(patterns, wanted)):
        resource, kind = wanted[address], BY_NAME[address.kind]
        shape = shape_of(kind.spec)
        local = {word: value for word, value in resource.declared.items() if value}
        spec, lifecycle = worded(shape, resource.spec) | local, resource.lifecycle.document()
        text = document(kind.manifest, address, spec, shape, lifecycle, resource.labels)
        yield "\n".join([*_places(resource), text])


def _places(resource: Resource) -> Iterator[str]:
    """Comments that say where the manifest stands, and what comes from elsewhere."""
    yield f"# {resource.origin}"
    for path, layer in resource.layers.items():
        words = ".".join(map(str, path))
        yield f"# {words}: {layer.origin} ({layer.document})"
