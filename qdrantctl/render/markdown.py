"""Plans and reports for a comment on a pull request.

Names from users or the cluster are printed in code spans and fences only, where they are inert.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from textwrap import wrap

from qdrantctl.model.audit.report import Answer, AuditReport
from qdrantctl.model.change import Action, Change
from qdrantctl.model.comment_marker import comment_marker
from qdrantctl.model.drift import Drift
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource_view import ResourceView
from qdrantctl.model.violation import Severity
from qdrantctl.render.diagnostics import violation_lines
from qdrantctl.render.shared import audit_rows, drift_rows, side_by_side, summaries
from qdrantctl.render.shared.ansi import paint_plain
from qdrantctl.render.shared.escape import count_noun, escape_line
from qdrantctl.render.shared.markdown_blocks import (
    MarkdownBlock,
    code_fence,
    code_span,
    fit_blocks,
    folded_block,
    table,
)
from qdrantctl.render.shared.plan_groups import ChangeGroup, group_changes
from qdrantctl.render.shared.plan_rows import (
    HEAVY_WORDS,
    align_rows,
    change_heading,
    change_reason,
    change_sign,
    heavy_word,
    measure_change,
    origin_text,
    snapshot_note,
    sum_rebuilds,
    worst_note,
)
from qdrantctl.render.shared.replacement_lines import forecast_lines
from qdrantctl.render.shared.style import PLAIN, Style

_DANGEROUS_ACTIONS = (Action.DELETE, Action.REPLACE, Action.REFUSED)
"""Actions that a reviewer must not miss, in this order."""
_MOST_NAMES = 100
"""Names that a list shows; further names are counted."""
_MOST_ROWS = 50
"""Rows of the table of destroying, replacing and re-indexing changes."""
_NAME_WIDTH = 100
_DIFF_SIGNS = {"~": "!"}
"""Signs of fields whose lines GitHub colours in a diff by another sign: `!` is orange."""
_NOTICE, _DANGER, _ERROR, _CHANGE, _REMARK, _LIST = range(6)
"""Ranks, the last to be cut first."""


def plan(plan: Plan, style: Style = PLAIN) -> str:
    """The plan in at most `style.max_bytes` of UTF-8; the last line counts omitted parts."""
    marker = comment_marker("plan", plan.project, plan.environment)
    return fit_blocks(marker, f"### {summaries.verdict(plan)}", tuple(_plan_blocks(plan)), style)


def report(report: Report, _: Style = PLAIN) -> str:
    """The report of a command."""
    parts = [
        f"### {summaries.report_summary(report)}",
        f"{_owner_title(report)} on {code_span(report.url)}",
    ]
    failures = [
        o for o in report.outcomes if o.status in (OutcomeStatus.FAILED, OutcomeStatus.NOT_TAKEN)
    ]
    if failures:
        parts.append(
            code_fence([line for outcome in failures for line in _outcome_line(outcome)], "text")
        )
    if hints := summaries.restore_lines(report):
        parts.append(code_fence(hints, "text"))
    for status, title in ((OutcomeStatus.NOT_REACHED, "not reached"), (OutcomeStatus.DONE, "done")):
        if outcomes := [o for o in report.outcomes if o.status is status]:
            lines = [line for outcome in outcomes for line in _outcome_line(outcome)]
            parts.append(folded_block(f"{len(outcomes)} {title}", _first_names(lines)))
    if not report.is_complete:
        parts.append(summaries.continuation_note(report))
    marker = comment_marker(report.command.replace(" ", "-"), report.project, report.environment)
    return f"{marker}\n" + "\n\n".join(parts) + "\n"


def _outcome_line(outcome: Outcome) -> list[str]:
    return [
        summaries.outcome_sentence(outcome),
        *(f"  {line}" for line in summaries.stored_lines(outcome)),
    ]


def resource(view: ResourceView, _: Style = PLAIN) -> str:
    """One resource: last-applied and live state side by side."""
    head, *more = side_by_side.resource_facts(view)
    parts = [
        f"### {code_span(head)}",
        code_fence([*more, *side_by_side.comparison_table(view)], "text"),
    ]
    if view.events:
        parts.append(folded_block("history", side_by_side.history_lines(view.events)))
    return "\n\n".join(parts) + "\n"


def drift(drift: Drift, style: Style = PLAIN) -> str:
    """The drift report in at most `style.max_bytes`, for an issue or a chat."""
    marker = comment_marker("drift", drift.project, drift.environment)
    title = f"### {drift_rows.drift_headline(drift)}"
    return fit_blocks(marker, title, tuple(_drift_blocks(drift)), style, "drift")


def audit(audit: AuditReport, style: Style = PLAIN) -> str:
    """The audit in at most `style.max_bytes`: findings open, all other lines folded."""
    marker = comment_marker("audit", audit.project, audit.environment)
    title = f"### {audit_rows.audit_summary(audit)}"
    return fit_blocks(marker, title, tuple(_audit_blocks(audit)), style, "audit")


def _audit_blocks(audit: AuditReport) -> Iterator[MarkdownBlock]:
    yield MarkdownBlock(
        _NOTICE, f"{_owner_title(audit)} on {code_span(audit_rows.audited_place(audit))}"
    )
    rest: dict[Answer, list[str]] = {answer: [] for answer in audit_rows.AUDIT_SIGNS}
    for rule, audit_rule, verdicts in audit_rows.group_by_rule(audit):
        answer, lines = (
            audit_rows.overall_answer(verdicts),
            list(audit_rows.verdict_lines(verdicts)),
        )
        if answer is not Answer.FAIL:
            rest[answer] += [f"{rule} {audit_rule.title}", *(f"  {line}" for line in lines)]
            continue
        severity = audit_rows.heaviest_severity(verdicts)
        head = f"#### {severity} {rule}: {audit_rule.title}"
        body = code_fence([*lines, audit_rows.remedy_line(rule, audit_rule)], "text")
        rank = _DANGER if severity is Severity.ERROR else _CHANGE
        yield MarkdownBlock(rank, f"{head}\n\n{body}", head, "message")
    for name, caps in audit_rows.proof_lines(audit).items():
        yield MarkdownBlock(
            _REMARK, folded_block(f"{audit_rows.PROOFS}: {name}", _first_names(caps))
        )
    for answer, lines in rest.items():
        if lines:
            yield MarkdownBlock(_LIST, folded_block(answer.replace("_", " "), lines))


def _drift_blocks(drift: Drift) -> Iterator[MarkdownBlock]:
    server = f"Qdrant {code_span(drift.server.version)}"
    yield MarkdownBlock(
        _NOTICE, f"{_owner_title(drift)} on {code_span(drift.server.url)} ({server})"
    )
    for rank, (title, block) in enumerate(drift_rows.drift_blocks(drift), _DANGER):
        yield MarkdownBlock(rank, f"**{title}**")
        for resource in block:
            head = (
                f"#### {code_span(drift_rows.drift_sign(resource))} {code_span(resource.address)}"
            )
            lines = [f"# {word}" for word in (drift_rows.drift_suffix(resource),) if word]
            lines += align_rows(drift_rows.drift_field_rows(resource))
            full = f"{head}\n\n{code_fence(lines, 'diff')}" if lines else head
            yield MarkdownBlock(rank, full, head, "change")
    for remark in drift_rows.drift_remarks(drift):
        yield MarkdownBlock(_ERROR, code_fence([remark], "text"), counted_as="message")


def _plan_blocks(plan: Plan) -> Iterator[MarkdownBlock]:
    """The parts of a plan in the order in which they are read."""
    mode = "cluster mode" if plan.server.distributed else "standalone"
    server = f"Qdrant {code_span(plan.server.version)}, {mode}"
    if offline := summaries.offline_note(plan, code_span):
        yield MarkdownBlock(_NOTICE, f"{_owner_title(plan)}: **{offline}**")
    else:
        yield MarkdownBlock(
            _NOTICE, f"{_owner_title(plan)} on {code_span(plan.server.url)} ({server})"
        )
    if worst := worst_note(c for c in plan.changes if c.action is not Action.NOOP):
        yield MarkdownBlock(_NOTICE, worst)
    if why := summaries.blocked_note(plan, "below"):
        yield MarkdownBlock(_NOTICE, f"**{why}**")
    for note in summaries.preparation_note(plan):
        yield MarkdownBlock(_NOTICE, f"{note[0].upper()}{note[1:]}.")
    if heavy := _list_heavy(plan):
        yield _heavy_table(heavy)
    for action in _DANGEROUS_ACTIONS:
        for change in plan.changes:
            if change.action is action:
                yield _group_block(ChangeGroup((change,)), _DANGER, plan.environment)
    others = [c for c in plan.changes if c.action not in (*_DANGEROUS_ACTIONS, Action.NOOP)]
    for group in group_changes(others):
        yield _group_block(group, _CHANGE, plan.environment)
    for violation in plan.violations:
        rank = _ERROR if violation.severity is Severity.ERROR else _REMARK
        for entry in violation_lines([violation], paint_plain):
            yield MarkdownBlock(rank, code_fence(entry.split("\n"), "text"), counted_as="message")
    limits = summaries.list_unmanaged_limits(plan)
    idle = [_idle_line(change) for change in plan.changes if change.action is Action.NOOP]
    for title, names in (
        (f"{len(idle)} unchanged", idle),
        (f"{count_noun(len(plan.unmanaged), 'unmanaged resource')}, left alone", plan.unmanaged),
        (f"{count_noun(len(limits), 'unmanaged limit')}, left alone", limits),
    ):
        if names:
            yield MarkdownBlock(
                _LIST, folded_block(title, _first_names(list(map(escape_line, names)))), f"{title}."
            )


def _list_heavy(plan: Plan) -> list[tuple[Change, str]]:
    """The changes that destroy, replace or re-index, and that word; the heaviest come first."""
    words = [(change, heavy_word(change)) for change in plan.changes]
    return sorted((pair for pair in words if pair[1]), key=lambda pair: HEAVY_WORDS.index(pair[1]))


def _heavy_table(heavy: list[tuple[Change, str]]) -> MarkdownBlock:
    rows = [
        (code_span(change.address), word, *map(_format_size, measure_change(change)))
        for change, word in heavy
    ]
    more = len(rows) - _MOST_ROWS
    lines = table(("", "effect", "points", "bytes on disk"), rows[:_MOST_ROWS])
    short = ", ".join(f"{sum(w == word for _, w in heavy)} {word}" for word in HEAVY_WORDS
                      if any(w == word for _, w in heavy))  # fmt: skip
    rest = f"\n\n… and {more} more" if more > 0 else ""
    return MarkdownBlock(_NOTICE, f"{lines}{rest}", f"{short}.")


def _format_size(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _group_block(group: ChangeGroup, rank: int, environment: str) -> MarkdownBlock:
    change = group.first
    sign = code_span(change_sign(change))
    name = code_span(change.address) if group.is_alone else group.title
    title = f"#### {sign} {name} {change_heading(change)}"
    names = "" if group.is_alone else ", ".join(map(escape_line, group.addresses))
    above = (
        *wrap(names, _NAME_WIDTH),
        origin_text(change.origin) if group.is_alone else "",
        change_reason(change),
        sum_rebuilds(group.changes),
        snapshot_note(change, environment),
        *forecast_lines(change),
    )
    rows = [replace(row, sign=_DIFF_SIGNS.get(row.sign, row.sign)) for row in group.rows]
    notes = [f"# {word}" for word in above if word]
    lines = [*notes, *align_rows(rows)]
    number = len(group.changes)
    if not lines:
        return MarkdownBlock(rank, title, counted_as="change", number=number)
    body = code_fence(lines, "diff")
    if rank != _DANGER:
        summary = count_noun(len(rows), "field") if rows else count_noun(len(notes), "note")
        body = folded_block(summary, lines, "diff")
    return MarkdownBlock(rank, f"{title}\n\n{body}", title, "change", number)


def _idle_line(change: Change) -> str:
    return f"{change.address} ({change.because})" if change.because else change.address


def _owner_title(document: Plan | Report | Drift | AuditReport) -> str:
    return code_span(f"{document.project}/{document.environment}")


def _first_names(names: list[str]) -> list[str]:
    """At most the first lines, and the number of further ones."""
    more = len(names) - _MOST_NAMES
    return names if more <= 0 else [*names[:_MOST_NAMES], f"… and {more} more"]
