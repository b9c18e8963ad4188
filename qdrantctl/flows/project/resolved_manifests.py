"""The flows of `render`: files after templates, and resources after templates and overlays."""

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
    """What is wrong with the others."""


def render_files(settings: Settings, *, numbered: bool) -> RenderedFiles:
    """Every file of manifests after templates; `numbered` puts a number before each line."""
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
    wanted = load_desired_state(settings).inventory
    for pattern in patterns:
        if not matching_addresses([pattern], wanted):
            raise UsageError(f"{pattern} matches nothing that the manifests state")
    for address in sorted(matching_addresses(patterns, wanted)):
        resource, kind = wanted[address], BY_NAME[address.kind]
        shape = field_tree_of(kind.spec)
        local = {word: value for word, value in resource.declared.items() if value}
        spec, lifecycle = (
            to_manifest_form(shape, resource.spec) | local,
            resource.lifecycle.document(),
        )
        text = render_manifest(kind.manifest, address, spec, shape, lifecycle, resource.labels)
        yield "\n".join([*_origin_comments(resource), text])


def _origin_comments(resource: Resource) -> Iterator[str]:
    """Comments that say where the manifest stands, and what comes from elsewhere."""
    yield f"# {resource.origin}"
    for path, layer in resource.layers.items():
        words = ".".join(map(str, path))
        yield f"# {words}: {layer.origin} ({layer.document})"
