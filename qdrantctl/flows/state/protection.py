"""Protection that an edit cannot lift: the guards in a commit, and what the ledger remembers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from datetime import UTC, date, datetime
from typing import Literal

from qdrantctl.adapters.project.guards import Guards, ReviewedGuards, read_reviewed_guards
from qdrantctl.adapters.project.settings import NONE, PROJECT_FILE, Settings
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.ledger import LedgerContents
from qdrantctl.adapters.system import git
from qdrantctl.flows.state.checkout import find_uncommitted_files, list_names
from qdrantctl.flows.state.ledger_entry import HISTORY
from qdrantctl.model.actor import Actor
from qdrantctl.model.address import Address
from qdrantctl.model.client import Client
from qdrantctl.model.consent import matches_glob
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Inventory
from qdrantctl.model.violation import Severity, Violation

_KIND = "protection"
"""Of the ledger's entries about owners; it is no kind of resource."""


@frozen
class Protection:
    """The protection of an owner: what counts, and where it comes from."""

    stated: Settings
    """The settings as the files on disk state them."""
    reviewed: ReviewedGuards = field(default_factory=lambda: ReviewedGuards(git.HEAD))
    entry: Mapping[str, Json] = field(default_factory=dict)
    """The ledger's entry of this owner; empty if it was never applied as protected."""
    protected_owners: tuple[str, ...] = ()
    """This owner and its previous names, as far as the ledger remembers them as protected."""
    change: Literal["", "protect", "unprotect"] = ""
    """What an apply writes to the ledger about it."""

    @property
    def address(self) -> Address:
        """The address of the ledger's entry."""
        return Address(_KIND, self.stated.owner)

    @property
    def is_remembered(self) -> bool:
        """Whether the ledger remembers this owner as protected."""
        return self.stated.owner in self.protected_owners

    @property
    def is_stated(self) -> bool:
        """Whether the project file says so, on disk or in the commit that counts."""
        return self.stated.protected or self.reviewed.guards.protected


def read_protection(settings: Settings, contents: LedgerContents, today: date) -> Protection:
    """The protection of the owner of these settings."""
    if settings.embedded or NONE in (settings.project, settings.environment):
        return Protection(settings)
    entry = contents.entries.get(Address(_KIND, settings.owner), {})
    remembered_ref = "" if entry.get("deleted") else str(_spec(entry).get("consents_from") or "")
    protected_owners = tuple(
        owner
        for owner in settings.owners
        if (other := contents.entries.get(Address(_KIND, owner))) and not other.get("deleted")
    )
    reviewed = read_reviewed_guards(
        settings.root / PROJECT_FILE, settings.environment, today, remembered_ref
    )
    return Protection(settings, reviewed, entry, protected_owners)


def protected_settings(protection: Protection) -> Settings:
    """The settings that count: in a protected environment those guards that are committed."""
    stated, reviewed = protection.stated, protection.reviewed
    if not (protection.is_stated or protection.protected_owners):
        return stated
    guards = reviewed.guards
    consents, removed = guards.consents, guards.removed
    if reviewed.ref == git.HEAD:  # what was withdrawn here does not count any more
        consents = tuple(
            consent
            for consent in consents
            if any(
                consent.verb == own.verb and matches_glob(own.pattern, consent.pattern)
                for own in stated.consents
            )
        )
        removed &= stated.removed
    return replace(
        stated,
        protected=True,
        on_drift="refuse",
        consents=consents,
        removed=removed,
        gates=stated.gates.merge(guards.gates),
        alias_min_ratio=max(stated.alias_min_ratio, guards.alias_min_ratio)
        if not reviewed.problem
        else stated.alias_min_ratio,
        guard_findings=tuple(_list_findings(protection)),
    )


def with_change(
    protection: Protection,
    desired: Inventory,
    contents: LedgerContents,
    allow_older: tuple[str, ...],
    *,
    whole: bool,
    has_changes: bool,
) -> tuple[Protection, tuple[Violation, ...]]:
    """The protection with what an apply of these manifests writes about it, and a finding.

    It is lifted by an apply that satisfies it: of the whole project, all of it committed.
    """
    stated = protection.stated
    if protection.is_stated:
        is_current = protection.is_remembered and _spec(protection.entry) == _new_spec(protection)
        if is_current or not (contents.exists or has_changes):
            return protection, ()
        return replace(protection, change="protect"), ()
    if not protection.protected_owners:
        return protection, ()
    reason = _reason_not_to_lift(protection, desired, allow_older, whole=whole)
    subject = f"{protection.protected_owners[0]} was applied as protected"
    if who := protection.entry.get("who"):
        subject += f" by {who} ({protection.entry.get('when')})"
    outcome = f"and stays so: {reason}" if reason else "and apply lifts the protection"
    violation = Violation(
        rule="QC223",
        severity=Severity.WARNING,
        message=f"{subject}, and {stated.files[0] if stated.files else PROJECT_FILE} no longer "
        f"says so: this plan counts as protected, {outcome}",
        hint=""
        if not reason
        else "Commit protected: false, and apply the whole project from "
        "there; the plan after that is not protected.",
    )
    return (protection if reason else replace(protection, change="unprotect")), (violation,)


def write_protection(client: Client, protection: Protection, actor: Actor) -> None:
    """Write the change of the protection to the ledger. Raises ClusterError."""
    if not protection.change:
        return
    entry, address = protection.entry, protection.address
    stamp = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "who": actor.who,
        "commit": actor.commit,
        "run": actor.run,
    }
    line = stamp | {"action": protection.change, "schema_version": 0}
    new_entry = {
        "address": str(address),
        "owner": protection.stated.owner,
        "object": address.name,
        "spec": _new_spec(protection),
        "lifecycle": {},
        "deleted": protection.change == "unprotect",
        **stamp,
        "history": [*entry.get("history", ()), line][-HISTORY:],
    }
    ledger.write_entries(client, [new_entry])


def _new_spec(protection: Protection) -> dict[str, Json]:
    """What the ledger has to remember. A ref that git lacks here is remembered all the same."""
    reviewed = protection.reviewed
    ref = reviewed.guards.consents_from
    if reviewed.problem and reviewed.ref != git.HEAD:
        ref = reviewed.ref
    return {"protected": True} | ({"consents_from": ref} if ref else {})


def _spec(entry: Mapping[str, Json]) -> Mapping[str, Json]:
    spec: Mapping[str, Json] = entry.get("spec") or {}
    return spec


def _reason_not_to_lift(
    protection: Protection, desired: Inventory, allow_older: tuple[str, ...], *, whole: bool
) -> str:
    """Why an apply of these manifests does not lift the protection; empty if it does."""
    stated, reviewed = protection.stated, protection.reviewed
    if not protection.is_remembered:
        return f"only an apply of {protection.protected_owners[0]} lifts it"
    if reviewed.problem:
        return reviewed.problem
    if not whole:
        return "this plan is not of the whole project"
    uncommitted = find_uncommitted_files(stated, desired)
    if uncommitted is None:
        return "git cannot tell whether the project is committed"
    if uncommitted:
        return f"not as committed: {list_names(uncommitted)}"
    commit = str(protection.entry.get("commit") or "")
    named = any(matches_glob(pattern, str(protection.address)) for pattern in allow_older)
    if commit and not named and git.head_contains(stated.root, commit) is False:
        return (
            f"it was set from commit {commit[:12]}, which this checkout does not contain "
            f"(--allow-older {protection.address})"
        )
    return ""


def _list_findings(protection: Protection) -> Iterator[Violation]:
    """What the files on disk state and what does not count."""
    stated, reviewed = protection.stated, protection.reviewed
    why = reviewed.problem or f"{PROJECT_FILE} at {reviewed.ref} does not have it"
    allowed = {(consent.verb, consent.pattern) for consent in reviewed.guards.consents}
    for consent in stated.consents:
        if (consent.verb, consent.pattern) not in allowed:
            named = f"the consent to {consent.verb} {consent.pattern} ({consent.source})"
            yield _finding(named, why, reviewed)
    for address in sorted(stated.removed - reviewed.guards.removed):
        yield _finding(f"{address} under removed", why, reviewed)
    if reviewed.problem:
        return
    for name in _loosened(stated, reviewed.guards):
        yield _finding(f"the edit of {name}", f"{reviewed.ref} is stricter", reviewed)


def _loosened(stated: Settings, guards: Guards) -> Iterator[str]:
    """The guards that the files on disk loosen."""
    if guards.protected and not stated.protected:
        yield "protected"
    if guards.gates.fail_on - stated.gates.fail_on:
        yield "fail_on"
    if guards.gates.require - stated.gates.require:
        yield "require"
    if guards.gates.min_server_version > stated.gates.min_server_version:
        yield "min_server_version"
    if guards.alias_min_ratio > stated.alias_min_ratio:
        yield "alias_min_ratio"


def _finding(subject: str, why: str, reviewed: ReviewedGuards) -> Violation:
    where = "" if reviewed.ref == git.HEAD else f" and have it in {reviewed.ref}"
    return Violation(
        rule="QC222",
        severity=Severity.WARNING,
        message=f"{subject} does not count in a protected environment: {why}",
        hint=f"Commit it{where}, so that it can be reviewed.",
    )
