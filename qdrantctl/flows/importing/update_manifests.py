"""The flow of `import --update`: write live values that differ to the manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from qdrantctl.adapters.files.source_text import SourceText, split_lines
from qdrantctl.adapters.manifests.edit import edit_spec
from qdrantctl.adapters.manifests.load import load_source
from qdrantctl.adapters.manifests.sources import STDIN
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.yaml.editor import CannotEdit
from qdrantctl.engine.importing.manifest_form import rewrite_in_place, to_manifest_form
from qdrantctl.engine.importing.merge import merge_live
from qdrantctl.engine.planning.compare import compare_specs
from qdrantctl.flows.importing.expressible import expressible_spec, user_set_fields
from qdrantctl.flows.importing.import_resources import ImportResult
from qdrantctl.flows.state.desired import DesiredState, apply_overlays, load_desired_state
from qdrantctl.flows.state.live import ClusterState, Progress, read_cluster_state, with_details
from qdrantctl.kinds.catalog import BY_NAME, KINDS, OVERLAYS
from qdrantctl.model.address import Address, unsendable_reason
from qdrantctl.model.change import FieldChange
from qdrantctl.model.client import Client
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import ABSENT, Json, json_equal
from qdrantctl.model.import_report import ImportedFile, ImportReport, ReceivedField, SkippedField
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Inventory, Resource, canonical_json
from qdrantctl.model.server import Server
from qdrantctl.model.spec import field_tree_of
from qdrantctl.model.violation import Severity

_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}")


@dataclass(frozen=True, slots=True)
class ManifestUpdate:
    """A resource as declared, and the spec that it must declare to match the cluster."""

    resource: Resource
    spec: Mapping[str, Json]
    merged: Mapping[str, Json]
    """The same spec with the values of overlays, which do not change."""
    fields: tuple[ReceivedField, ...]


def update_manifests(
    settings: Settings,
    addresses: tuple[Address, ...],
    client: Client,
    today: date,
    progress: Progress,
) -> ImportResult:
    """The files that must change, and the received fields. Raises QdrantctlError."""
    progress("reading manifests")
    desired_state = load_desired_state(settings)
    for address in addresses:
        if address not in desired_state.inventory:
            raise QdrantctlError(
                f"no manifest declares {address}", hint=f"`qdrantctl import {address}` writes one."
            )
    progress(f"connecting to {client.server.url}")
    state = read_cluster_state(client, desired_state.inventory, progress, settings.owners)
    state = with_details(
        client, state, desired_state.inventory, frozenset(addresses) & frozenset(state.live)
    )
    files: dict[str, list[ManifestUpdate]] = {}
    skipped: list[SkippedField] = []
    unapplied: list[ReceivedField] = []
    for update in _receive_changes(
        settings, addresses, desired_state, state, client, today, skipped, unapplied
    ):
        assert update.resource.origin is not None, "it is defined in a manifest"
        files.setdefault(update.resource.origin.file, []).append(update)
    texts: dict[Path, bytes] = {}
    before: dict[Path, bytes] = {}
    fields: list[ReceivedField] = []
    listed: list[ImportedFile] = []
    for file, updates in files.items():
        page = desired_state.declared[updates[0].resource.address].source.page
        text, received, written = _rewrite_source(
            page, updates, desired_state.overlays, settings.environment
        )
        fields += received
        if written:
            path = settings.root / file
            before[path] = read_unchanged(path, page)
            bom = before[path][:3] if before[path].startswith(b"\xef\xbb\xbf") else b""
            texts[path] = bom + text.encode()
            listed.append(ImportedFile(file=file, addresses=tuple(written)))
    report = ImportReport(
        files=tuple(listed),
        left_out=tuple(skipped),
        fields=tuple(fields),
        unapplied=tuple(unapplied),
    )
    return ImportResult(texts, before, report)


def _receive_changes(
    settings: Settings,
    addresses: tuple[Address, ...],
    desired_state: DesiredState,
    state: ClusterState,
    client: Client,
    today: date,
    skipped: list[SkippedField],
    unapplied: list[ReceivedField],
) -> Iterator[ManifestUpdate]:
    """The updates of manifests that differ from the cluster.

    `skipped` receives fields that no manifest can express, `unapplied` declared fields that are
    not applied yet.
    """
    user_set = user_set_fields(client, state)
    owners = {settings.owner, *settings.previous_owners}
    own_records = [r for r in state.remembered.values() if r.record and r.record.owner in owners]
    context = Context(
        client.server, today, desired_state.inventory, state.live, Inventory(own_records)
    )
    for address in addresses:
        resource, kind = desired_state.inventory[address], BY_NAME[address.kind]
        live = _require_readable(address, state, context)
        merged = merge_live(resource, live, context, kind, user_set)
        manifest_form = to_manifest_form(field_tree_of(kind.spec), merged.spec)
        now, faults = expressible_spec(kind, manifest_form)
        if now is None:
            raise QdrantctlError(f"no manifest can express {address}", why=faults[0].message)
        skipped += [
            SkippedField(address=str(address), path=f.path, because=f.message) for f in faults
        ]
        unapplied += [_kept_field(resource, field) for field in merged.unapplied]
        conflicts = [
            _kept_field(resource, field, _conflict_hint(resource, field))
            for field in merged.conflicts
        ]
        if fields := (*_fields(resource, now, client.server), *conflicts):
            # Values of an overlay are not in the manifest, and are not written to it.
            bare = replace(resource, spec=_without_overlays(resource.spec, resource))
            yield ManifestUpdate(
                bare, _without_overlays(now, resource), _with_overlays(now, resource), fields
            )


def _kept_field(resource: Resource, field: FieldChange, because: str = "") -> ReceivedField:
    """A field that the manifest keeps."""
    return ReceivedField(
        address=str(resource.address),
        path=field.path,
        before=field.desired,
        now=field.live,
        origin=resource.origin_of(field.path),
        because=because,
    )


def _conflict_hint(resource: Resource, field: FieldChange) -> str:
    """Why the operator must decide which value applies, and how."""
    was = "nothing" if field.recorded is ABSENT else canonical_json(field.recorded)
    return (
        f"both changed since it was applied as {was}: write the cluster's value here, or apply the "
        f"manifest's value with apply --revert-drift {resource.address}"
    )


def _without_overlays(spec: Mapping[str, Json], resource: Resource) -> Mapping[str, Json]:
    """A spec without the values that overlays provide for this resource."""
    shape = field_tree_of(BY_NAME[resource.address.kind].spec)
    leaves = shape.leaves(spec).items()
    result: Mapping[str, Json] = shape.build({p: v for p, v in leaves if p not in resource.layers})
    return result


def _with_overlays(spec: Mapping[str, Json], resource: Resource) -> Mapping[str, Json]:
    """A spec with the values that overlays provide for this resource."""
    shape = field_tree_of(BY_NAME[resource.address.kind].spec)
    declared = shape.leaves(resource.spec)
    overlaid = {path: declared[path] for path in resource.layers}
    result: Mapping[str, Json] = shape.build(shape.leaves(spec) | overlaid)
    return result


def _require_readable(address: Address, state: ClusterState, context: Context) -> Resource:
    """The live resource. Raises QdrantctlError if it is missing, not owned or unreadable."""
    live, recorded = state.live.get(address), state.remembered.get(address)
    if live is None:
        raise QdrantctlError(
            f"{address} is not on the cluster, so there is nothing to import",
            hint="Remove its manifest, or apply to recreate it.",
        )
    if recorded is not None and recorded.record and address not in context.recorded:
        raise QdrantctlError(f"{address} is owned by {recorded.record.owner}")
    targets = (target.name for target in BY_NAME[address.kind].references(live.spec))
    if strange := next(filter(unsendable_reason, targets), ""):
        raise QdrantctlError(
            f"{address} leads to {strange}",
            hint="Apply leads it to the collection of its manifest.",
        )
    if live.facts.unread:
        cause = "; ".join(live.facts.unread.values())
        raise QdrantctlError(f"{address} cannot be read completely", why=cause)
    return live


def _fields(
    resource: Resource, spec: Mapping[str, Json], server: Server
) -> Iterator[ReceivedField]:
    kind = BY_NAME[resource.address.kind]
    for change in compare_specs(resource.spec, spec, kind, server):
        layer = resource.layers.get(change.path)
        yield ReceivedField(
            address=str(resource.address),
            path=change.path,
            before=change.desired,
            now=change.live,
            origin=resource.origin_of(change.path),
            because=f"it comes from {layer.document}" if layer else "",
        )


def _rewrite_source(
    page: SourceText, updates: list[ManifestUpdate], overlays: Inventory, environment: str
) -> tuple[str, list[ReceivedField], list[str]]:
    """The text of a file with the received fields, one resource after the other.

    If a manifest cannot be edited without side effects it is not changed, and its fields get the
    reason.
    """
    fields: list[ReceivedField] = []
    written: list[str] = []
    text = page.text
    for update in updates:
        writable = [field for field in update.fields if not field.because]
        fields += [field for field in update.fields if field.because]
        if not writable:
            continue
        try:
            now = SourceText(page.file, text)
            text = _rewrite_one(now, page, update, overlays, environment)
        except CannotEdit as reason:
            fields += [_unwritten_field(field, page, str(reason)) for field in writable]
        else:
            fields += writable
            written.append(str(update.resource.address))
    return text, fields, written


def _rewrite_one(
    now: SourceText,
    page: SourceText,
    update: ManifestUpdate,
    overlays: Inventory,
    environment: str,
) -> str:
    """The text in which one more resource declares what the cluster has. Raises CannotEdit."""
    if page.template_trace is not None:
        raise CannotEdit("it comes from a template")
    if page.file == STDIN:
        raise CannotEdit("it comes from standard input")
    address = update.resource.address
    before = load_source(now, (*KINDS, *OVERLAYS), environment)
    source, shape = before.declared[address]
    manifest_form = rewrite_in_place(shape, source.value["spec"], update.resource.spec, update.spec)
    text = edit_spec(source, manifest_form, shape)
    after = load_source(SourceText(page.file, text), (*KINDS, *OVERLAYS), environment)
    broken = any(problem.severity is Severity.ERROR for problem in after.violations)
    desired_state = apply_overlays(replace(before, overlays=overlays))
    desired_state = Inventory(
        [*desired_state.values(), replace(desired_state[address], spec=update.merged)]
    )
    declared_now = apply_overlays(replace(after, overlays=overlays))
    if broken or not (
        _is_same_declaration(declared_now, desired_state)
        and _is_same_declaration(after.overlays, before.overlays)
    ):
        raise CannotEdit(
            "its part of the file cannot be changed separately; is it shared by an anchor, or "
            "declared by a profile, too?"
        )
    return text


def _is_same_declaration(state: Inventory, desired_state: Inventory) -> bool:
    """Whether two inventories declare the same, independent of positions in the file."""
    return state.keys() == desired_state.keys() and all(
        json_equal(dict(now.spec), dict(then.spec))
        and (now.lifecycle, now.labels, now.declared)
        == (then.lifecycle, then.labels, then.declared)
        for now, then in zip(state.values(), desired_state.values(), strict=True)
    )


def _unwritten_field(field: ReceivedField, page: SourceText, reason: str) -> ReceivedField:
    """A field with the reason why it was not written, and its line in the file."""
    text = page.template_trace.template if page.template_trace else page.text
    lines = [*split_lines(text)]
    line = lines[field.origin.line - 1].strip() if field.origin else ""
    line = " ".join(_EXPRESSION.findall(line)) or line
    return field.model_copy(update={"because": f"{reason}: {line}" if line else reason})


def read_unchanged(path: Path, page: SourceText) -> bytes:
    """The bytes of a file. Raises QdrantctlError if it has changed since it was read."""
    try:
        data = path.read_bytes()
        unchanged = data.decode().removeprefix("\ufeff") == page.text
    except (OSError, UnicodeDecodeError):
        unchanged = False
    if not unchanged:
        raise QdrantctlError(
            f"{page.file} was changed by another process; no files were written",
            hint="Run the command again.",
        )
    return data
