"""Plans and reports for a person at a terminal, in Terraform's words and signs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from qdrantctl.model.access_keys.report import ApiKeyRotation, CheckedToken, KeyListing
from qdrantctl.model.audit.report import Answer, AuditReport
from qdrantctl.model.change import Action, Change
from qdrantctl.model.drift import Drift, DriftedResource
from qdrantctl.model.import_report import ImportReport, ReceivedField
from qdrantctl.model.lease import Lease, LeaseReport
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource_view import HistoryEntry, ResourceView
from qdrantctl.model.snapshots.reports import (
    RemovalReport,
    RestoredCollection,
    SnapshotInventory,
    VerificationReport,
)
from qdrantctl.model.snapshots.snapshot_set import SnapshotSet
from qdrantctl.model.violation import Violation
from qdrantctl.render.diagnostics import violation_lines
from qdrantctl.render.diagnostics import violations_text as diagnostics
from qdrantctl.render.shared import audit_rows as audited
from qdrantctl.render.shared import drift_rows as drifted
from qdrantctl.render.shared import key_tables as tokens
from qdrantctl.render.shared import side_by_side as beside
from qdrantctl.render.shared import summaries as numbers
from qdrantctl.render.shared.ansi import Paint, choose_painter
from qdrantctl.render.shared.escape import (
    count_noun,
    escape_line,
    format_path,
    format_value,
    join_names,
)
from qdrantctl.render.shared.plan_rows import (
    PLAN_SIGNS,
    align_rows,
    change_heading,
    change_reason,
    change_rows,
    origin_text,
    snapshot_note,
)
from qdrantctl.render.shared.snapshot_set_table import set_table as sets_table
from qdrantctl.render.shared.snapshot_table import restored_notes as after_restore
from qdrantctl.render.shared.snapshot_table import snapshot_table
from qdrantctl.render.shared.style import PLAIN, Style

_UNDER = " " * 15
"""In front of what is told of a rule of the audit."""
OTHER_SNAPSHOTS = "\nSnapshots of no set, taken before points were destroyed or by another user:\n"
NOTHING_TO_REMOVE = "Nothing to remove.\n"
LEFT_SETS = (
    "no whole sets, of collections that are gone, ahead of the clock, or not known to be of this "
    "cluster; "
    "--orphan FOLDER removes one:\n"
)
_TONES = {OutcomeStatus.DONE: "+", OutcomeStatus.FAILED: "error", OutcomeStatus.NOT_TAKEN: "error"}


def plan(made: Plan, style: Style = PLAIN) -> str:
    """The plan: every change with its fields, what speaks against it, and the sum."""
    return "\n\n".join(_plan_lines(made, choose_painter(colour=style.colour))) + "\n"


def report(made: Report, style: Style = PLAIN) -> str:
    """What became of a plan: the sum, and before it whatever is not as planned."""
    return "\n\n".join(_report_lines(made, choose_painter(colour=style.colour))) + "\n"


def outcome(made: Outcome, style: Style = PLAIN) -> str:
    """What became of one resource, told meanwhile: a line, and one for each set of a policy."""
    paint = choose_painter(colour=style.colour)
    head = paint(numbers.outcome_sentence(made), _TONES.get(made.status, "faint"))
    return "\n".join([head, *(f"  {paint(line, line[0])}" for line in numbers.stored_lines(made))])


def report_ending(made: Report, style: Style = PLAIN) -> str:
    """The sum alone, where what became of each was told meanwhile."""
    paint = choose_painter(colour=style.colour)
    lines = [paint(numbers.report_summary(made), "+" if made.is_complete else "strong")]
    return (
        "\n".join(lines if made.is_complete else [*lines, numbers.continuation_note(made)]) + "\n"
    )


def idle_policies(made: Plan, _: Style = PLAIN) -> str:
    """Said of policies of which none is due."""
    lines = [f"{escape_line(change.address)}: {change.because}" for change in made.changes]
    return "\n".join([numbers.NOTHING_DUE, *lines]) + "\n"


def resource(view: ResourceView, style: Style = PLAIN) -> str:
    """One resource: what was applied beside what is there."""
    paint = choose_painter(colour=style.colour)
    head, *more = beside.resource_facts(view)
    lines = [paint(head, "strong"), *more, ""]
    lines += [
        paint(line, "~" if line.startswith("!") else "plain")
        for line in beside.comparison_table(view)
    ]
    if view.events:
        lines += ["", *beside.history_lines(view.events)]
    return "\n".join(lines) + "\n"


def history(made: Iterable[HistoryEntry], _: Style = PLAIN) -> str:
    """What was applied, a line each."""
    lines = list(beside.history_lines(made)) or ["Nothing was applied yet."]
    return "\n".join(lines) + "\n"


def snapshots(made: SnapshotInventory, _: Style = PLAIN) -> str:
    """What can be restored: a line for each set, then one for each file of no set."""
    parts = [_sets(made.sets, made.now)] if made.sets else []
    if made.sets and made.others:
        parts.append(OTHER_SNAPSHOTS)
    if made.others or not made.sets:
        lines = list(snapshot_table(made.others))
        parts.append("\n".join(lines if len(lines) > 1 else ["There are no snapshots."]) + "\n")
    return "".join(parts)


def removal(made: RemovalReport, _: Style = PLAIN) -> str:
    """The sets that prune removes, and those that it removes only by name."""
    title = "to remove" if made.dry_run else "removed"
    parts = [f"{title}:\n{_sets(made.removed, made.now)}" if made.removed else NOTHING_TO_REMOVE]
    if made.left:
        parts += [LEFT_SETS, _sets(made.left, made.now)]
    parts += (f"{escape_line(notice)}.\n" for notice in made.notices)
    return "".join(parts)


def verification(made: VerificationReport, _: Style = PLAIN) -> str:
    """Sets that were verified, and what was not as it had been."""
    lines = []
    for each, result in made.verified:
        lines.append(
            f"{each.destination} {each.folder} {'is good' if result.good else 'is NOT good'}"
        )
        lines += [f"  {line}" for line in result.missed]
    if not made.verified and not made.untried:
        lines = ["Nothing to verify."]
    return "".join(f"{line}\n" for line in lines)


def restored_collection(made: RestoredCollection, _: Style = PLAIN) -> str:
    """What is to be known once a snapshot is a collection again."""
    lines = after_restore(made.name, made.snapshot, made.aliases_left, managed=made.managed)
    return "\n".join(lines) + "\n"


def restore_hints(met: Report, _: Style = PLAIN) -> str:
    """How what was destroyed is had again; empty where nothing was."""
    return "".join(f"{line}\n" for line in numbers.restore_lines(met))


def drift(made: Drift, style: Style = PLAIN) -> str:
    """What moved, block by block; the last line says it all and is fit for a log."""
    return "\n\n".join(_drift_lines(made, choose_painter(colour=style.colour))) + "\n"


def audit(made: AuditReport, style: Style = PLAIN) -> str:
    """The checklist, answered line by line; the last line says it all and is fit for a log."""
    return "\n\n".join(_audit_lines(made, choose_painter(colour=style.colour))) + "\n"


def import_report(made: ImportReport, _: Style = PLAIN) -> str:
    """What import wrote, what it left out, and what a plan would make of it."""
    return "".join(f"{line}\n" for line in _import_lines(made, printed=False))


def import_remarks(made: ImportReport, _: Style = PLAIN) -> str:
    """The same where the manifests were printed, and not written to files."""
    return "".join(f"{line}\n" for line in _import_lines(made, printed=True))


def leases(made: LeaseReport, _: Style = PLAIN) -> str:
    """Who applies for an owner, and who works on its snapshots."""
    text = _lease(made.owner, made.applies, made.now)
    if made.snapshots:
        text += "\n" + _lease(made.snapshots.owner, made.snapshots, made.now)
    return text


def _lease(owner: str, held: Lease | None, now: datetime) -> str:
    if held is None:
        return f"no apply of {escape_line(owner)} is running\n"
    lines = [f"owner    {escape_line(owner)}"]
    for word, value in held.document(now).items():
        if word in ("remaining_seconds", "expired"):
            continue
        if word == "expires" and value:
            value += " (expired)" if held.is_expired(now) else f" (in {held.remaining(now)} s)"
        lines.append(f"{word:<8} {escape_line(str(value)) if value else 'unknown'}")
    return "\n".join(lines) + "\n"


def keys(made: KeyListing, _: Style = PLAIN) -> str:
    """Access keys, a line for each generation."""
    return "\n".join(tokens.key_list_lines(made.keys, ledger=made.ledger)) + "\n"


def token_check(made: CheckedToken, _: Style = PLAIN) -> str:
    """What a token claims, and what the cluster lets it do."""
    return "\n".join(tokens.token_check_lines(made)) + "\n"


def api_key_rotation(made: ApiKeyRotation, _: Style = PLAIN) -> str:
    """What a new API key breaks, and what to do in which order."""
    return "\n".join(tokens.rotation_lines(made)) + "\n"


def violations(made: Sequence[Violation], style: Style = PLAIN) -> str:
    """Broken rules with their places, and how many there are."""
    return diagnostics(made, colour=style.colour)


def _sets(sets: Iterable[SnapshotSet], now: datetime) -> str:
    """A line for each set, and their sum."""
    return "\n".join(sets_table(sets, now)) + "\n"


def _plan_lines(made: Plan, paint: Paint) -> Iterator[str]:
    yield f"qdrantctl plan: {paint(escape_line(made.owner), 'strong')}{_server_lines(made, paint)}"
    for words in numbers.preparation_note(made):
        yield paint(f"  # {words}", "strong")
    for change in made.changes:
        if change.action is not Action.NOOP:
            yield "\n".join(_change_lines(change, made.environment, paint))
    yield from violation_lines(made.violations, paint)
    if others := numbers.unmanaged_note(made):
        yield others
    yield paint(numbers.plan_summary(made), "strong")
    if why := numbers.blocked_note(made):
        yield paint(why, "error")


def _server_lines(made: Plan, paint: Paint) -> str:
    """What a plan was made against."""
    if offline := numbers.offline_note(made):
        return f"\n{paint(offline, 'strong')}"
    server, mode = made.server, "cluster mode" if made.server.distributed else "standalone"
    url, version = paint(escape_line(server.url), "strong"), escape_line(server.version)
    return f" on {url} (Qdrant {version}, {mode})"


def _change_lines(change: Change, environment: str, paint: Paint) -> Iterator[str]:
    address, sign = escape_line(change.address), PLAN_SIGNS[change.action]
    yield paint(f"  # {address} {change_heading(change)}", "strong")
    if why := change_reason(change):
        yield f"  # ({why})"
    if back := snapshot_note(change, environment):
        yield f"  # {back}"
    origin = origin_text(change.origin)
    beside = "   " + paint(origin, "faint") if origin else ""
    yield f"{paint(f'{sign:>3}', sign)} {address}{beside}"
    for line in align_rows(change_rows(change), paint):
        yield f"      {line}"


def _drift_lines(made: Drift, paint: Paint) -> Iterator[str]:
    server = made.server
    yield (
        f"qdrantctl drift: {paint(escape_line(made.owner), 'strong')} on "
        f"{paint(escape_line(server.url), 'strong')} (Qdrant {escape_line(server.version)})"
    )
    for title, block in drifted.drift_blocks(made):
        lines = [line for moved in block for line in _drifted_lines(moved, paint)]
        yield "\n".join([paint(f"{title}:", "strong"), *lines])
    yield from drifted.drift_remarks(made)
    yield paint(drifted.drift_summary(made), "error" if made.has_drift else "strong")


def _drifted_lines(moved: DriftedResource, paint: Paint) -> Iterator[str]:
    sign, told = drifted.drift_sign(moved), drifted.drift_suffix(moved)
    beside = "   " + paint(told, "faint") if told else ""
    yield f"{paint(f'{sign:>3}', sign)} {escape_line(moved.address)}{beside}"
    for line in align_rows(drifted.drift_field_rows(moved), paint):
        yield f"      {line}"


def _audit_lines(made: AuditReport, paint: Paint) -> Iterator[str]:
    owner = paint(escape_line(made.owner), "strong")
    yield f"qdrantctl audit: {owner} on {audited.audited_place(made)}"
    for section, rules in audited.group_by_section(made).items():
        lines = [paint(section, "strong")]
        for rule, about, verdicts in rules:
            answer = audited.overall_answer(verdicts)
            failed = answer is Answer.FAIL
            tone = str(audited.heaviest_severity(verdicts)) if failed else "faint"
            weight = f" [{tone}]" if failed else ""
            sign = paint(f"{audited.AUDIT_SIGNS[answer]:<4}", tone)
            below = list(audited.verdict_lines(verdicts))
            beside = f": {below.pop()}" if not failed and len(below) == 1 else weight
            lines.append(f"  {sign}  {rule}  {about.title}{beside}")
            lines += [f"{_UNDER}{line}" for line in below]
            lines += [f"{_UNDER}{audited.remedy_line(rule, about)}"] if failed else []
        yield "\n".join(lines)
    if tried := audited.proof_lines(made):
        lines = [paint(audited.PROOFS, "strong")]
        for name, caps in tried.items():
            lines += [f"  {name}", *(f"    {cap}" for cap in caps)]
        yield "\n".join(lines)
    yield paint(audited.audit_summary(made), "error" if made.has_findings else "strong")


def _import_lines(made: ImportReport, *, printed: bool) -> Iterator[str]:
    for field in made.fields:
        why = f" ({escape_line(field.because)})" if field.because else ""
        values = (
            f"{format_value(field.before, field.path)} -> {format_value(field.now, field.path)}"
        )
        yield f"{_field_place(field)}: {values}{why}"
    for field in made.unapplied:
        value = format_value(field.before, field.path)
        yield f"{_field_place(field)}: {value} (not applied yet; left)"
    for left in made.left_out:
        name = f" {format_path(left.path)}" if left.path else ""
        yield f"left out {escape_line(left.address)}{name}: {escape_line(left.because)}"
    if not printed:
        yield from (f"wrote {escape_line(file.file)}" for file in made.files)
    if made.errors:
        yield from violation_lines(made.errors, choose_painter(colour=False))
        yield "No plan can be made before that is put right in the manifests."
    elif made.adopt or made.change:
        tail = "" if made.change else " Adopting writes only the ledger."
        yield f"{made.adopt} to adopt, {made.change} to change.{tail}"
    elif made.fields and not made.complete:
        yield "What was not written is yours to put in its place."
    elif not made.files:
        why = "the manifests state what is there"
        if made.unapplied:
            why = "nothing moved on the cluster since it was applied"
        yield f"Nothing to write: {why}."
    if made.stated:
        yield f"{count_noun(made.stated, 'resource')} stated by manifests already, and left alone."


def _field_place(field: ReceivedField) -> str:
    """The line of a field, whose it is, and its name."""
    origin = f"{escape_line(str(field.origin))}: " if field.origin else ""
    return f"{origin}{escape_line(field.address)} {format_path(field.path)}"


def _report_lines(made: Report, paint: Paint) -> Iterator[str]:
    for met in made.outcomes:
        if met.status in (OutcomeStatus.FAILED, OutcomeStatus.NOT_TAKEN):
            yield paint(numbers.outcome_sentence(met), "error")
    if left := [o.address for o in made.outcomes if o.status is OutcomeStatus.NOT_REACHED]:
        yield f"Not reached: {join_names(left)}."
    yield paint(numbers.report_summary(made), "+" if made.is_complete else "strong")
    if backs := numbers.restore_lines(made):
        yield "\n".join(backs)
    if not made.is_complete:
        yield numbers.continuation_note(made)
