"""The flow of `import`: live resources as concise manifests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.load import LoadedManifests, load_manifests, load_source
from qdrantctl.adapters.manifests.sources import NO_MANIFESTS, is_read_by
from qdrantctl.adapters.manifests.write import (
    MANIFEST_SUFFIX,
    make_file_stems,
    render_file,
    render_manifest,
)
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.engine.importing.manifest_form import to_manifest_form
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.planning.selection import matching_addresses
from qdrantctl.flows.importing.expressible import expressible_spec, user_set_fields
from qdrantctl.flows.state.desired import apply_overlays, check_manifests, manifest_sources
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state, with_details
from qdrantctl.kinds.catalog import BY_NAME, KINDS, OVERLAYS
from qdrantctl.model.address import Address, unsendable_reason
from qdrantctl.model.change import Action
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ManifestError, QdrantctlError, UsageError
from qdrantctl.model.field_rule import Json, json_equal
from qdrantctl.model.import_report import ImportedFile, ImportReport, SkippedField
from qdrantctl.model.resource import Inventory, Origin, Resource
from qdrantctl.model.spec import field_tree_of
from qdrantctl.model.violation import Severity

SCHEMA = os.path.join("schemas", "manifest.json")  # noqa: PTH118  # relpath's partner


@dataclass(frozen=True, slots=True)
class ImportSelection:
    """The resources to import, and the folder for their manifests."""

    folder: Path
    addresses: tuple[Address, ...] = ()
    """Resources by name; empty for all."""
    exclude: tuple[str, ...] = ()
    force: bool = False
    """Whether existing files are overwritten."""
    printed: bool = False
    """Whether no file is written; `folder` is where files would be written."""


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Texts of files, the current bytes of existing files, and the report."""

    texts: Mapping[Path, bytes]
    before: Mapping[Path, bytes]
    report: ImportReport


def import_folder(settings: Settings) -> Path:
    """The project's first folder of manifests. Raises UsageError."""
    for pattern in settings.manifests:
        inside = Path(pattern)
        folder = inside.parent if inside.name == f"*{MANIFEST_SUFFIX}" else inside
        path = settings.root / folder
        if ".." in folder.parts or set("*?[") & set(str(folder)) or path.is_file():
            continue
        if not path.name.endswith(MANIFEST_SUFFIX):
            return path
    raise UsageError(
        "the project has no folder of manifests to write to",
        hint="Name one with --out DIR; --out - prints the manifests.",
    )


def import_resources(
    settings: Settings, selection: ImportSelection, client: Client, today: date, progress: Progress
) -> ImportResult:
    """The manifests of the selected resources. Raises ClusterError, UsageError, QdrantctlError."""
    progress("reading manifests")
    project = _load_stated(settings, selection)
    progress(f"connecting to {client.server.url}")
    state = read_cluster_state(client, Inventory(), progress, settings.owners)
    selected, skipped, stated = _choose_resources(settings, selection, state, project.desired)
    progress("reading each resource")
    if selected:
        state = with_details(client, state, Inventory(), frozenset(selected))
    user_set = user_set_fields(client, state)
    files: dict[Path, list[str]] = {}
    names = make_file_stems({address.name for address in state.live})
    for address in _group_by_file(selected, state.live):
        text, problems = _as_manifest(state.live[address], user_set)
        skipped += problems
        if not text and address in selection.addresses:
            raise QdrantctlError(f"{address} is not imported: {problems[0].because}")
        if text:
            path = _import_file(names[_file_leader(address, state.live, selected).name], selection)
            files.setdefault(path, []).append(text)
    schema = _schema_location(settings, selection)
    texts = {path: render_file(parts, schema) for path, parts in files.items()}
    pages = {path: _make_source(path, text, settings) for path, text in texts.items()}
    all_manifests = _merge_sources(project, pages.values())
    resources = apply_overlays(all_manifests)
    imported = Inventory(resources[address] for page in pages.values() for address in page.desired)
    errors = tuple(
        v
        for v in check_manifests(all_manifests, resources, settings)
        if v.severity is Severity.ERROR
    )
    adopt, change = (0, 0) if errors else _count_changes(settings, client, today, state, imported)
    report = ImportReport(
        files=tuple(_list_imported(path, page, settings) for path, page in pages.items()),
        left_out=tuple(skipped),
        stated=stated,
        adopt=adopt,
        change=change,
        errors=errors,
    )
    before = _existing_files(texts, selection, settings, imported)
    return ImportResult({path: text.encode() for path, text in texts.items()}, before, report)


def _load_stated(settings: Settings, selection: ImportSelection) -> LoadedManifests:
    """The manifests that the project declares already. Raises ManifestError.

    Empty if the project does not read the files that this import writes.
    """
    if selection.printed or not is_read_by(manifest_sources(settings), selection.folder):
        return LoadedManifests(Inventory(), Inventory(), ())
    loaded = load_manifests(manifest_sources(settings), (*KINDS, *OVERLAYS), bytes)
    broken = tuple(
        v for v in loaded.violations if v.severity is Severity.ERROR and v.rule != NO_MANIFESTS
    )
    if broken:
        raise ManifestError(
            "the manifests have errors, so existing declarations are unknown; nothing was written",
            broken,
        )
    return loaded


def _merge_sources(project: LoadedManifests, pages: Iterable[LoadedManifests]) -> LoadedManifests:
    """The project's manifests together with the new ones."""
    parts = (project, *pages)
    return LoadedManifests(
        Inventory(resource for part in parts for resource in part.desired.values()),
        project.overlays,
        (),
        {address: place for part in parts for address, place in part.declared.items()},
    )


def _choose_resources(
    settings: Settings, selection: ImportSelection, state: ClusterState, project: Inventory
) -> tuple[frozenset[Address], list[SkippedField], int]:
    """The resources to import, skipped ones with reasons, and the number already declared."""
    for pattern in selection.exclude:
        if not matching_addresses([pattern], state.live):
            raise UsageError(f"--exclude {pattern} matches nothing on the cluster")
    for address in selection.addresses:
        if address not in state.live:
            holder = state.names.find_holder(address.name)
            raise QdrantctlError(
                f"{address} is not on the cluster",
                why=f"{address.name} is the name there of a collection of {holder}."
                if holder
                else "",
                hint="`qdrantctl import --all --out -` prints all existing resources.",
            )
    excluded = _with_dependents(matching_addresses(selection.exclude, state.live), state.live)
    requested = (
        _with_dependents(frozenset(selection.addresses or state.live), state.live) - excluded
    )
    declared_elsewhere = _stated_elsewhere(requested, settings, selection, state.live, project)
    skipped: dict[Address, str] = {}
    for address in sorted(requested - declared_elsewhere.keys()):
        names = (address.name, *(ref.name for ref in _live_references(address, state.live)))
        reasons = (_foreign_owner(address, settings, state), *map(unsendable_reason, names))
        if reason := next(filter(None, reasons), ""):
            skipped[address] = reason
    for address in selection.addresses:
        if address in declared_elsewhere:
            raise QdrantctlError(
                f"{declared_elsewhere[address]} declares {address} already",
                hint=f"import --update {address} updates that manifest.",
            )
        if address in skipped:
            raise QdrantctlError(f"{address} is not imported: {skipped[address]}")
    skipped_resources = [
        SkippedField(address=str(address), because=reason) for address, reason in skipped.items()
    ]
    return (
        requested - declared_elsewhere.keys() - skipped.keys(),
        skipped_resources,
        len(requested & declared_elsewhere.keys()),
    )


def _foreign_owner(address: Address, settings: Settings, state: ClusterState) -> str:
    """Why a resource of another owner is skipped; empty for a resource of this project."""
    recorded = state.remembered.get(address)
    owner = recorded.record.owner if recorded and recorded.record else settings.owner
    is_own = owner in {settings.owner, *settings.previous_owners}
    return "" if is_own else f"it is owned by {owner}"


def _with_dependents(addresses: frozenset[Address], live: Inventory) -> frozenset[Address]:
    """The addresses and the resources that refer to them, such as aliases."""
    return addresses | {
        address for address in live if set(_live_references(address, live)) & addresses
    }


def _live_references(address: Address, live: Inventory) -> tuple[Address, ...]:
    return tuple(BY_NAME[address.kind].references(live[address].spec))


def _file_leader(address: Address, live: Inventory, selected: frozenset[Address]) -> Address:
    """The resource in whose file another one is written."""
    return next((ref for ref in _live_references(address, live) if ref in selected), address)


def _group_by_file(selected: frozenset[Address], live: Inventory) -> list[Address]:
    """The addresses in the order of the files, each before resources that refer to it."""
    leaders = {address: _file_leader(address, live, selected) for address in selected}
    return sorted(
        selected, key=lambda address: (leaders[address], leaders[address] != address, address)
    )


def _stated_elsewhere(
    requested: frozenset[Address],
    settings: Settings,
    selection: ImportSelection,
    live: Inventory,
    project: Inventory,
) -> dict[Address, Origin]:
    """Resources that the project declares in other files: importing would declare them twice.

    If a resource is skipped, resources that refer to it get their own file, so the check repeats.
    """
    names = make_file_stems({address.name for address in live})
    declared_elsewhere: dict[Address, Origin] = {}
    while True:
        selected = requested - declared_elsewhere.keys()
        more: dict[Address, Origin] = {}
        for address in selected & project.keys():
            origin = project[address].origin
            path = _import_file(names[_file_leader(address, live, selected).name], selection)
            is_overwritten = (
                selection.force and origin and _is_same_path(settings.root / origin.file, path)
            )
            if origin and not is_overwritten:
                more[address] = origin
        if not more:
            return declared_elsewhere
        declared_elsewhere |= more


def _import_file(stem: str, selection: ImportSelection) -> Path:
    return selection.folder / f"{stem}{MANIFEST_SUFFIX}"


def _is_same_path(path: Path, other: Path) -> bool:
    """Whether two paths lead to the same file."""
    return os.path.realpath(path) == os.path.realpath(other)


def _as_manifest(
    live: Resource, user_set: Callable[[Resource], Mapping[str, Json]]
) -> tuple[str, list[SkippedField]]:
    """A live resource as a manifest, and the fields that no manifest can express."""
    kind = BY_NAME[live.address.kind]
    address = str(live.address)
    if live.facts.unread:
        cause = "; ".join(f"{word}: {why}" for word, why in sorted(live.facts.unread.items()))
        return "", [
            SkippedField(address=address, because=f"it cannot be read completely ({cause})")
        ]
    manifest_form = to_manifest_form(field_tree_of(kind.spec), user_set(live))
    spec, faults = expressible_spec(kind, manifest_form)
    skipped = [SkippedField(address=address, path=f.path, because=f.message) for f in faults]
    if spec is None:
        return "", [skipped[0].model_copy(update={"path": ()})]
    text = render_manifest(kind.manifest, live.address, manifest_form, field_tree_of(kind.spec))
    read = load_source(SourceText(address, text), KINDS)
    resource = read.desired.get(live.address)
    if resource is None or not json_equal(dict(resource.spec), dict(spec)):
        because = "; ".join(problem.message for problem in read.violations)
        return "", [SkippedField(address=address, because=because or "YAML cannot express it")]
    return text, skipped


def _schema_location(settings: Settings, selection: ImportSelection) -> str:
    """The path of the schema file, relative to a manifest."""
    return os.path.relpath(settings.root / SCHEMA, selection.folder).replace(os.sep, "/")


def _make_source(path: Path, text: str, settings: Settings) -> LoadedManifests:
    return load_source(SourceText(shown_path(path, settings), text), KINDS)


def _list_imported(path: Path, page: LoadedManifests, settings: Settings) -> ImportedFile:
    return ImportedFile(file=shown_path(path, settings), addresses=tuple(map(str, page.desired)))


def shown_path(path: Path, settings: Settings) -> str:
    """A file's path in output: relative to the project's folder."""
    return os.path.relpath(path, settings.root).replace(os.sep, "/")


def _existing_files(
    texts: Mapping[Path, str], selection: ImportSelection, settings: Settings, imported: Inventory
) -> dict[Path, bytes]:
    """The contents of files to be overwritten. Raises QdrantctlError without --force."""
    existing = [path for path in texts if os.path.lexists(path) and not selection.printed]
    if existing and not selection.force:
        names = ", ".join(shown_path(path, settings) for path in existing[:9])
        more = f" and {len(existing) - 9} more" if len(existing) > 9 else ""
        raise QdrantctlError(
            f"{names}{more} exist{'s' * (len(existing) == 1)} already; nothing was written",
            hint="Overwrite them with --force, or write elsewhere with --out DIR.",
        )
    try:
        before = {path: path.read_bytes() for path in existing}
    except OSError as error:
        raise QdrantctlError(f"{error.filename} cannot be written: {error.strerror}") from None
    for path, data in before.items():
        if lost_content := _find_lost(shown_path(path, settings), data, imported):
            raise QdrantctlError(
                f"{shown_path(path, settings)} contains {lost_content}, which --force would "
                "remove; nothing was written",
                hint="Move that to another file first, or write elsewhere with --out DIR.",
            )
    return before


def _find_lost(file: str, data: bytes, imported: Inventory) -> str:
    """Content of a file that the new files do not declare; empty for none."""
    loaded = load_source(SourceText(file, data.decode(errors="replace")), (*KINDS, *OVERLAYS))
    missing = sorted({*loaded.desired, *loaded.overlays} - imported.keys())
    broken = any(problem.severity is Severity.ERROR for problem in loaded.violations)
    return str(missing[0]) if missing else "text that is not a manifest" if broken else ""


def _count_changes(
    settings: Settings, client: Client, today: date, state: ClusterState, desired: Inventory
) -> tuple[int, int]:
    """Number of resources that a plan would adopt unchanged, and number that it would change."""
    plan_input = PlanInput(
        owner=settings.owner,
        server=client.server,
        today=today,
        desired=desired,
        live=state.live,
        remembered=state.remembered,
        names=state.names,
        previous_owners=settings.previous_owners,
        partial=True,
    )
    changes = plan_changes(plan_input, BY_NAME)
    adopt = sum(change.action is Action.ADOPT and not change.steps for change in changes)
    idle = sum(change.action is Action.NOOP for change in changes)
    return adopt, len(changes) - adopt - idle
