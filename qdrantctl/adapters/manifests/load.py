"""The door to manifests: files in, the desired world out, and all that is wrong with them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path as FilePath
from typing import NamedTuple

from qdrantctl.adapters.files.read import read_source
from qdrantctl.adapters.files.source_text import Position, SourceText
from qdrantctl.adapters.manifests.environments import check_environments
from qdrantctl.adapters.manifests.lifecycle import check_lifecycle
from qdrantctl.adapters.manifests.sources import NO_ENVIRONMENT, ManifestSearch, Sources
from qdrantctl.adapters.manifests.validation import FieldError, validate_document
from qdrantctl.adapters.secrets.detect import DetectedSecret, find_secrets, redact
from qdrantctl.adapters.secrets.redact import redact_secrets
from qdrantctl.adapters.yaml.documents import MAX_PROBLEMS, YamlDocument, read_documents
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.field_rule import Json
from qdrantctl.model.kind import Kind, Overlay
from qdrantctl.model.manifest import API_VERSION, Envelope
from qdrantctl.model.resource import Inventory, Origin, Resource
from qdrantctl.model.spec import FieldTree, Path, client_side_fields, field_tree_of
from qdrantctl.model.violation import Finding, Severity, Violation

TEMPLATES = (".j2",)
_NOT_A_MANIFEST = "qdrantctl.yaml"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")

Stdin = Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class LoadedManifests:
    """What the manifests say, and what is wrong with them."""

    desired: Inventory
    overlays: Inventory
    """Documents that are laid under the resources."""
    violations: tuple[Violation, ...]
    declared: Mapping[Address, DeclaredResource] = field(default_factory=dict)

    def locate_finding(self, resource: Resource, finding: Finding) -> Violation:
        """A finding at the line that it speaks of, which may be that of an overlay."""
        if layer := resource.layers.get(finding.path):
            resource, finding = self.overlays[layer.document], replace(finding, path=layer.path)
        source, shape = self.declared[resource.address]
        where = _path_as_written(source, shape, finding.path)
        fault = FieldError(where, finding.rule, finding.message, finding.hint)
        return source.make_violation(fault, finding.severity, str(resource.address))


@dataclass(frozen=True, slots=True)
class ManifestSource:
    """One manifest: its document, and where in the document it stands (in a List: below it)."""

    page: SourceText
    document: YamlDocument
    value: Json
    prefix: Path = ()
    secrets: tuple[DetectedSecret, ...] = ()
    """What in the document must not be told."""
    api_key: str | None = field(default=None, repr=False)
    """The key in use, as far as it is known."""

    def position_of(self, path: Path, *, key: bool = False) -> Position:
        """Line and column of what stands at a path of the manifest."""
        return self.document.position_of((*self.prefix, *path), key=key)

    def position_in_file(self, path: Path) -> Position | None:
        """The same in the file, which a template may have turned into another text."""
        return self.page.position_in_file(self.position_of(path))

    def make_violation(
        self, fault: FieldError, severity: Severity = Severity.ERROR, address: str = ""
    ) -> Violation:
        """A fault of the manifest as a violation at its line."""
        found = self.page.make_violation(
            fault.rule,
            fault.message,
            fault.hint,
            self.position_of(fault.path, key=fault.key),
            severity=severity,
            address=address,
        )
        written = None if self.page.template_trace else self.document
        return redact_secrets(found, self.secrets, self.api_key, written)


class DeclaredResource(NamedTuple):
    """Where a resource is declared, and the shape of its spec."""

    source: ManifestSource
    shape: FieldTree


def load_manifests(
    sources: Sources, kinds: Iterable[Kind | Overlay], stdin: Stdin
) -> LoadedManifests:
    """Every manifest of the sources. Never raises for what stands in a file; `violations` says."""
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
    reading.problems += [redact_secrets(found, (), sources.api_key) for found in unread]
    reading.check_namespaces()
    # A template's loop breaks the same rule on the same line many times; that is told once.
    reading.problems = list(dict.fromkeys(sorted(reading.problems, key=_describe_position)))
    return reading.result()


def load_source(
    page: SourceText, kinds: Iterable[Kind | Overlay], environment: str | None = None
) -> LoadedManifests:
    """What one page says, beside nothing else: in an environment, or in all of them together."""
    reading = _ManifestReader({kind.manifest: kind for kind in kinds}, environment=environment)
    reading.read_source(page)
    reading.check_namespaces()
    return reading.result()


def _describe_position(problem: Violation) -> tuple[str, int, int]:
    origin = problem.origin
    column = problem.column if isinstance(problem.column, int) else 0
    return (origin.file, origin.line, column) if isinstance(origin, Origin) else ("", 0, 0)


def render_sources(sources: Sources, stdin: Stdin) -> Iterator[SourceText | Violation]:
    """The text of every file as it is after templates, or what is wrong with the file."""
    problems: list[Violation] = []
    search = ManifestSearch(sources)
    for page in _read_sources(search, stdin, problems):
        yield replace(page, text=redact(page.text, sources.api_key))
    yield from (
        redact_secrets(found, (), sources.api_key) for found in (*problems, *search.problems)
    )


def _read_sources(
    search: ManifestSearch, stdin: Stdin, problems: list[Violation]
) -> Iterator[SourceText]:
    """The readable files, templates rendered; the others go to `problems`."""
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
    """Shows a person what a template made."""
    chosen = "" if env == NO_ENVIRONMENT else f" -e {shlex.quote(env)}"
    return f"qdrantctl render --numbers{chosen} -f {shlex.quote(page.file)}"


@dataclass(slots=True)
class _ManifestReader:
    """Manifests read so far."""

    kinds: Mapping[str, Kind | Overlay]
    api_key: str | None = field(default=None, repr=False)
    """The key in use, as far as it is known."""
    environment: str | None = None
    """Manifests of others state nothing; None counts them all."""
    environments: tuple[str, ...] = ()
    """Every environment of the project; empty where that is not known."""
    resources: dict[Address, Resource] = field(default_factory=dict)
    declared: dict[Address, DeclaredResource] = field(default_factory=dict)
    problems: list[Violation] = field(default_factory=list)
    doubtful: set[tuple[str, int, int]] = field(default_factory=set)
    """Places of the page that is read about which its YAML has said enough."""
    room: int = MAX_PROBLEMS
    """Errors that may still be told of this page."""

    @property
    def overlays(self) -> frozenset[str]:
        """The words in addresses of what is no resource."""
        return frozenset(k.name for k in self.kinds.values() if isinstance(k, Overlay))

    def result(self) -> LoadedManifests:
        """What was found."""
        words = self.overlays
        return LoadedManifests(
            Inventory(r for r in self.resources.values() if r.address.kind not in words),
            Inventory(r for r in self.resources.values() if r.address.kind in words),
            tuple(self.problems),
            self.declared,
        )

    def read_source(self, page: SourceText) -> None:
        """Every manifest of a page; when a hundred errors are told, the rest is left."""
        documents, problems = read_documents(page)
        self.problems += [redact_secrets(problem, (), self.api_key) for problem in problems]
        self.doubtful = {_describe_position(p) for p in problems if isinstance(p.column, int)}
        self.room = MAX_PROBLEMS - len(problems)
        for document in documents:
            secrets = tuple(find_secrets(document.value, self.api_key))
            source = ManifestSource(page, document, document.value, (), secrets, self.api_key)
            self._mark_broken(source, *map(_describe_secret, secrets))
            self.read_document(source)
        if self.room <= 0:
            last = self.problems[-1]
            hint = f"{last.hint} This file has more errors than are listed here.".strip()
            self.problems[-1] = last.model_copy(update={"hint": hint})

    def read_document(self, source: ManifestSource) -> None:
        """A manifest, or a List of them."""
        if self.room <= 0:
            return
        value = source.value
        if isinstance(value, dict) and value.get("kind") == "List":
            items = value.get("items")
            if not isinstance(items, list):
                message, hint = "items of a List must be a list", "Put the manifests under items."
                self._mark_broken(source, FieldError(("items",), "QC042", message, hint))
                return
            for position, item in enumerate(items):
                inner = (*source.prefix, "items", position)
                self.read_document(replace(source, value=item, prefix=inner))
        elif isinstance(value, dict) and value.get("kind") == "Project":
            if FilePath(source.page.file).name != _NOT_A_MANIFEST:
                message = "a project file stands among the manifests"
                hint = (
                    f"It must be called {_NOT_A_MANIFEST}, and is found from the folder it is in."
                )
                self._mark_broken(source, FieldError(("kind",), "QC033", message, hint))
        elif kind := self._find_kind(source):
            self._read_manifest(source, kind)

    def _find_kind(self, source: ManifestSource) -> Kind | Overlay | None:
        """The kind of a manifest; None when that is already wrong."""
        value = source.value
        if not isinstance(value, dict) or not {"apiVersion", "kind"} <= value.keys():
            hint = f"It begins with apiVersion: {API_VERSION} and kind: {next(iter(self.kinds))}."
            self._mark_broken(source, FieldError((), "QC030", "this is not a manifest", hint))
            return None
        name = value["kind"]
        if isinstance(name, str) and name in self.kinds:
            return self.kinds[name]
        from difflib import get_close_matches

        close = get_close_matches(str(name), self.kinds, 1)
        hint = f"Did you mean {close[0]}?" if close else f"Known are {', '.join(self.kinds)}."
        self._mark_broken(
            source, FieldError(("kind",), "QC032", f"there is no kind {name!r}", hint)
        )
        return None

    def _read_manifest(self, source: ManifestSource, kind: Kind | Overlay) -> None:
        envelope, faults = validate_document(Envelope, source.value)
        stated = source.value.get("spec")
        spec = None
        if isinstance(stated, dict):
            spec, inner = validate_document(kind.spec, stated)
            faults += [replace(fault, path=("spec", *fault.path)) for fault in inner]
        self._mark_broken(source, *_explain_versions(faults, source.value))
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
        self._mark_broken(source, *check_lifecycle(lifecycle, shape))
        if not here:
            return
        if isinstance(kind, Overlay) and source.value.get("lifecycle"):
            message = f"a {kind.manifest} is no resource, so nothing may happen to it"
            hint = "State lifecycle in the manifests of the resources."
            self._mark_broken(source, FieldError(("lifecycle",), "QC040", message, hint, key=True))
        self.declared[address] = DeclaredResource(source, shape)
        self.resources[address] = Resource(
            address=address,
            spec=kind.canonical(spec),
            origin=Origin(file=source.page.file, line=(source.position_in_file(()) or (1, 1))[0]),
            lifecycle=lifecycle,
            labels=envelope.metadata.labels,
            declared=client_side_fields(spec),
            locate=lambda path: source.position_in_file(_path_as_written(source, shape, path)),
        )

    def _check_name(self, source: ManifestSource, kind: Kind | Overlay, name: str) -> bool:
        """Whether a server may be asked for a resource of this name; odd ones get a warning."""
        where = ("metadata", "name")
        if reason := unsendable_reason(name):
            self._mark_broken(source, FieldError(where, "QC050", reason, "Give it another name."))
            return False
        if name.startswith(OWN_PREFIX):
            message = f"names that begin with {OWN_PREFIX} are the tool's own"
            self._mark_broken(source, FieldError(where, "QC051", message, "Give it another name."))
            return False
        if not _PLAIN_NAME.fullmatch(name):
            message = f"the name {name!r} holds characters that many tools choke on"
            hint = "Letters, digits, dots, dashes and underscores are safe."
            fault = FieldError(where, "QC052", message, hint)
            address = str(Address(kind.name, name))
            self.problems.append(source.make_violation(fault, Severity.WARNING, address))
        return True

    def _report_duplicate(self, source: ManifestSource, address: Address) -> None:
        origin = self.resources[address].origin
        message = f"{address} is declared twice; the first is in {origin}"
        self._mark_broken(
            source, FieldError(("metadata", "name"), "QC053", message, "Keep one of the two.")
        )

    def check_namespaces(self) -> None:
        """Collections and aliases cannot share a name."""
        by_name = {k.name: k for k in self.kinds.values() if isinstance(k, Kind)}
        taken: dict[tuple[str, str], Address] = {}
        for address in sorted(address for address in self.resources if address.kind in by_name):
            space = by_name[address.kind].namespace
            other = taken.setdefault((space or address.kind, address.name), address)
            if other != address:
                message = f"{address} has the name of {other} ({self.resources[other].origin})"
                hint = "Qdrant keeps them in one namespace; rename one of the two."
                fault = FieldError(("metadata", "name"), "QC054", message, hint)
                self._mark_broken(self.declared[address].source, fault)

    def _mark_broken(self, source: ManifestSource, *faults: FieldError) -> None:
        found = (source.make_violation(fault) for fault in faults)
        told = [
            violation for violation in found if _describe_position(violation) not in self.doubtful
        ]
        self.problems += told
        self.room -= len(told)


def _describe_secret(secret: DetectedSecret) -> FieldError:
    return FieldError(secret.path, "QC055", secret.what, _REPLACED_VERSION, secret.key)


_REPLACED_VERSION = (
    "Take it out, and replace it on the server: manifests are committed, and plans and state show "
    "what they hold."
)


def _explain_versions(faults: list[FieldError], value: Mapping[str, Json]) -> Iterator[FieldError]:
    """A wrong apiVersion in words of its own."""
    for fault in faults:
        if fault.path != ("apiVersion",):
            yield fault
            continue
        message = f"apiVersion {value['apiVersion']!r} is not known to this version"
        yield FieldError(fault.path, "QC031", message, f"Write {API_VERSION}.")


def _name_of(value: Mapping[str, Json]) -> Json:
    metadata = value.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def _path_as_written(source: ManifestSource, shape: FieldTree, path: Path) -> Path:
    """A path of the canonical spec as the manifest spells it, as far as the manifest states it.

    A manifest may say the same in other words: another spelling of a key, an unnamed vector, a
    bare shard key, quotes in a payload path.
    """
    where: list[str | int] = ["spec"]
    value, here = source.value["spec"], shape
    for position, word in enumerate(path):
        key = here.key_in(value, word)
        below = here.child(word)
        if key is not None:
            where.append(key)
            value = value[key]
        elif word != "":
            return (*where, *path[position:])
        if below is None:
            break
        here = below
    return tuple(where)
