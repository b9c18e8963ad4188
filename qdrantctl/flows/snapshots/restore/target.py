"""The existing resources under the name of a restore, and the aliases to recreate afterwards."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.replacement_records import parse_replacements
from qdrantctl.flows.cluster.nodes import (
    SNAPSHOT_TIMEOUT,
    JobContext,
    collection_exists,
    list_node_snapshots,
)
from qdrantctl.flows.snapshots.restore.upload import UPLOAD_PREFIX, forget_upload
from qdrantctl.flows.state.live import read_live
from qdrantctl.kinds.alias import point_alias
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.client import Client, NodeClient, ReadRequest
from qdrantctl.model.errors import ClusterError, QdrantctlError, UsageError
from qdrantctl.model.field_rule import ABSENT, Effect, Json, json_equal
from qdrantctl.model.object_names import SAME_NAMES, ObjectNames, list_object_names
from qdrantctl.model.polling import poll
from qdrantctl.model.resource import Inventory, Lifecycle, Resource, canonical_json
from qdrantctl.model.snapshots.snapshot import SnapshotRecord, find_unfinished_restore
from qdrantctl.model.step import Call, Step

KIND, ALIAS = "collection", "alias"
DELETION_TIMEOUT = 30.0
"""Seconds within which every node stops listing a deleted collection."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Options for the name and aliases of a restore."""

    name: str | None
    """Name of the collection; None generates one."""
    may_replace: Callable[[Address], bool]
    with_aliases: bool
    """Whether aliases of the snapshot are restored, even if they point elsewhere now."""


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """The state of one name before the restore."""

    address: Address
    live: Resource | None
    """The collection that is replaced; None if the name is free."""
    entry: Mapping[str, Json]
    """The ledger's entry of the name; empty if there is none."""
    is_managed: bool
    """Whether the entry is of a collection managed by this owner, even if it was lost."""
    aliases: Mapping[str, str]
    """The aliases that will point to the collection, with their current targets."""
    deleted_aliases: frozenset[str] = frozenset()
    """Aliases deleted with the replaced collection, or by an interrupted restore."""
    ledger: bool = True
    """Whether there is a ledger."""
    names: ObjectNames = SAME_NAMES
    """The names of collections on the cluster."""

    @property
    def object_name(self) -> str:
        """The name of the collection on the cluster."""
        return self.names.object_name(self.address)

    def alias_changes(self) -> Iterator[Change]:
        """A change for each alias."""
        for alias, now in self.aliases.items():
            points_elsewhere = now not in ("", self.address.name)
            field = FieldChange(
                path=("collection",),
                live=now if points_elsewhere else ABSENT,
                desired=self.address.name,
                effect=Effect.UPDATE,
                cause=Cause.EDIT,
            )
            yield Change(
                address=f"{ALIAS}/{alias}",
                action=Action.UPDATE if points_elsewhere else Action.CREATE,
                cause=Cause.EDIT,
                because="" if points_elsewhere else "it pointed to the collection",
                fields=(field,),
                steps=(Step(call=point_alias(alias, self.object_name)),),
            )

    def record(self, record: SnapshotRecord | None) -> Mapping[str, Json]:
        """The future ledger record: the manifest of the snapshot if known, else the current one."""
        fields = {word: self.entry[word] for word in _RECORDED if word in self.entry}
        if record and record.manifest:
            fields |= {"spec": record.manifest, "schema_version": record.schema_version}
        lifecycle = Lifecycle.parse(fields.get("lifecycle") or {})
        digest = Resource(self.address, fields["spec"], lifecycle=lifecycle).digest
        return {**fields, "digest": digest}


_RECORDED = ("owner", "address", "object", "schema_version", "spec", "lifecycle")


def inspect_target(
    settings: Settings, client: Client, name: str, options: TargetOptions, aliases: tuple[str, ...]
) -> RestoreTarget:
    """Read the existing resources under a name. Raises QdrantctlError if it cannot be used.

    `aliases` pointed to the collection when the snapshot was taken. A collection left behind by a
    crashed restore is treated like any other: another user may have written to it since.
    """
    _require_usable_name(name)
    address, ledger_contents = Address(KIND, name), ledger.read_ledger(client)
    names = _usable_names(address, ledger_contents)
    existing = read_existing(client, names, address, Address(ALIAS, name))
    if Address(ALIAS, name) in existing:
        raise QdrantctlError(
            f"{Address(ALIAS, name)} exists on {client.server.url}; no changes were made",
            hint="Restore under another name with --as NAME, then move the alias.",
        )
    entry: Mapping[str, Json] = ledger_contents.entries.get(address, {})
    is_recorded = bool(entry) and not entry.get("deleted")
    is_managed = is_recorded and entry["owner"] == settings.owner
    live, unfinished = existing.get(address), find_unfinished_restore(entry)
    if live:
        _require_replaceable(address, entry, is_managed, options, settings, client)
    targets = _read_aliases(client, names)
    deleted_aliases = {
        *(live.facts.aliases if live else ()),
        *(unfinished.aliases if unfinished else ()),
    }
    deleted_aliases |= {*(entry.get("pending") or {}).get("aliases", ())}
    deleted_aliases = {alias for alias in deleted_aliases if targets.get(alias, name) == name}
    requested = set(aliases if options.with_aliases else ())
    alias_targets = {alias: targets.get(alias, "") for alias in sorted(deleted_aliases | requested)}
    _require_movable(name, {*requested} - deleted_aliases, ledger_contents, names, settings, client)
    return RestoreTarget(
        address,
        live,
        entry,
        is_managed,
        alias_targets,
        frozenset(deleted_aliases),
        ledger_contents.exists,
        names,
    )


def _require_usable_name(name: str) -> None:
    reason = unsendable_reason(name)
    if not reason and name.startswith(OWN_PREFIX):
        reason = f"names that begin with {OWN_PREFIX} are reserved for qdrantctl"
    if reason:
        raise UsageError(f"--as {name!r}: {reason}")


def _usable_names(address: Address, contents: ledger.LedgerContents) -> ObjectNames:
    """The names of collections on the cluster. Raises QdrantctlError if this one is taken."""
    replacements = parse_replacements(contents)
    names = list_object_names(contents.entries, replacements)
    if (record := replacements.get(address)) is not None:
        raise QdrantctlError(
            f"{address} is being replaced, and {record.old.name} and {record.new.name} stand on "
            "the cluster; no changes were made",
            hint=f"Restore under another name with --as NAME, or end the replacement first: "
            f"qdrantctl replacement status {address}.",
        )
    if (holder := names.find_holder(address.name)) not in (None, address):
        raise QdrantctlError(
            f"{address.name} is the name on the cluster of a collection of {holder}; no changes "
            "were made",
            hint="Restore under another name with --as NAME.",
        )
    return names


def _require_replaceable(
    address: Address,
    entry: Mapping[str, Json],
    is_managed: bool,
    options: TargetOptions,
    settings: Settings,
    client: Client,
) -> None:
    """Raises QdrantctlError if the existing collection must not be deleted."""
    hint = "Restore under another name with --as NAME, then move an alias or the data"
    unfinished = find_unfinished_restore(entry)
    why = (
        f"A restore of it by {unfinished.who}, started at {unfinished.when}, is unfinished."
        if unfinished
        else ""
    )
    is_recorded = bool(entry) and not entry.get("deleted")
    if is_recorded and not is_managed:
        why = f"It is owned by {entry['owner']}, not {settings.owner}."
    elif is_recorded and (entry.get("lifecycle") or {}).get("protect"):
        why = "It is protected: its manifest sets lifecycle: {protect: true}."
    elif not options.may_replace(address):
        consent = f"{{replace: {address}, until: YYYY-MM-DD, reason: …}}"
        if settings.protected:
            hint += f"; or add under consents in qdrantctl.yaml {consent}, and commit it"
            findings = [finding.message for finding in settings.guard_findings]
            why = next((f"{text}." for text in findings if "consent to replace" in text), why)
        else:
            hint += f"; or replace it with --allow-replace {address}"
    else:
        return
    raise QdrantctlError(
        f"{address} exists on {client.server.url}; no changes were made", why=why, hint=f"{hint}."
    )


def _require_movable(
    name: str,
    requested: set[str],
    ledger_contents: ledger.LedgerContents,
    names: ObjectNames,
    settings: Settings,
    client: Client,
) -> None:
    """Raises QdrantctlError if an alias cannot be pointed to the collection."""
    sendable = [alias for alias in requested if not unsendable_reason(alias)]
    taken = read_existing(client, names, *(Address(KIND, alias) for alias in sendable))
    for alias in sorted(requested):
        address = Address(ALIAS, alias)
        entry = ledger_contents.entries.get(address, {})
        reason = ""
        if unsendable := unsendable_reason(alias):
            reason = unsendable
        elif alias == name:
            reason = "it is the name of the collection itself"
        elif Address(KIND, alias) in taken:
            reason = f"{Address(KIND, alias)} exists"
        elif entry and not entry.get("deleted") and entry["owner"] != settings.owner:
            reason = f"it is owned by {entry['owner']}, not {settings.owner}"
        if reason:
            raise QdrantctlError(
                f"{address} cannot be restored: {reason}", hint="Restore without --with-aliases."
            )


def _read_aliases(client: Client, names: ObjectNames) -> dict[str, str]:
    aliases = client.request(Call(method="GET", path="/aliases"))["aliases"]
    return {e["alias_name"]: names.logical_name(e["collection_name"]) for e in aliases}


def read_existing(client: Client, names: ObjectNames, *only: Address) -> Inventory:
    """The existing ones of these resources, with all their details."""
    requested = frozenset(only)
    request = ReadRequest(
        Inventory(),
        Inventory(),
        details=requested,
        counted=requested,
        only=requested,
        names=names,
    )
    return read_live(client, request)


def delete_upload_copies(collection: str, job: JobContext) -> None:
    """Delete the nodes' copies of uploads to a collection that is about to be deleted.

    Once the collection is deleted, no request can delete its snapshot files. Raises
    QdrantctlError.
    """
    for node in _each_node(job, SNAPSHOT_TIMEOUT):
        for name in list_node_snapshots(node, collection):
            if name.startswith(UPLOAD_PREFIX):
                forget_upload(node, collection, name)


def wait_until_deleted(collection: str, job: JobContext) -> None:
    """Wait until a deleted collection is gone from every node. Raises QdrantctlError.

    Before that a node would recover a snapshot into the collection that it is about to delete.
    """
    for node in _each_node(job, DELETION_TIMEOUT):
        check = partial(collection_exists, node, collection)
        if poll(check, operator.not_, timeout=DELETION_TIMEOUT, is_cancelled=job.is_cancelled):
            job.raise_if_cancelled()
            raise ClusterError(f"{node.server.url}: collection {collection} still exists")


def _each_node(job: JobContext, timeout: float) -> Iterator[NodeClient]:
    for url in job.nodes or ("",):
        with closing(job.client.for_node(url, timeout=timeout)) as node:
            yield node


def settings_differences(now: Mapping[str, Json], then: Mapping[str, Json]) -> tuple[str, ...]:
    """Settings whose values differ between two specs."""
    return tuple(
        f"{word} (was {canonical_json(then.get(word))}, is {canonical_json(now.get(word))})"
        for word in sorted({*now, *then})
        if not json_equal(now.get(word), then.get(word))
    )
