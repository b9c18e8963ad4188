"""The existing resources under the name of a restore, and what must exist again afterwards."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.cluster.nodes import SLOW, JobContext, collection_exists, list_node_snapshots
from qdrantctl.flows.snapshots.restore.upload import UPLOADED, forget_upload
from qdrantctl.flows.state.live import read_live
from qdrantctl.kinds.alias import point_alias
from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.client import Client, NodeClient, ReadRequest
from qdrantctl.model.errors import ClusterError, QdrantctlError, UsageError
from qdrantctl.model.field_rule import ABSENT, Effect, Json, json_equal
from qdrantctl.model.polling import poll
from qdrantctl.model.resource import Inventory, Lifecycle, Resource, canonical_json
from qdrantctl.model.snapshots.snapshot import SnapshotRecord, find_unfinished_restore
from qdrantctl.model.step import Call, Step

KIND, ALIAS = "collection", "alias"
GONE = 30.0
"""Seconds within which every node knows that a collection was deleted."""


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """How the operator wants a snapshot restored."""

    name: str | None
    """Name of the collection; None generates one."""
    may_replace: Callable[[Address], bool]
    with_aliases: bool
    """Whether the aliases that pointed to it then point to it again, wherever they point now."""


@dataclass(frozen=True, slots=True)
class RestoreTarget:
    """One name, as it is before the restore."""

    address: Address
    live: Resource | None
    """The collection that is replaced; None where the name is free."""
    entry: Mapping[str, Json]
    """The ledger's entry of the name; empty where there is none."""
    is_ours: bool
    """Whether the entry is of a collection that this owner has, or had until it vanished."""
    aliases: Mapping[str, str]
    """The aliases that will point to it, each with its present target; empty for none."""
    down: frozenset[str] = frozenset()
    """Those of them that are deleted with it, or were by an interrupted restore."""
    ledger: bool = True
    """Whether there is a ledger."""

    def moves(self) -> Iterator[Change]:
        """A change for each alias."""
        for alias, now in self.aliases.items():
            moved = now not in ("", self.address.name)
            field = FieldChange(
                path=("collection",),
                live=now if moved else ABSENT,
                desired=self.address.name,
                effect=Effect.UPDATE,
                cause=Cause.EDIT,
            )
            yield Change(
                address=f"{ALIAS}/{alias}",
                action=Action.UPDATE if moved else Action.CREATE,
                cause=Cause.EDIT,
                because="" if moved else "it stood for the collection",
                fields=(field,),
                steps=(Step(call=point_alias(alias, self.address.name)),),
            )

    def record(self, record: SnapshotRecord | None) -> Mapping[str, Json]:
        """What the ledger will hold: what was applied then, where the snapshot tells of it."""
        known = {word: self.entry[word] for word in _RECORDED if word in self.entry}
        if record and record.manifest:
            known |= {"spec": record.manifest, "schema_version": record.schema_version}
        lifecycle = Lifecycle.parse(known.get("lifecycle") or {})
        mark = Resource(self.address, known["spec"], lifecycle=lifecycle).digest
        return {**known, "digest": mark}


_RECORDED = ("owner", "address", "object", "schema_version", "spec", "lifecycle")


def inspect_target(
    settings: Settings, client: Client, name: str, options: TargetOptions, aliases: tuple[str, ...]
) -> RestoreTarget:
    """The existing resources. Reads only. Raises QdrantctlError if it cannot be created.

    `aliases` pointed to it when the snapshot was taken. What a crashed restore left behind counts
    as any other collection: another user may have written to it since.
    """
    _require_usable_name(name)
    address, memory = Address(KIND, name), ledger.read_ledger(client)
    existing = read_existing(client, address, Address(ALIAS, name))
    if Address(ALIAS, name) in existing:
        raise QdrantctlError(
            f"{Address(ALIAS, name)} exists on {client.server.url}; no changes were made",
            hint="Restore under another name with --as NAME, and move the alias then.",
        )
    entry: Mapping[str, Json] = memory.entries.get(address, {})
    is_recorded = bool(entry) and not entry.get("deleted")
    is_ours = is_recorded and entry["owner"] in settings.owners
    live, unfinished = existing.get(address), find_unfinished_restore(entry)
    if live:
        _require_replaceable(address, entry, is_ours, options, settings, client)
    targets = _read_aliases(client)
    down = {*(live.facts.aliases if live else ()), *(unfinished.aliases if unfinished else ())}
    down |= {*(entry.get("pending") or {}).get("aliases", ())}
    down = {alias for alias in down if targets.get(alias, name) == name}
    requested = set(aliases if options.with_aliases else ())
    alias_targets = {alias: targets.get(alias, "") for alias in sorted(down | requested)}
    _require_movable(name, {*requested} - down, memory, settings, client)
    return RestoreTarget(
        address, live, entry, is_ours, alias_targets, frozenset(down), memory.exists
    )


def _require_usable_name(name: str) -> None:
    reason = unsendable_reason(name)
    if not reason and name.startswith(OWN_PREFIX):
        reason = f"names that begin with {OWN_PREFIX} are reserved for qdrantctl"
    if reason:
        raise UsageError(f"--as {name!r}: {reason}")


def _require_replaceable(
    address: Address,
    entry: Mapping[str, Json],
    is_ours: bool,
    options: TargetOptions,
    settings: Settings,
    client: Client,
) -> None:
    """Raises QdrantctlError where the existing collection must not be deleted."""
    hint = "Restore under another name with --as NAME, and move an alias or the data then"
    unfinished = find_unfinished_restore(entry)
    why = (
        f"A restore to it was begun by {unfinished.who} at {unfinished.when} and did not end."
        if unfinished
        else ""
    )
    is_recorded = bool(entry) and not entry.get("deleted")
    if is_recorded and not is_ours:
        why = f"It is owned by {entry['owner']}, not {settings.owner}."
    elif is_recorded and (entry.get("lifecycle") or {}).get("protect"):
        why = "It is protected: its manifest sets lifecycle: {protect: true}."
    elif not options.may_replace(address):
        consent = f"{{replace: {address}, until: YYYY-MM-DD, reason: …}}"
        way = f"state under consents in qdrantctl.yaml {consent}"
        hint += (
            f"; or {way if settings.protected else f'replace it with --allow-replace {address}'}"
        )
    else:
        return
    raise QdrantctlError(
        f"{address} exists on {client.server.url}; no changes were made", why=why, hint=f"{hint}."
    )


def _require_movable(
    name: str,
    requested: set[str],
    memory: ledger.LedgerContents,
    settings: Settings,
    client: Client,
) -> None:
    """Raises QdrantctlError where an alias cannot be put at the collection."""
    sendable = [alias for alias in requested if not unsendable_reason(alias)]
    taken = read_existing(client, *(Address(KIND, alias) for alias in sendable))
    for alias in sorted(requested):
        address = Address(ALIAS, alias)
        entry = memory.entries.get(address, {})
        reason = ""
        if unsendable := unsendable_reason(alias):
            reason = unsendable
        elif alias == name:
            reason = "the collection itself is called so"
        elif Address(KIND, alias) in taken:
            reason = f"{Address(KIND, alias)} exists"
        elif entry and not entry.get("deleted") and entry["owner"] not in settings.owners:
            reason = f"it is owned by {entry['owner']}, not {settings.owner}"
        if reason:
            raise QdrantctlError(
                f"{address} cannot be put back: {reason}", hint="Restore without --with-aliases."
            )


def _read_aliases(client: Client) -> dict[str, str]:
    aliases = client.request(Call(method="GET", path="/aliases"))["aliases"]
    return {entry["alias_name"]: entry["collection_name"] for entry in aliases}


def read_existing(client: Client, *only: Address) -> Inventory:
    """Which of these exist, with all that is to be known of them."""
    requested = frozenset(only)
    return read_live(
        client, ReadRequest(Inventory(), Inventory(), details=requested, only=requested)
    )


def delete_upload_copies(address: Address, job: JobContext) -> None:
    """Delete what the nodes keep of uploads to a collection that is about to be deleted.

    Nothing deletes the files of a collection that is gone. Raises QdrantctlError.
    """
    for node in _each_node(job, SLOW):
        for name in list_node_snapshots(node, address.name):
            if name.startswith(UPLOADED):
                forget_upload(node, address.name, name)


def wait_until_deleted(address: Address, job: JobContext) -> None:
    """Wait until every node knows that a collection was deleted. Raises QdrantctlError.

    A node that does not would take a snapshot into what is about to be deleted.
    """
    for node in _each_node(job, GONE):
        check = partial(collection_exists, node, address.name)
        if poll(check, operator.not_, timeout=GONE, is_cancelled=job.is_cancelled):
            job.raise_if_cancelled()
            raise ClusterError(f"{node.server.url}: {address} is still there")


def _each_node(job: JobContext, timeout: float) -> Iterator[NodeClient]:
    for url in job.nodes or ("",):
        with closing(job.client.for_node(url, timeout=timeout)) as node:
            yield node


def settings_differences(now: Mapping[str, Json], then: Mapping[str, Json]) -> tuple[str, ...]:
    """Settings that are not as they were."""
    return tuple(
        f"{word} (was {canonical_json(then.get(word))}, is {canonical_json(now.get(word))})"
        for word in sorted({*now, *then})
        if not json_equal(now.get(word), then.get(word))
    )
