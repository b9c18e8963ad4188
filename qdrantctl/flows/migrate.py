"""The flow of `migrate --to-memory`: write manifests in the spelling of Qdrant 1.19."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from pathlib import Path as FilePath

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.edit import remove_field, rename_field
from qdrantctl.adapters.manifests.locate import (
    DeclaredResource,
    ManifestSource,
    locate_finding,
    path_as_written,
)
from qdrantctl.adapters.manifests.sources import STDIN
from qdrantctl.adapters.manifests.validation import FieldError
from qdrantctl.adapters.manifests.write import write_files
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.adapters.yaml.editor import CannotEdit
from qdrantctl.engine.deprecations import DEPRECATION_RULE, find_deprecations
from qdrantctl.flows.cluster.connect import connect
from qdrantctl.flows.importing.update_manifests import read_unchanged
from qdrantctl.flows.state.desired import DesiredState, load_desired_state
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.common import MEMORY_GATE
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.collection.memory_spelling import Respelling, find_respellings
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.migration import MigratedFile, MigrationReport
from qdrantctl.model.server import UNKNOWN, Version
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Severity, Violation

_SINCE = Version.parse(MEMORY_GATE.since)


def read_server_versions(environments: Sequence[Settings]) -> dict[str, str]:
    """Why the version of an environment's server is not known, by environment.

    Raises QdrantctlError for a server that does not know `memory`: it would ignore it.
    """
    unknown: dict[str, str] = {}
    for settings in environments:
        try:
            with connect(settings, None) as client:
                version = client.server.version
        except QdrantctlError as error:
            unknown[settings.environment] = error.what
            continue
        if version != UNKNOWN and version < _SINCE:
            raise QdrantctlError(
                f"memory needs Qdrant {_SINCE} or newer, and the server of "
                f"{settings.environment} is {version}; no file was changed",
                hint="Upgrade the server first (`qdrantctl upgrade-check` says what changes), or "
                "name another environment with -e.",
            )
    return unknown


def migrate_to_memory(
    environments: Sequence[Settings], *, rebuild: bool, check: bool
) -> MigrationReport:
    """Write `memory` in place of the fields before it in the manifests of these environments.

    With `rebuild` also of the fields whose new spelling makes the server build something again.
    With `check` no file is written. Raises QdrantctlError.
    """
    files: dict[str, _FileMigration] = {}
    left: list[Violation] = []
    for settings in environments:
        desired_state = load_desired_state(settings)
        for declared in desired_state.declared.values():
            page = declared.source.page
            if page.file not in files:
                files[page.file] = _FileMigration(page, settings.root / page.file)
            files[page.file].add(declared)
        left += _find_others(desired_state)
    changed: list[_FileMigration] = []
    for migration in files.values():
        migration.rewrite(rebuild=rebuild)
        left += migration.left
        if migration.fields:
            changed.append(migration)
    if not check:
        before = {m.path: read_unchanged(m.path, m.page) for m in changed}
        texts = {m.path: _with_byte_order_mark(m.text, before[m.path]) for m in changed}
        write_files(texts, before)
    return MigrationReport(
        written=not check,
        files=tuple(migration.report() for migration in changed),
        left=tuple(dict.fromkeys(left)),
    )


def _find_others(desired_state: DesiredState) -> Iterator[Violation]:
    """Deprecated fields that are no placement, with what to write instead."""
    for address, resource in desired_state.inventory.items():
        source, shape = desired_state.declared[address]
        placements = {("spec", *r.path) for r in _respellings(source, address.kind)}
        for finding in find_deprecations(resource, BY_NAME[address.kind], _SINCE):
            layered = finding.path in resource.layers
            if layered or path_as_written(source, shape, finding.path) not in placements:
                yield locate_finding(
                    resource, finding, desired_state.declared, desired_state.overlays
                )


def _respellings(source: ManifestSource, kind: str) -> tuple[Respelling, ...]:
    return tuple(find_respellings(source.value["spec"])) if kind == COLLECTION.name else ()


@dataclass(slots=True)
class _FileMigration:
    """One file, its fields in the old spelling, and its text with each of them rewritten."""

    page: SourceText
    path: FilePath
    sources: dict[tuple[int, Path], ManifestSource] = field(default_factory=dict)
    """The manifests of collections, by the line of their document and their place in it."""
    text: str = ""
    fields: int = 0
    left: list[Violation] = field(default_factory=list)

    def add(self, declared: DeclaredResource) -> None:
        """Add a manifest; another environment may have added it already."""
        source = declared.source
        if source.value["kind"] == COLLECTION.manifest:
            self.sources.setdefault((source.document.line, source.prefix), source)

    def report(self) -> MigratedFile:
        """The file in the report."""
        before, after = (text.splitlines(keepends=True) for text in (self.page.text, self.text))
        diff = unified_diff(before, after, f"a/{self.page.file}", f"b/{self.page.file}")
        return MigratedFile(file=self.page.file, fields=self.fields, diff="".join(diff))

    def rewrite(self, *, rebuild: bool) -> None:
        """Respell one field after the other; those that stay are `left`, with the reason."""
        self.text = self.page.text
        for source in self.sources.values():
            for respelling in _respellings(source, COLLECTION.name):
                if respelling.rebuilds and not rebuild:
                    self._leave(source, respelling, respelling.rebuilds, Severity.NOTE)
                    continue
                try:
                    self.text = self._respell(source, respelling)
                    self.fields += 1
                except CannotEdit as reason:
                    because = str(reason) or "its part of the file cannot be changed separately"
                    self._leave(source, respelling, because, Severity.WARNING)

    def _leave(
        self, source: ManifestSource, respelling: Respelling, because: str, severity: Severity
    ) -> None:
        path: Path = ("spec", *respelling.path)
        message = f"{path[-1]} was left as it is: {because}"
        instead = json.dumps(respelling.value).replace('"', "")
        hint = f"Write {respelling.key}: {instead}." if respelling.key else "It can be left out."
        if respelling.rebuilds:
            hint += " migrate --rebuild does it."
        fault = FieldError(path, DEPRECATION_RULE, message, hint, key=True)
        address = f"{COLLECTION.name}/{source.value['metadata']['name']}"
        self.left.append(source.make_violation(fault, severity, address))

    def _respell(self, source: ManifestSource, respelling: Respelling) -> str:
        """The text with one more field in its new spelling, and no other change."""
        if self.page.template_trace is not None:
            raise CannotEdit("it comes from a template")
        if self.page.file == STDIN:
            raise CannotEdit("it comes from standard input")
        page = SourceText(self.page.file, self.text)
        lines = [document.line for document in read_documents(self.page)[0]]
        number = lines.index(source.document.line)
        documents = read_documents(page)[0]
        now = replace(source, page=page, document=documents[number])
        path: Path = ("spec", *respelling.path)
        if respelling.key:
            text = rename_field(now, path, respelling.key, respelling.value)
        else:
            text = remove_field(now, path)
        expected = [_unshared(document.value) for document in documents]
        _respell_value(expected[number], (*source.prefix, *path), respelling)
        read, problems = read_documents(SourceText(self.page.file, text))
        if problems or [document.value for document in read] != expected:
            raise CannotEdit("it is shared by an anchor")
        return text


def _respell_value(document: Json, path: Path, respelling: Respelling) -> None:
    section = document
    for word in path[:-1]:
        section = section[word]
    del section[path[-1]]
    if respelling.key:
        section[respelling.key] = respelling.value


def _unshared(value: Json) -> Json:
    """A copy in which no two parts are one object, as those that an alias repeats are."""
    return json.loads(json.dumps(value))


def _with_byte_order_mark(text: str, before: bytes) -> bytes:
    mark = b"\xef\xbb\xbf"
    return (mark if before.startswith(mark) else b"") + text.encode()
