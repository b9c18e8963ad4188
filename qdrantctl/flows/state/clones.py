"""Copies of a cluster: whose records came along in the ledger, and adopting them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.ledger import LedgerContents
from qdrantctl.engine.planning.inputs import RecordOrigin
from qdrantctl.flows.state.live import ClusterState
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.change import Action, Change
from qdrantctl.model.consent import Consent
from qdrantctl.model.field_rule import Json
from qdrantctl.model.project import EMBEDDED
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Severity, Violation

RULE = "QC233"
ADOPT_CLONED = "adopt_cloned"


def with_cloned_owners(settings: Settings, consents: Sequence[Consent]) -> Settings:
    """The settings under which the records of the owners count that consents name.

    An owner whose environment has this very URL is left out: this is its cluster, no copy.
    """
    named = {c.pattern for c in settings.valid_consents(tuple(consents)) if c.verb == ADOPT_CLONED}
    cloned = frozenset(o for o in named - {*named_owners(settings)} if not _is_here(settings, o))
    return replace(
        settings, previous_owners=settings.previous_owners | cloned, cloned_owners=cloned
    )


def without_uncounted_clones(settings: Settings, consents: Sequence[Consent]) -> Settings:
    """The settings without owners whose consent does not count: a protected environment's may not.

    Until then such an owner counts, so that its protection binds who adopts its records.
    """
    counted = {
        c.pattern for c in settings.valid_consents(tuple(consents)) if c.verb == ADOPT_CLONED
    }
    dropped = settings.cloned_owners - counted
    return replace(
        settings,
        previous_owners=settings.previous_owners - dropped,
        cloned_owners=settings.cloned_owners - dropped,
    )


def named_owners(settings: Settings) -> tuple[str, ...]:
    """The owners whose keys and policies are this one's: without those of a copy."""
    return tuple(owner for owner in settings.owners if owner not in settings.cloned_owners)


def without_unstated_clones(
    settings: Settings, desired: Inventory, cluster_state: ClusterState
) -> Settings:
    """The settings under which cloned records without a manifest are forgotten, never deleted.

    Those of keys and policies, whose names contain their owner, are deleted: the tokens of the
    original open its copy no longer.
    """
    unstated = {
        address
        for address, resource in cluster_state.remembered.items()
        if address not in desired
        and not BY_NAME[address.kind].scoped_to_owner
        and resource.record
        and resource.record.owner in settings.cloned_owners
    }
    return replace(settings, removed=settings.removed | unstated)


def classify_owners(settings: Settings, contents: LedgerContents) -> dict[str, RecordOrigin]:
    """Where the records of other owners come from; those of which it is unknown are left out."""
    origins: dict[str, RecordOrigin] = {}
    for entry in _other_entries(settings, contents):
        owner = str(entry["owner"])
        if contents.is_from_copy(entry):
            origins[owner] = RecordOrigin.COPIED
        elif owner in settings.other_urls:
            is_here = _is_here(settings, owner)
            origins.setdefault(owner, RecordOrigin.HERE if is_here else RecordOrigin.COPIED)
        elif settings.endpoint and entry.get("url") == settings.endpoint.url:
            origins.setdefault(owner, RecordOrigin.HERE)
    return origins


def identity_steps(
    settings: Settings, changes: Iterable[Change], cluster_state: ClusterState, server: Server
) -> Iterator[Call]:
    """The request that gives a copy an id of its own, before its first records are adopted."""
    contents, idle = cluster_state.ledger, (Action.NOOP, Action.REFUSED)
    entries = (
        cluster_state.ledger_entry(change.parsed_address)
        for change in changes
        if change.action not in idle
    )
    if any(
        entry.get("owner") in settings.cloned_owners and not contents.is_from_copy(entry)
        for entry in entries
    ):
        new_id = ledger.clone_id(contents.cluster_id, server.url)
        yield ledger.cluster_id_request(new_id, server, contents.cluster_id)


def used_clone_consents(
    settings: Settings, consents: Iterable[Consent], contents: LedgerContents
) -> frozenset[Consent]:
    """The consents that let records of this ledger be adopted."""
    owners = {entry.get("owner") for entry in contents.entries.values() if not entry.get("deleted")}
    return frozenset(
        consent
        for consent in consents
        if consent.verb == ADOPT_CLONED and consent.pattern in owners & settings.cloned_owners
    )


def clone_notices(
    settings: Settings, consents: Sequence[Consent], contents: LedgerContents
) -> Iterator[Violation]:
    """That this cluster is a copy, whose records came along, and how they are adopted."""
    for consent in settings.valid_consents(tuple(consents)):
        if consent.verb == ADOPT_CLONED and _is_here(settings, consent.pattern):
            yield Violation(
                rule=RULE,
                message=f"the environment of {consent.pattern} has the URL of this one: this is "
                "its cluster, and no copy of it",
                hint=f"Remove {consent.source}, or correct the url of one of the two.",
            )
    adopted = Counter(
        str(entry["owner"])
        for entry in contents.entries.values()
        if entry.get("owner") in settings.cloned_owners and not entry.get("deleted")
    )
    if adopted:
        yield Violation(
            rule=RULE,
            severity=Severity.NOTE,
            message=f"this cluster counts as a copy: {settings.owner} adopts the records of "
            f"{_list_owners(adopted)}",
            hint="Only this cluster is changed, and its ledger gets an id of its own.",
        )
    yield from _notice_of_copy(settings, contents)


def _notice_of_copy(settings: Settings, contents: LedgerContents) -> Iterator[Violation]:
    """That records of other owners came along which are not adopted yet."""
    origins = classify_owners(settings, contents)
    copied = sorted(o for o, origin in origins.items() if origin is RecordOrigin.COPIED)
    if not copied:
        return
    others = Counter(
        str(entry["owner"])
        for entry in _other_entries(settings, contents)
        if origins.get(str(entry["owner"])) is not RecordOrigin.HERE
    )
    projects = {owner.partition("/")[0] for owner in settings.owners}
    own = [owner for owner in copied if owner.partition("/")[0] in projects]
    flags = " ".join(f"--adopt-cloned {owner}" for owner in own)
    hint = (
        f"Adopt them here with {flags}, or a consent: {{{ADOPT_CLONED}: {own[0]}}}. " if own else ""
    )
    yield Violation(
        rule=RULE,
        severity=Severity.WARNING if own else Severity.NOTE,
        message="this cluster seems to be a copy of another one; these records came along: "
        f"{_list_owners(others)}",
        hint=f"{hint}Each project adopts its own records. The original is not changed by that.",
    )


def _list_owners(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{owner} ({counts[owner]})" for owner in sorted(counts))


def _other_entries(settings: Settings, contents: LedgerContents) -> Iterator[Mapping[str, Json]]:
    """The entries of existing resources of other owners."""
    for address, entry in contents.entries.items():
        is_resource = address.kind in BY_NAME and not entry.get("deleted")
        if is_resource and entry.get("owner", settings.owner) not in settings.owners:
            yield entry


def _is_here(settings: Settings, owner: str) -> bool:
    """Whether the environment of an owner is known to have this server's URL."""
    own_url = settings.endpoint.url if settings.endpoint else EMBEDDED
    return settings.other_urls.get(owner) == own_url
