"""Summaries of plans and reports in sentences. Every format prints the same ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from qdrantctl.model.change import Action, Cause
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import OfflineSource, Plan
from qdrantctl.model.report import Outcome, OutcomeStatus, Report, StoredSet
from qdrantctl.model.step import Call, list_calls
from qdrantctl.render.shared.escape import count_noun, escape_line, join_names

_ACTION_WORDS = {
    Action.CREATE: ("created", "creation"),
    Action.UPDATE: ("updated", "update"),
    Action.REPLACE: ("replaced", "replacement"),
    Action.DELETE: ("destroyed", "destruction"),
    Action.ADOPT: ("adopted", "adoption"),
    Action.FORGET: ("forgotten", "forgetting"),
    Action.RUN: ("run", "run"),
    Action.NOOP: ("unchanged", "check"),
    Action.REFUSED: ("refused", "change"),
}
_SHORT_COMMIT = 12
_UNDER_WAY = "QC248"
"""The rule that notes replacements without downtime that have not ended."""
_DRIFT_CAUSES = (Cause.DRIFT, Cause.BOTH)

LEDGER_NOTE = "the ledger (collection _qdrantctl) will be created"
REGISTRY_NOTE = (
    "the registry of keys (collection _qdrantctl_keys) will be created: every token that can be "
    "revoked depends on it, and is refused where it is missing"
)
IDENTITY_NOTE = "the ledger gets an id of its own: this cluster is a copy of the one it names"
NO_CHANGES = "No changes. The cluster matches the manifests."
AS_COMMITTED = "No changes. The manifests match the committed state."
ONLY_REPLICAS = "No changes of resources. Apply creates the missing replicas."
REPLACING = "No other changes. A replacement is under way, by another process or paused."
KEPT = "No changes. Changes made outside qdrantctl are kept."
_CONTINUATIONS = {
    "apply": "The next qdrantctl apply finishes the rest.",
    "snapshots run": "The next qdrantctl snapshots run finishes the rest.",
    "snapshots restore": (
        "Restore it again, with --allow-replace for a collection that this restore left incomplete."
    ),
}
NOTHING_DUE = "Nothing is due."


def plan_summary(plan: Plan) -> str:
    """`Plan: 1 to add, 2 to change, 0 to destroy.` A replacement adds one and destroys one.

    A replacement without downtime destroys nothing.
    """
    counts = plan.summary
    offline = plan.offline is not ABSENT
    if counts.run and counts.run == counts.changes + counts.refused:
        return f"Plan: {counts.run} to run."
    if not counts.changes and not counts.refused:
        if offline:
            return AS_COMMITTED
        if any(call.path.endswith("/cluster") for call in list_calls(plan.prepare)):
            return ONLY_REPLICAS
        if any(violation.rule == _UNDER_WAY for violation in plan.violations):
            return REPLACING
        keeps_drift = any(
            c.action is Action.NOOP and c.cause in _DRIFT_CAUSES for c in plan.changes
        )
        return KEPT if keeps_drift else NO_CHANGES
    retired = sum(change.retires for change in plan.changes)
    parts = [
        *_stated_note(
            (counts.adopt, "to adopt"), (counts.forget, "to forget"), (counts.run, "to run")
        ),
        f"{counts.create + counts.replace} to add",
        f"{counts.update - retired} to change",
        f"{retired + sum(change.destroys for change in plan.changes)} to destroy",
        *_stated_note((counts.refused, "refused")),
    ]
    only_adopts = counts.adopt == counts.changes + counts.refused
    has_steps = any(change.steps for change in plan.changes)
    ledger_only = only_adopts and not offline and not has_steps
    word = "Offline plan" if offline else "Plan"
    return f"{word}: {', '.join(parts)}." + (
        " Adopting writes only the ledger." if ledger_only else ""
    )


def verdict(plan: Plan) -> str:
    """The summary after whether the plan can be applied."""
    summary = plan_summary(plan)
    if blocked_note(plan):
        return f"Blocked. {summary}"
    can_apply = plan.offline is ABSENT and plan.summary.changes
    return f"Applicable. {summary}" if can_apply else summary


def offline_note(plan: Plan, named: Callable[[str], str] = escape_line) -> str:
    """What an offline plan was compared with, and what is unknown to it; empty for other plans."""
    if not isinstance(plan.offline, OfflineSource):
        return ""
    ref, commit = plan.offline.ref, plan.offline.commit
    sha = "" if commit.startswith(ref) else f" ({commit[:_SHORT_COMMIT]})"
    place = f" at {named(ref)}{sha}" if commit else ""
    return (
        f"Compared with the committed state{place}, not with a cluster: "
        "points, drift and the features of the server are unknown."
    )


def preparation_note(plan: Plan) -> list[str]:
    """The internal collections that are created or completed before the first change."""
    calls = [call for call in list_calls(plan.prepare) if not call.path.endswith("/index")]
    replicas = Counter(call.path.split("/")[2] for call in calls if call.path.endswith("/cluster"))
    notes = [_describe_preparation(call) for call in calls if call.method == "PUT"]
    return notes + [
        f"{count_noun(number, 'replica')} of {_INTERNAL_NAMES[name]} (collection {name}) will be "
        "created, on nodes that have none"
        for name, number in replicas.items()
    ]


_INTERNAL_NAMES = {"_qdrantctl": "the ledger", "_qdrantctl_keys": "the registry of keys"}


def _describe_preparation(call: Call) -> str:
    if call.path.endswith("/points"):
        return IDENTITY_NOTE
    return REGISTRY_NOTE if call.path.endswith("_keys") else LEDGER_NOTE


def blocked_note(plan: Plan, where: str = "above") -> str:
    """Why apply would make no changes, and how to proceed; empty for a plan that can be applied.

    `where` says where the reader finds the errors.
    """
    refused, errors = plan.summary.refused, len(plan.blocking)
    if not refused and not errors:
        return ""
    reasons = [count_noun(refused, "refused change")] if refused else []
    reasons += [count_noun(errors, "error")] if errors else []
    return (
        f"Apply is blocked by {' and '.join(reasons)}: apply would make no changes. "
        f"Resolve the errors {where}, or leave a change out with --exclude ADDRESS."
    )


def list_unmanaged_limits(plan: Plan) -> list[str]:
    """The limits of managed collections that no manifest states, as address and path."""
    return [
        f"{change.address} {'.'.join(map(str, field.path))}"
        for change in plan.changes
        for field in change.fields
        if field.is_unmanaged_limit
    ]


def unmanaged_limits_note(plan: Plan) -> str:
    """How many limits are unmanaged, and some of them; empty for none."""
    if not (limits := list_unmanaged_limits(plan)):
        return ""
    return f"{count_noun(len(limits), 'unmanaged limit')}, left alone: {join_names(limits)}."


def unmanaged_note(plan: Plan) -> str:
    """How many live resources are unmanaged, and some of their names; empty for none."""
    if not plan.unmanaged:
        return ""
    resources = count_noun(len(plan.unmanaged), "unmanaged resource")
    return f"{resources}, left alone: {join_names(plan.unmanaged)}."


def report_summary(report: Report) -> str:
    """`Apply complete! 2 added, 1 changed, 0 destroyed.` Counts verified outcomes."""

    def done(*actions: Action) -> int:
        return report.count(OutcomeStatus.DONE, *actions)

    if report.command == "snapshots run":
        return _run_summary(report)
    if report.is_complete and not report.count(OutcomeStatus.DONE):
        return NO_CHANGES
    parts = [
        f"{done(Action.CREATE, Action.REPLACE)} added",
        f"{done(Action.UPDATE)} changed",
        f"{done(Action.DELETE, Action.REPLACE)} destroyed",
        *_stated_note(
            (done(Action.ADOPT), "adopted"),
            (done(Action.FORGET), "forgotten"),
            (report.count(OutcomeStatus.FAILED), "failed"),
            (report.count(OutcomeStatus.NOT_TAKEN), "ignored by the server"),
            (report.count(OutcomeStatus.NOT_REACHED), "not reached"),
        ),
    ]
    return f"{_report_ending(report)} {', '.join(parts)}."


def _run_summary(report: Report) -> str:
    """`Run complete! 2 taken (174,920 bytes), 1 removed (87,460 bytes).` Counts sets."""
    failed, unreached = report.count(OutcomeStatus.FAILED), report.count(OutcomeStatus.NOT_REACHED)
    if report.is_complete and not report.count(OutcomeStatus.DONE):
        return NOTHING_DUE

    def policies(number: int) -> str:
        return "policy" if number == 1 else "policies"

    parts = [
        _sum_sets(
            [snapshot_set for outcome in report.outcomes for snapshot_set in outcome.taken], "taken"
        ),
        _sum_sets(
            [snapshot_set for outcome in report.outcomes for snapshot_set in outcome.removed],
            "removed",
        ),
        *_stated_note(
            (failed, f"{policies(failed)} failed"),
            (unreached, f"{policies(unreached)} not reached"),
        ),
    ]
    return f"{_report_ending(report)} {', '.join(parts)}."


def _sum_sets(sets: list[StoredSet], word: str) -> str:
    size = f" ({sum(snapshot_set.size for snapshot_set in sets):,} bytes)" if sets else ""
    return f"{len(sets)} {word}{size}"


def stored_lines(outcome: Outcome) -> list[str]:
    """The sets that a run has stored or removed, a line each."""
    return [
        f"{sign} {escape_line(_set_name(snapshot_set))}, {snapshot_set.size:,} bytes, "
        f"{word} {escape_line(snapshot_set.destination)}"
        for sign, word, sets in (("+", "to", outcome.taken), ("-", "from", outcome.removed))
        for snapshot_set in sets
    ]


def _set_name(snapshot_set: StoredSet) -> str:
    return f"{snapshot_set.address}@{snapshot_set.id}" if snapshot_set.id else snapshot_set.folder


def continuation_note(report: Report) -> str:
    """How to complete an incomplete command."""
    return _CONTINUATIONS[report.command]


def restore_lines(report: Report) -> list[str]:
    """How to restore each destroyed collection, a line each."""
    return [
        f"To restore {escape_line(outcome.address)} as it was: {escape_line(outcome.way_back)}"
        for outcome in report.outcomes
        if outcome.way_back
    ]


def outcome_sentence(outcome: Outcome) -> str:
    """The outcome of one resource, in one line."""
    address = escape_line(outcome.address)
    past, noun = _ACTION_WORDS[outcome.action]
    differences = escape_line("; ".join(outcome.missed))
    if outcome.status is OutcomeStatus.DONE:
        took = f" ({outcome.seconds:.1f} s)" if outcome.seconds >= 0.05 else ""
        return f"{address}: {past}{took}" + (
            f"; {escape_line(outcome.note)}" if outcome.note else ""
        )
    if outcome.status is OutcomeStatus.NOOP:
        return f"{address}: unchanged"
    if outcome.status is OutcomeStatus.NOT_REACHED:
        return f"{address}: {noun} not reached"
    if outcome.status is OutcomeStatus.NOT_TAKEN:
        differences = differences or escape_line(outcome.error)
        return f"{address}: accepted but not applied by the server: {differences}"
    failed = f"{address}: {noun} failed: {escape_line(outcome.error)}"
    return f"{failed} Not applied: {differences}" if differences else failed


def _report_ending(report: Report) -> str:
    word = report.command.rpartition(" ")[2].capitalize()
    if report.is_complete:
        return f"{word} complete!"
    return f"{word} interrupted!" if report.interrupted else f"{word} stopped part-way!"


def _stated_note(*counts: tuple[int, str]) -> list[str]:
    return [f"{number} {label}" for number, label in counts if number]
