"""Whether this checkout contains what was applied last: an older one must not undo newer work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from qdrantctl.adapters.project.settings import NONE, Settings
from qdrantctl.adapters.qdrant.ledger import resource_of
from qdrantctl.adapters.system import git
from qdrantctl.flows.state.live import Worlds
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.consent import matches
from qdrantctl.model.resource import Record
from qdrantctl.model.violation import Severity, Violation

OLDER = "QC230"
_SHA = 12


def older(
    settings: Settings,
    allowed: Sequence[str],
    changes: Sequence[Change],
    found: Worlds,
    versions: Mapping[Address, int],
) -> Iterator[Violation]:
    """A violation for each change of what was applied from a commit that HEAD does not contain.

    Where git cannot tell, a recorded version above the committed state's says it. Only a protected
    environment is closed to older checkouts.
    """
    if settings.embedded or NONE in (settings.project, settings.environment):
        return
    ours = {settings.owner, *settings.previous_owners}
    contained = cache(lambda commit: git.contains(settings.root, commit))
    for change in changes:
        record = _record(change.where, found)
        idle = change.action in (Action.NOOP, Action.REFUSED)
        if idle or record is None or record.owner not in ours:
            continue
        if any(matches(pattern, change.address) for pattern in allowed):
            continue
        known = contained(record.commit)
        version = versions.get(change.where)
        if known is False:
            why, way = "which this checkout does not contain", "Update the checkout"
        elif known is None and version is not None and record.schema_version > version:
            why = f"at version {record.schema_version}, and the committed state is at {version}"
            way = "Git cannot tell whether this checkout contains it: run git fetch --unshallow"
        else:
            continue
        yield Violation(
            rule=OLDER,
            severity=Severity.ERROR if settings.protected else Severity.WARNING,
            address=change.address,
            message=f"{change.address} was last applied from {_told(record)}, {why}",
            hint=f"{way}, or go on with --allow-older {change.address}. To go back, apply a git "
            "revert.",
        )


def _record(address: Address, found: Worlds) -> Record | None:
    """What the ledger remembers of an address, were it deleted by now."""
    known = found.remembered.get(address)
    payload = found.payload(address)
    return known.record if known else resource_of(payload).record if payload else None


def _told(record: Record) -> str:
    commit = f"commit {record.commit[:_SHA]}" if record.commit else "no commit that is known"
    return f"{commit} by {record.who or 'somebody'} ({record.when})".replace(" ()", "")
