"""Check that this checkout contains the last applied commits, so that it undoes no newer work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from qdrantctl.adapters.project.settings import NONE, Settings
from qdrantctl.adapters.qdrant.ledger import parse_entry
from qdrantctl.adapters.system import git
from qdrantctl.flows.state.live import ClusterState
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.consent import matches_glob
from qdrantctl.model.resource import Record
from qdrantctl.model.violation import Severity, Violation

OLDER = "QC230"
_SHA = 12


def check_checkout_is_current(
    settings: Settings,
    allowed: Sequence[str],
    changes: Sequence[Change],
    cluster_state: ClusterState,
    versions: Mapping[Address, int],
) -> Iterator[Violation]:
    """A violation for each changed resource last applied from a commit that HEAD lacks.

    If git has no answer, or does not have the recorded commit at all, a recorded version above that
    of the committed state counts as newer. Where versions do not decide either, a warning says so.
    Only in a protected environment a violation is an error.
    """
    if settings.embedded or NONE in (settings.project, settings.environment):
        return
    owners = {settings.owner, *settings.previous_owners}
    contained = cache(lambda commit: _is_contained(settings, commit))
    for change in changes:
        record = _last_record(change.parsed_address, cluster_state)
        idle = change.action in (Action.NOOP, Action.REFUSED)
        if idle or record is None or record.owner not in owners:
            continue
        if any(matches_glob(pattern, change.address) for pattern in allowed):
            continue
        is_contained = contained(record.commit)
        version = versions.get(change.parsed_address)
        if is_contained is False:
            why, way = "which this checkout does not contain", "Update the checkout"
        elif is_contained is None and version is not None and record.schema_version > version:
            why = f"at version {record.schema_version}, and the committed state is at {version}"
            way = (
                "Git cannot determine whether this checkout contains it: run git fetch, or "
                "git fetch --unshallow"
            )
        elif is_contained is None and (version is None or _is_unknown_here(settings, record)):
            if record.commit:
                yield _cannot_compare(change, record)
            continue
        else:
            continue
        yield Violation(
            rule=OLDER,
            severity=Severity.ERROR if settings.protected else Severity.WARNING,
            address=change.address,
            message=f"{change.address} was last applied from {_describe_record(record)}, {why}",
            hint=f"{way}, or continue with --allow-older {change.address}. To undo a change, apply "
            "a git revert.",
        )


def _is_contained(settings: Settings, commit: str) -> bool | None:
    """Whether HEAD contains a commit; None if git cannot tell, or lacks the commit.

    It may be newer and not fetched, of another repository, or gone since a branch was rewritten.
    """
    answer = git.head_contains(settings.root, commit)
    return answer if answer or git.has_commit(settings.root, commit) else None


def _is_unknown_here(settings: Settings, record: Record) -> bool:
    """Whether a repository with its whole history lacks the recorded commit."""
    return git.head_contains(settings.root, record.commit) is False


def _cannot_compare(change: Change, record: Record) -> Violation:
    return Violation(
        rule=OLDER,
        severity=Severity.WARNING,
        address=change.address,
        message=f"{change.address} was last applied from {_describe_record(record)}, which git "
        "does not have here: whether this checkout contains it cannot be determined",
        hint="Run git fetch. If the commit is gone for good, check this plan: the next apply "
        "records the present commit.",
    )


def _last_record(address: Address, cluster_state: ClusterState) -> Record | None:
    """The ledger's record of an address, even if the resource is deleted."""
    resource = cluster_state.remembered.get(address)
    payload = cluster_state.ledger_entry(address)
    return resource.record if resource else parse_entry(payload).record if payload else None


def _describe_record(record: Record) -> str:
    commit = f"commit {record.commit[:_SHA]}" if record.commit else "no commit that is known"
    return f"{commit} by {record.who or 'an unknown user'} ({record.when})".replace(" ()", "")
