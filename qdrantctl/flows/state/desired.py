"""The desired state: settings, manifests and lint rules combined. No request is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from qdrantctl.adapters.manifests.load import LoadedManifests, load_manifests
from qdrantctl.adapters.manifests.locate import DeclaredResource, locate_finding
from qdrantctl.adapters.manifests.sources import Sources
from qdrantctl.adapters.project.settings import PROJECT_FILE, Settings
from qdrantctl.engine.deprecations import find_deprecations
from qdrantctl.kinds.catalog import BY_NAME, KINDS, OVERLAYS
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ManifestError, UsageError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.kind import Overlay
from qdrantctl.model.resource import Inventory, Resource, json_digest
from qdrantctl.model.server import Version
from qdrantctl.model.spec_memo import SpecMemo
from qdrantctl.model.violation import Finding, Severity, Violation


@frozen
class DesiredState:
    """The resources that the manifests declare, and the violations in them."""

    inventory: Inventory
    violations: tuple[Violation, ...]
    declared: Mapping[Address, DeclaredResource] = field(default_factory=dict)
    """Where each resource is declared."""
    versions: Mapping[Address, int] = field(default_factory=dict)
    """From the committed state; empty without one."""
    overlays: Inventory = field(default_factory=Inventory)
    """The overlays merged beneath the resources."""
    committed: Mapping[str, str] = field(default_factory=dict)
    """The state files before this run, by path: those at HEAD, without git those on disk."""

    @property
    def digest(self) -> str:
        """sha256 over every resource, independent of the files that declare them."""
        return json_digest({str(address): r.digest for address, r in self.inventory.items()})


SECRET_RULES = frozenset({"QC055", "QC071"})
"""Rules about secrets in manifests and in the project file."""


def load_desired_state(
    settings: Settings, ignored_rules: frozenset[str] = frozenset()
) -> DesiredState:
    """The desired state. Raises ManifestError with every error at once.

    Errors of `ignored_rules` raise nothing: the caller reports them differently.
    """
    if not settings.manifests:
        raise UsageError(
            f"there is no {PROJECT_FILE} in {settings.root} or above, and no -f",
            hint="Run `qdrantctl init` to start a project, or name manifests with -f FILE.",
        )
    loaded = load_manifests(manifest_sources(settings), (*KINDS, *OVERLAYS), read_stdin)
    resources = apply_overlays(loaded)
    violations = (*settings.leaked_secrets, *check_manifests(loaded, resources, settings))
    if any(v.severity is Severity.ERROR and v.rule not in ignored_rules for v in violations):
        raise ManifestError("the manifests have errors; nothing was sent", violations)
    return DesiredState(resources, violations, loaded.declared, overlays=loaded.overlays)


def check_manifests(
    loaded: LoadedManifests, desired: Inventory, settings: Settings
) -> tuple[Violation, ...]:
    """All violations in manifests, with the severities that the project sets."""
    # An overlay causes the same violation for each of its resources: report it once.
    violations = dict.fromkeys(lint_manifests(loaded, desired))
    return tuple(_set_severities([*loaded.violations, *violations], settings.rules))


def manifest_sources(settings: Settings) -> Sources:
    """The sources of these settings' manifests."""
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
    """The bytes that `-f -` reads."""
    return sys.stdin.buffer.read()


def apply_overlays(loaded: LoadedManifests) -> Inventory:
    """The resources with every overlay merged beneath them, and their selectors resolved."""
    resources = loaded.desired
    for overlay in OVERLAYS:
        if documents := _overlay_documents(loaded, overlay):
            resources = overlay.apply(documents, resources)
    return Inventory(
        BY_NAME[a.kind].resolve_selectors(resource, resources) for a, resource in resources.items()
    )


def merge_unselected(desired: Inventory, remembered: Inventory) -> Inventory:
    """The resources of -f, merged with recorded references to resources that -f does not name.

    So applying fewer files removes nothing. A `remembered` resource of another owner at the same
    address has no effect: planning refuses the change.
    """
    return Inventory(
        BY_NAME[address.kind].merge_unselected(resource, desired, remembered[address])
        if address in remembered
        else resource
        for address, resource in desired.items()
    )


def _overlay_documents(loaded: LoadedManifests, overlay: Overlay) -> Inventory:
    documents = loaded.overlays.values()
    return Inventory(document for document in documents if document.address.kind == overlay.name)


def lint_manifests(loaded: LoadedManifests, desired: Inventory) -> Iterator[Violation]:
    """The findings of kinds and overlays about loaded manifests."""
    for address, resource in desired.items():
        for finding in BY_NAME[address.kind].lint(resource, desired):
            yield loaded.locate_finding(resource, finding)
    for overlay in OVERLAYS:
        for document in _overlay_documents(loaded, overlay).values():
            for finding in overlay.lint(document, desired):
                yield loaded.locate_finding(document, finding)


def deprecation_notes(
    desired_state: DesiredState, settings: Settings, version: Version
) -> tuple[Violation, ...]:
    """QC245: the stated fields that a server of this version deprecates; none if it is unknown."""
    known: SpecMemo[tuple[Finding, ...]] = SpecMemo()

    def list_notes(resource: Resource) -> Iterator[Violation]:
        kind = BY_NAME[resource.address.kind]
        for finding in known.recall(
            (resource.spec,), lambda: tuple(find_deprecations(resource, kind, version))
        ):
            yield locate_finding(resource, finding, desired_state.declared, desired_state.overlays)

    notes = (note for each in desired_state.inventory.values() for note in list_notes(each))
    # An overlay states the same field for each of its resources: report it once.
    return tuple(_set_severities(dict.fromkeys(notes), settings.rules))


def _set_severities(
    violations: Iterable[Violation], severities: Mapping[str, Severity]
) -> Iterator[Violation]:
    """Each violation with the severity that the project sets for its rule.

    An error stays an error: the server would refuse the manifest or fail on it.
    """
    for violation in violations:
        severity = severities.get(violation.rule, violation.severity)
        if violation.severity is Severity.ERROR or severity is violation.severity:
            yield violation
        elif severity is not Severity.OFF:
            yield violation.model_copy(update={"severity": severity})
