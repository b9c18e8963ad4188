"""The sentences that count: what a plan would do, what was done of it. The same in every format."""

from __future__ import annotations

from collections.abc import Callable

from qdrantctl.model.change import Action, Cause
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import Offline, Plan
from qdrantctl.model.report import Outcome, Report, Status, Stored
from qdrantctl.model.step import calls
from qdrantctl.render.shared.escape import clean, counted, listed

_DONE = {
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
_SHA = 12
_MOVED = (Cause.DRIFT, Cause.BOTH)

LEDGER = "the ledger (collection _qdrantctl) will be created"
REGISTRY = (
    "the registry of keys (collection _qdrantctl_keys) will be created: every token that can be "
    "revoked depends on it, and is refused where it is missing"
)
NO_CHANGES = "No changes. The cluster matches the manifests."
AS_COMMITTED = "No changes. The manifests ask what the committed state says."
KEPT = "No changes. What was changed outside qdrantctl stays as it is."
_NEXT = {
    "apply": "The next qdrantctl apply finishes the rest.",
    "snapshots run": "The next qdrantctl snapshots run finishes the rest.",
    "snapshots restore": "Restore it again; what this one has left is named with --allow-replace.",
}
NOTHING_DUE = "Nothing is due."


def planned(made: Plan) -> str:
    """`Plan: 1 to add, 2 to change, 0 to destroy.` A replacement adds one and destroys one."""
    counts = made.summary
    offline = made.offline is not ABSENT
    if counts.run and counts.run == counts.changes + counts.refused:
        return f"Plan: {counts.run} to run."
    if not counts.changes and not counts.refused:
        if offline:
            return AS_COMMITTED
        kept = any(c.action is Action.NOOP and c.cause in _MOVED for c in made.changes)
        return KEPT if kept else NO_CHANGES
    parts = [
        *_stated((counts.adopt, "to adopt"), (counts.forget, "to forget"), (counts.run, "to run")),
        f"{counts.create + counts.replace} to add",
        f"{counts.update} to change",
        f"{counts.delete + counts.replace} to destroy",
        *_stated((counts.refused, "refused")),
    ]
    only = counts.adopt == counts.changes + counts.refused
    free = only and not offline and not any(change.steps for change in made.changes)
    word = "Offline plan" if offline else "Plan"
    return f"{word}: {', '.join(parts)}." + (" Adopting writes only the ledger." if free else "")


def compared(made: Plan, named: Callable[[str], str] = clean) -> str:
    """Said of an offline plan: with what it was compared, and what it cannot know."""
    if not isinstance(made.offline, Offline):
        return ""
    ref, commit = made.offline.ref, made.offline.commit
    sha = "" if commit.startswith(ref) else f" ({commit[:_SHA]})"
    where = f" at {named(ref)}{sha}" if commit else ""
    return (
        f"Compared with the committed state{where}, not with a cluster: "
        "points, drift and what the server can do are not known."
    )


def prepared(made: Plan) -> list[str]:
    """What is made before the first change."""
    paths = [call.path for call in calls(made.prepare) if not call.path.endswith("/index")]
    return [REGISTRY if path.endswith("_keys") else LEDGER for path in paths]


def blocked(made: Plan) -> str:
    """That apply would do nothing, and how to go on; empty for a plan that may be applied."""
    refused, errors = made.summary.refused, len(made.blocking)
    if not refused and not errors:
        return ""
    whys = [counted(refused, "refused change")] if refused else []
    whys += [counted(errors, "error")] if errors else []
    return (
        f"Apply is blocked by {' and '.join(whys)}: it would do nothing of this plan. "
        "Resolve what is told above, or leave a change out with --exclude ADDRESS."
    )


def unmanaged(made: Plan) -> str:
    """How many live resources are nobody's, and some of their names; empty for none."""
    if not made.unmanaged:
        return ""
    resources = counted(len(made.unmanaged), "unmanaged resource")
    return f"{resources}, left alone: {listed(made.unmanaged)}."


def applied(report: Report) -> str:
    """`Apply complete! 2 added, 1 changed, 0 destroyed.` Counts what was done and seen."""

    def done(*actions: Action) -> int:
        return report.count(Status.DONE, *actions)

    if report.command == "snapshots run":
        return _ran(report)
    if report.complete and not report.count(Status.DONE):
        return NO_CHANGES
    parts = [
        f"{done(Action.CREATE, Action.REPLACE)} added",
        f"{done(Action.UPDATE)} changed",
        f"{done(Action.DELETE, Action.REPLACE)} destroyed",
        *_stated(
            (done(Action.ADOPT), "adopted"),
            (done(Action.FORGET), "forgotten"),
            (report.count(Status.FAILED), "failed"),
            (report.count(Status.NOT_TAKEN), "not taken"),
            (report.count(Status.NOT_REACHED), "not reached"),
        ),
    ]
    return f"{_ending(report)} {', '.join(parts)}."


def _ran(report: Report) -> str:
    """`Run complete! 2 taken (174,920 bytes), 1 removed (87,460 bytes).` Counts sets."""
    failed, left = report.count(Status.FAILED), report.count(Status.NOT_REACHED)
    if report.complete and not report.count(Status.DONE):
        return NOTHING_DUE

    def policies(number: int) -> str:
        return "policy" if number == 1 else "policies"

    parts = [
        _summed([each for met in report.outcomes for each in met.taken], "taken"),
        _summed([each for met in report.outcomes for each in met.removed], "removed"),
        *_stated((failed, f"{policies(failed)} failed"), (left, f"{policies(left)} not reached")),
    ]
    return f"{_ending(report)} {', '.join(parts)}."


def _summed(sets: list[Stored], word: str) -> str:
    size = f" ({sum(each.size for each in sets):,} bytes)" if sets else ""
    return f"{len(sets)} {word}{size}"


def stored(outcome: Outcome) -> list[str]:
    """The sets that a run has put somewhere or removed, a line each."""
    return [
        f"{sign} {clean(f'{each.address}@{each.id}' if each.id else each.folder)}, "
        f"{each.size:,} bytes, {word} {clean(each.destination)}"
        for sign, word, sets in (("+", "to", outcome.taken), ("-", "from", outcome.removed))
        for each in sets
    ]


def going_on(report: Report) -> str:
    """How what was not done is done after all."""
    return _NEXT[report.command]


def ways_back(report: Report) -> list[str]:
    """How what was destroyed is had again, a line each."""
    return [
        f"Way back to {clean(met.address)} as it was: {clean(met.way_back)}"
        for met in report.outcomes
        if met.way_back
    ]


def became(outcome: Outcome) -> str:
    """What became of one resource, in one line."""
    address = clean(outcome.address)
    past, noun = _DONE[outcome.action]
    missed = clean("; ".join(outcome.missed))
    if outcome.status is Status.DONE:
        took = f" ({outcome.seconds:.1f} s)" if outcome.seconds >= 0.05 else ""
        return f"{address}: {past}{took}" + (f"; {clean(outcome.note)}" if outcome.note else "")
    if outcome.status is Status.NOOP:
        return f"{address}: unchanged"
    if outcome.status is Status.NOT_REACHED:
        return f"{address}: {noun} not reached"
    if outcome.status is Status.NOT_TAKEN:
        missed = missed or clean(outcome.error)
        return f"{address}: the server answered ok and does not show it: {missed}"
    failed = f"{address}: {noun} failed: {clean(outcome.error)}"
    return f"{failed} Not there: {missed}" if missed else failed


def _ending(report: Report) -> str:
    word = report.command.rpartition(" ")[2].capitalize()
    if report.complete:
        return f"{word} complete!"
    return f"{word} interrupted!" if report.interrupted else f"{word} stopped part-way!"


def _stated(*counts: tuple[int, str]) -> list[str]:
    return [f"{number} {words}" for number, words in counts if number]
