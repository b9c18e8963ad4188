"""The flows of `render`: rendered template files, and resources with overlays applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qdrantctl.adapters.files.source_text import SourceText, split_lines
from qdrantctl.adapters.manifests.load import render_sources
from qdrantctl.adapters.manifests.write import render_manifest
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.engine.importing.manifest_form import to_manifest_form
from qdrantctl.engine.planning.selection import matching_addresses
from qdrantctl.flows.state.desired import load_desired_state, manifest_sources, read_stdin
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.errors import UsageError
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import field_tree_of
from qdrantctl.model.violation import Violation


@dataclass(frozen=True, slots=True)
class RenderedFiles:
    """The files of manifests after templates."""

    pages: tuple[tuple[str, str], ...]
    """The name of each file, and its text."""
    violations: tuple[Violation, ...]
    """Errors in the other files."""


def render_files(settings: Settings, *, numbered: bool) -> RenderedFiles:
    """Every file of manifests with templates rendered; `numbered` adds line numbers."""
    pages: list[tuple[str, str]] = []
    violations: list[Violation] = []
    for part in render_sources(manifest_sources(settings), read_stdin):
        if isinstance(part, SourceText):
            text = part.text.rstrip()
            pages.append((part.file, _with_numbers(text) if numbered else text))
        else:
            violations.append(part)
    return RenderedFiles(tuple(pages), tuple(violations))


def _with_numbers(text: str) -> str:
    lines = enumerate(split_lines(text), 1)
    return "\n".join(f"{number:>4} | {line}".rstrip() for number, line in lines)


def resolve_manifests(settings: Settings, patterns: Sequence[str]) -> Iterator[str]:
    """A manifest for each resource that a pattern names. Raises ManifestError, UsageError."""
    resources = load_desired_state(settings).inventory
    for pattern in patterns:
        if not matching_addresses([pattern], resources):
            raise UsageError(f"{pattern} matches no resource in the manifests")
    for address in sorted(matching_addresses(patterns, resources)):
        resource, kind = resources[address], BY_NAME[address.kind]
        shape = field_tree_of(kind.spec)
        local = {word: value for word, value in resource.declared.items() if value}
        spec, lifecycle = (
            to_manifest_form(shape, resource.spec) | local,
            resource.lifecycle.document(),
        )
        text = render_manifest(kind.manifest, address, spec, shape, lifecycle, resource.labels)
        yield "\n".join([*_origin_comments(resource), text])


def _origin_comments(resource: Resource) -> Iterator[str]:
    """Comments with the origin of the manifest and of values from overlays."""
    yield f"# {resource.origin}"
    for path, layer in resource.layers.items():
        field = ".".join(map(str, path))
        yield f"# {field}: {layer.origin} ({layer.document})"
