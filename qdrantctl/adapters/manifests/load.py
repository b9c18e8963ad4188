"""Loads manifest files into the desired state and reports every error in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import NamedTuple

from qdrantctl.adapters.files.read import read_source
from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.environments import check_environments
from qdrantctl.adapters.manifests.lifecycle import check_lifecycle
from qdrantctl.adapters.manifests.locate import (
    DeclaredResource,
    KnownPlaces,
    ManifestSource,
    locate_finding,
    make_locator,
)
from qdrantctl.adapters.manifests.sources import NO_ENVIRONMENT, ManifestSearch, Sources
from qdrantctl.adapters.manifests.validation import FieldError, validate_document
from qdrantctl.adapters.secrets.detect import DetectedSecret, find_secrets
from qdrantctl.adapters.secrets.redact import redact, redact_secrets
from qdrantctl.adapters.yaml.blocks import BlockReader
from qdrantctl.adapters.yaml.documents import MAX_PROBLEMS
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.kind import Kind, Overlay
from qdrantctl.model.manifest import API_VERSION, Envelope
from qdrantctl.model.resource import Inventory, Origin, Resource
from qdrantctl.model.spec import client_side_fields, field_tree_of
from qdrantctl.model.violation import Finding, Severity, Violation

TEMPLATES = (".j2",)
_NOT_A_MANIFEST = "qdrantctl.yaml"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

Stdin = Callable[[], bytes]


@frozen
class LoadedManifests:
    """The desired state that manifests declare, and their violations."""

    desired: Inventory
    overlays: Inventory
    """Documents that provide defaults for resources."""
    violations: tuple[Violation, ...]
    declared: Mapping[Address, DeclaredResource] = field(default_factory=dict)

    def locate_finding(self, resource: Resource, finding: Finding) -> Violation:
        """The violation for a finding, at its line in the manifest or in an overlay."""
        return locate_finding(resource, finding, self.declared, self.overlays)


class ReadSpec(NamedTuple):
    """A valid spec of a manifest."""

    canonical: Mapping[str, Json]
    client_side: Mapping[str, Json]
    """Values for qdrantctl only."""


def load_manifests(
    sources: Sources, kinds: Iterable[Kind | Overlay], stdin: Stdin
) -> LoadedManifests:
    """Every manifest of the sources. Errors in files are not raised: they are `violations`."""
    reading = _ManifestReader(
        {kind.manifest: kind for kind in kinds},
        sources.api_key,
        environment=sources.env,
        environments=sources.environments,
    )
    search = ManifestSearch(sources)
    unread: list[Violation] = []
    for page in _read_sources(search, stdin, unread):
        reading.read_source(page)
    unread += search.problems
    reading.problems += [redact_secrets(problem, (), sources.api_key) for problem in unread]
    reading.check_namespaces()
    # A template's loop breaks a rule on the same line many times, which is reported once.
    reading.problems = list(dict.fromkeys(sorted(reading.problems, key=_describe_position)))
    return reading.result()


def load_source(
    page: SourceText, kinds: Iterable[Kind | Overlay], environment: str | None = None
) -> LoadedManifests:
    """The manifests of a single file: those of an environment, or all of them."""
    reading = _ManifestReader({kind.manifest: kind for kind in kinds}, environment=environment)
    reading.read_source(page)
    reading.check_namespaces()
    return reading.result()


def _describe_position(problem: Violation) -> tuple[str, int, int]:
    origin = problem.origin
    column = problem.column if isinstance(problem.column, int) else 0
    return (origin.file, origin.line, column) if isinstance(origin, Origin) else ("", 0, 0)


def render_sources(sources: Sources, stdin: Stdin) -> Iterator[SourceText | Violation]:
    """The text of every file after templates, or the violation that stops its reading."""
    problems: list[Violation] = []
    search = ManifestSearch(sources)
    for page in _read_sources(search, stdin, problems):
        yield replace(page, text=redact(page.text, sources.api_key))
    yield from (
        redact_secrets(problem, (), sources.api_key) for problem in (*problems, *search.problems)
    )


def _read_sources(
    search: ManifestSearch, stdin: Stdin, problems: list[Violation]
) -> Iterator[SourceText]:
    """The readable files, templates rendered; `problems` gets a violation for each other file."""
    for path in search.find_files():
        page = read_source(path, search.shown_path(path), stdin)
        if isinstance(page, SourceText) and path is not None and path.name.endswith(TEMPLATES):
            from qdrantctl.adapters.manifests.templates import render_template

            env = search.sources.env
            page = render_template(page, env, search.sources.vars, _render_command(page, env))
        if isinstance(page, Violation):
            problems.append(page)
        else:
            yield page


def _render_command(page: SourceText, env: str) -> str:
    """The command that prints a file as rendered, with line numbers."""
    import shlex

    env_option = "" if env == NO_ENVIRONMENT else f" -e {shlex.quote(env)}"
    return f"qdrantctl render --numbers{env_option} -f {shlex.quote(page.file)}"


@dataclass(slots=True)
class _ManifestReader:
    """Reads manifests one by one and collects resources and violations."""

    kinds: Mapping[str, Kind | Overlay]
    api_key: str | None = field(default=None, repr=False)
    """The API key in use, None if unknown."""
    environment: str | None = None
    """Manifests of other environments are ignored; None reads all of them."""
    environments: tuple[str, ...] = ()
    """Every environment of the project; empty if unknown."""
    resources: dict[Address, Resource] = field(default_factory=dict)
    declared: dict[Address, DeclaredResource] = field(default_factory=dict)
    blocks: BlockReader = field(default_factory=BlockReader)
    specs: dict[str, ReadSpec] = field(default_factory=dict)
    """The valid specs by kind and text."""
    places: KnownPlaces = field(default_factory=dict)
    searched: dict[tuple[str, int], tuple[Json, tuple[DetectedSecret, ...]]] = field(
        default_factory=dict
    )
    """The secrets in the top-level values of documents."""
    problems: list[Violation] = field(default_factory=list)
    reported_positions: set[tuple[str, int, int]] = field(default_factory=set)
    """Positions of YAML errors in the current page: no further error is reported for them."""
    remaining_errors: int = MAX_PROBLEMS
    """How many more errors may be reported for the current page."""

    @property
    def overlays(self) -> frozenset[str]:
        """Kinds, as addresses spell them, that are overlays and not resources."""
        return frozenset(k.name for k in self.kinds.values() if isinstance(k, Overlay))

    def result(self) -> LoadedManifests:
        """The resources and violations collected so far."""
        overlay_kinds = self.overlays
        return LoadedManifests(
            Inventory(r for r in self.resources.values() if r.address.kind not in overlay_kinds),
            Inventory(r for r in self.resources.values() if r.address.kind in overlay_kinds),
            tuple(self.problems),
            self.declared,
        )

    def read_source(self, page: SourceText) -> None:
        """Read every manifest of a page. After MAX_PROBLEMS errors the rest is skipped."""
        documents, problems = self.blocks.read_file(page)
        self.problems += [redact_secrets(problem, (), self.api_key) for problem in problems]
        self.reported_positions = {
            _describe_position(p) for p in problems if isinstance(p.column, int)
        }
        self.remaining_errors = MAX_PROBLEMS - len(problems)
        for document in documents:
            secrets = tuple(self._find_secrets(document.value))
            source = ManifestSource(page, document, document.value, (), secrets, self.api_key)
            self._add_errors(source, *map(_describe_secret, secrets))
            self.read_document(source)
        if self.remaining_errors <= 0:
            last_problem = self.problems[-1]
            hint = f"{last_problem.hint} This file has more errors than are listed here.".strip()
            self.problems[-1] = last_problem.model_copy(update={"hint": hint})

    def _find_secrets(self, value: Json) -> Iterator[DetectedSecret]:
        """The secrets in a document. Parts that documents share are searched once."""
        if not isinstance(value, dict):
            yield from find_secrets(value, self.api_key)
            return
        for key, inner in value.items():
            seen, secrets = self.searched.get((key, id(inner)), (None, ()))
            if seen is not inner:
                secrets = tuple(find_secrets({key: inner}, self.api_key))
                self.searched[key, id(inner)] = inner, secrets
            yield from secrets

    def read_document(self, source: ManifestSource) -> None:
        """A manifest, or a List of them."""
        if self.remaining_errors <= 0:
            return
        value = source.value
        if isinstance(value, dict) and value.get("kind") == "List":
            items = value.get("items")
            if not isinstance(items, list):
                message, hint = "items of a List must be a list", "Put the manifests under items."
                self._add_errors(source, FieldError(("items",), "QC042", message, hint))
                return
            for position, item in enumerate(items):
                inner = (*source.prefix, "items", position)
                self.read_document(replace(source, value=item, prefix=inner))
        elif isinstance(value, dict) and value.get("kind") == "Project":
            if FilePath(source.page.file).name != _NOT_A_MANIFEST:
                message = "this is a project file, not a manifest"
                hint = f"Name it {_NOT_A_MANIFEST}, and run qdrantctl in its folder."
                self._add_errors(source, FieldError(("kind",), "QC033", message, hint))
        elif kind := self._find_kind(source):
            self._read_manifest(source, kind)

    def _find_kind(self, source: ManifestSource) -> Kind | Overlay | None:
        """The kind of a manifest; None, after an error was added, where it has no known kind."""
        value = source.value
        if not isinstance(value, dict) or not {"apiVersion", "kind"} <= value.keys():
            hint = f"It begins with apiVersion: {API_VERSION} and a kind, as in kind: Collection."
            self._add_errors(source, FieldError((), "QC030", "this is not a manifest", hint))
            return None
        name = value["kind"]
        if isinstance(name, str) and name in self.kinds:
            return self.kinds[name]
        from difflib import get_close_matches

        close = get_close_matches(str(name), self.kinds, 1)
        known = ", ".join(sorted(self.kinds))
        hint = f"Did you mean {close[0]}?" if close else f"Known are {known}."
        self._add_errors(source, FieldError(("kind",), "QC032", f"there is no kind {name!r}", hint))
        return None

    def _read_manifest(self, source: ManifestSource, kind: Kind | Overlay) -> None:
        envelope, faults = validate_document(Envelope, source.value)
        stated = source.value.get("spec")
        spec = None
        if isinstance(stated, dict):
            spec, inner = self._read_spec(kind, stated)
            faults += [replace(fault, path=("spec", *fault.path)) for fault in inner]
        self._add_errors(source, *_explain_versions(faults, source.value))
        name = envelope.metadata.name if envelope else _name_of(source.value)
        if not isinstance(name, str) or not self._check_name(source, kind, name):
            return
        address = Address(kind.name, name)
        if envelope:
            names, known = envelope.environments or [], self.environments
            for fault, severity in check_environments(address, names, self.environment, known):
                self.problems.append(source.make_violation(fault, severity, str(address)))
        here = envelope is None or self.environment is None or envelope.is_for(self.environment)
        if here and address in self.resources:
            self._report_duplicate(source, address)
            return
        if envelope is None or spec is None:
            return
        lifecycle = envelope.lifecycle.to_lifecycle()
        shape = field_tree_of(kind.spec)
        holds_data = isinstance(kind, Overlay) or kind.holds_data
        known = tuple(self.environments or ())
        self._add_errors(source, *check_lifecycle(lifecycle, shape, known, holds_data=holds_data))
        if not here:
            return
        if isinstance(kind, Overlay) and source.value.get("lifecycle"):
            message = f"a {kind.manifest} is not a resource and has no lifecycle"
            hint = "Set lifecycle in the manifests of the resources."
            self._add_errors(source, FieldError(("lifecycle",), "QC040", message, hint, key=True))
        self.declared[address] = DeclaredResource(source, shape)
        self.resources[address] = Resource(
            address=address,
            spec=spec.canonical,
            origin=Origin(file=source.page.file, line=(source.position_in_file(()) or (1, 1))[0]),
            lifecycle=lifecycle,
            labels=envelope.metadata.labels,
            declared=spec.client_side,
            locate=make_locator(source, shape, self.places),
        )

    def _read_spec(
        self, kind: Kind | Overlay, stated: Mapping[str, Json]
    ) -> tuple[ReadSpec | None, list[FieldError]]:
        """A spec, or its errors. Many collections state the same, which is read once."""
        text = f"{kind.name} {stated!r}"
        if text not in self.specs:
            spec, faults = validate_document(kind.spec, stated)
            if spec is None:
                return None, faults
            self.specs[text] = ReadSpec(kind.canonical(spec), client_side_fields(spec))
        return self.specs[text], []

    def _check_name(self, source: ManifestSource, kind: Kind | Overlay, name: str) -> bool:
        """Whether the name may be sent to a server; unusual characters get a warning."""
        where = ("metadata", "name")
        if reason := unsendable_reason(name):
            self._add_errors(source, FieldError(where, "QC050", reason, "Give it another name."))
            return False
        if name.startswith(OWN_PREFIX):
            message = f"names that begin with {OWN_PREFIX} are reserved for qdrantctl"
            self._add_errors(source, FieldError(where, "QC051", message, "Give it another name."))
            return False
        if not _PLAIN_NAME.fullmatch(name):
            message = f"the name {name!r} contains characters that many tools cannot handle"
            hint = "Letters, digits, dots, dashes and underscores are safe."
            fault = FieldError(where, "QC052", message, hint)
            address = str(Address(kind.name, name))
            self.problems.append(source.make_violation(fault, Severity.WARNING, address))
        return True

    def _report_duplicate(self, source: ManifestSource, address: Address) -> None:
        origin = self.resources[address].origin
        message = f"{address} is declared twice; the first is in {origin}"
        self._add_errors(
            source, FieldError(("metadata", "name"), "QC053", message, "Keep one of the two.")
        )

    def check_namespaces(self) -> None:
        """Report resources that share a name within a namespace."""
        by_name = {k.name: k for k in self.kinds.values() if isinstance(k, Kind)}
        first_addresses: dict[tuple[str, str], Address] = {}
        for address in sorted(address for address in self.resources if address.kind in by_name):
            space = by_name[address.kind].namespace
            earlier = first_addresses.setdefault((space or address.kind, address.name), address)
            if earlier != address:
                message = f"{address} has the name of {earlier} ({self.resources[earlier].origin})"
                hint = "Qdrant keeps them in one namespace; rename one of the two."
                fault = FieldError(("metadata", "name"), "QC054", message, hint)
                self._add_errors(self.declared[address].source, fault)

    def _add_errors(self, source: ManifestSource, *faults: FieldError) -> None:
        violations = (source.make_violation(fault) for fault in faults)
        reportable = [
            violation
            for violation in violations
            if _describe_position(violation) not in self.reported_positions
        ]
        self.problems += reportable
        self.remaining_errors -= len(reportable)


def _describe_secret(secret: DetectedSecret) -> FieldError:
    return FieldError(secret.path, "QC055", secret.description, _LEAK_HINT, secret.key)


_LEAK_HINT = (
    "Remove it and replace it on the server: manifests are committed, and plans and state show "
    "their values."
)


def _explain_versions(faults: list[FieldError], value: Mapping[str, Json]) -> Iterator[FieldError]:
    """Replace the error for a wrong apiVersion by one that names the supported version."""
    for fault in faults:
        if fault.path != ("apiVersion",):
            yield fault
            continue
        message = f"apiVersion {value['apiVersion']!r} is not known to this version"
        yield FieldError(fault.path, "QC031", message, f"Write {API_VERSION}.")


def _name_of(value: Mapping[str, Json]) -> Json:
    metadata = value.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None
