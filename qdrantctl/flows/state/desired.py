"""The desired world: settings, manifests and lint rules brought together. No server is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from qdrantctl.adapters.manifests.load import DeclaredResource, LoadedManifests, load_manifests
from qdrantctl.adapters.manifests.sources import Sources
from qdrantctl.adapters.project.settings import PROJECT_FILE, Settings
from qdrantctl.kinds.catalog import BY_NAME, KINDS, OVERLAYS
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ManifestError, UsageError
from qdrantctl.model.kind import Overlay
from qdrantctl.model.resource import Inventory, json_digest
from qdrantctl.model.violation import Severity, Violation


@dataclass(frozen=True, slots=True)
class DesiredState:
    """What the manifests ask, and what is doubtful about them."""

    inventory: Inventory
    violations: tuple[Violation, ...]
    declared: Mapping[Address, DeclaredResource] = field(default_factory=dict)
    """Where each resource is declared."""
    versions: Mapping[Address, int] = field(default_factory=dict)
    """By the committed state; of nothing where there is none."""
    overlays: Inventory = field(default_factory=Inventory)
    """What was laid under the resources."""
    committed: Mapping[str, str] = field(default_factory=dict)
    """The files of that state as they were before this run: HEAD's, without git those on disk."""

    @property
    def digest(self) -> str:
        """sha256 over every resource, whatever file it stands in."""
        return json_digest({str(address): r.digest for address, r in self.inventory.items()})


GIVEN_AWAY = frozenset({"QC055", "QC071"})
"""Secrets in manifests and in the project file."""


def load_desired_state(settings: Settings, but: frozenset[str] = frozenset()) -> DesiredState:
    """The desired world. Raises ManifestError with every error at once.

    Errors of the rules `but` do not stop a caller that reports them differently.
    """
    if not settings.manifests:
        raise UsageError(
            f"there is no {PROJECT_FILE} in {settings.root} or above, and no -f",
            hint="Run `qdrantctl init` to start a project, or name manifests with -f FILE.",
        )
    loaded = load_manifests(manifest_sources(settings), (*KINDS, *OVERLAYS), read_stdin)
    wanted = apply_overlays(loaded)
    violations = (*settings.given_away, *check_manifests(loaded, wanted, settings))
    if any(v.severity is Severity.ERROR and v.rule not in but for v in violations):
        raise ManifestError("the manifests have errors; nothing was sent", violations)
    return DesiredState(wanted, violations, loaded.declared, overlays=loaded.overlays)


def check_manifests(
    loaded: LoadedManifests, wanted: Inventory, settings: Settings
) -> tuple[Violation, ...]:
    """All that is wrong with manifests, each as much as the project says."""
    found = dict.fromkeys(
        lint_manifests(loaded, wanted)
    )  # what an overlay is guilty of is told once
    return tuple(_set_severities([*loaded.violations, *found], settings.rules))


def manifest_sources(settings: Settings) -> Sources:
    """Where the manifests of these settings are."""
    return Sources(
        base=settings.root,
        patterns=settings.manifests,
        env=settings.environment,
        environments=settings.environments,
        vars=settings.vars,
        explicit=settings.partial,
        api_key=settings.api_key,
    )


def read_stdin() -> bytes:
    """What `-f -` reads."""
    return sys.stdin.buffer.read()


def apply_overlays(loaded: LoadedManifests) -> Inventory:
    """The resources with every overlay laid under them, and what they say of others spelt out."""
    wanted = loaded.desired
    for overlay in OVERLAYS:
        if documents := _overlay_documents(loaded, overlay):
            wanted = overlay.apply(documents, wanted)
    return Inventory(
        BY_NAME[a.kind].resolve_selectors(resource, wanted) for a, resource in wanted.items()
    )


def merge_unselected(wanted: Inventory, remembered: Inventory) -> Inventory:
    """The resources that -f names, with what they said of others: naming fewer takes nothing away.

    What is `remembered` under the address of one is this owner's, or nothing comes of it.
    """
    return Inventory(
        BY_NAME[address.kind].merge_unselected(resource, wanted, remembered[address])
        if address in remembered
        else resource
        for address, resource in wanted.items()
    )


def _overlay_documents(loaded: LoadedManifests, overlay: Overlay) -> Inventory:
    found = loaded.overlays.values()
    return Inventory(document for document in found if document.address.kind == overlay.name)


def lint_manifests(loaded: LoadedManifests, wanted: Inventory) -> Iterator[Violation]:
    """What the kinds and overlays themselves say of what was loaded."""
    for address, resource in wanted.items():
        for finding in BY_NAME[address.kind].lint(resource, wanted):
            yield loaded.locate_finding(resource, finding)
    for overlay in OVERLAYS:
        for document in _overlay_documents(loaded, overlay).values():
            for finding in overlay.lint(document, wanted):
                yield loaded.locate_finding(document, finding)


def _set_severities(
    violations: Iterable[Violation], severities: Mapping[str, Severity]
) -> Iterator[Violation]:
    """Each with the severity that the project gives its rule.

    An error stays one: what the server refuses or chokes on cannot be waved through.
    """
    for found in violations:
        severity = severities.get(found.rule, found.severity)
        if found.severity is Severity.ERROR or severity is found.severity:
            yield found
        elif severity is not Severity.OFF:
            yield found.model_copy(update={"severity": severity})
