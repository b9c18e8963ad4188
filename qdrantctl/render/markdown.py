"""Plans and reports for a comment on a pull request.

Whatever users or the cluster named stands in code spans and fences only, where it is inert.
"""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.audit.report import Answer, AuditReport
from qdrantctl.model.change import Action, Change
from qdrantctl.model.drift import Drift
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource_view import ResourceView
from qdrantctl.model.violation import Severity
from qdrantctl.render.diagnostics import violation_lines
from qdrantctl.render.shared import audit_rows as audited
from qdrantctl.render.shared import drift_rows as drifted
from qdrantctl.render.shared import side_by_side as beside
from qdrantctl.render.shared import summaries as numbers
from qdrantctl.render.shared.ansi import paint_plain
from qdrantctl.render.shared.escape import count_noun, escape_line
from qdrantctl.render.shared.markdown_blocks import (
    MarkdownBlock,
    code_fence,
    code_span,
    comment_marker,
    fit_blocks,
    folded_block,
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
from qdrantctl.render.shared.style import PLAIN, Style

_FIRST = (Action.DELETE, Action.REPLACE, Action.REFUSED)
"""What a reviewer must not miss, in this order."""
_MOST_NAMES = 100
"""Names in a list; the rest is counted."""
_NOTICE, _DANGER, _ERROR, _CHANGE, _REMARK, _LIST = range(6)
"""Ranks, the last to be cut first."""


def plan(made: Plan, style: Style = PLAIN) -> str:
    """The plan in at most `style.max_bytes` of UTF-8; the last line counts what is left out."""
    marked = comment_marker("plan", made.project, made.environment)
    return fit_blocks(
        marked, f"### {numbers.plan_summary(made)}", tuple(_plan_blocks(made)), style.max_bytes
    )


def report(made: Report, _: Style = PLAIN) -> str:
    """What became of a plan."""
    parts = [
        f"### {numbers.report_summary(made)}",
        f"{_owner_title(made)} on {code_span(made.url)}",
    ]
    wrong = [
        o for o in made.outcomes if o.status in (OutcomeStatus.FAILED, OutcomeStatus.NOT_TAKEN)
    ]
    if wrong:
        parts.append(code_fence([line for met in wrong for line in _outcome_line(met)], "text"))
    if backs := numbers.restore_lines(made):
        parts.append(code_fence(backs, "text"))
    for status, title in ((OutcomeStatus.NOT_REACHED, "not reached"), (OutcomeStatus.DONE, "done")):
        if met := [o for o in made.outcomes if o.status is status]:
            lines = [line for each in met for line in _outcome_line(each)]
            parts.append(folded_block(f"{len(met)} {title}", _first_names(lines)))
    if not made.is_complete:
        parts.append(numbers.continuation_note(made))
    marked = comment_marker(made.command.replace(" ", "-"), made.project, made.environment)
    return f"{marked}\n" + "\n\n".join(parts) + "\n"


def _outcome_line(met: Outcome) -> list[str]:
    return [numbers.outcome_sentence(met), *(f"  {line}" for line in numbers.stored_lines(met))]


def resource(view: ResourceView, _: Style = PLAIN) -> str:
    """One resource: what was applied beside what is there."""
    head, *more = beside.resource_facts(view)
    parts = [f"### {code_span(head)}", code_fence([*more, *beside.comparison_table(view)], "text")]
    if view.events:
        parts.append(folded_block("history", beside.history_lines(view.events)))
    return "\n\n".join(parts) + "\n"


def drift(made: Drift, style: Style = PLAIN) -> str:
    """The drift report in at most `style.max_bytes`, for an issue or a chat."""
    marked = comment_marker("drift", made.project, made.environment)
    title = f"### {drifted.drift_headline(made)}"
    return fit_blocks(marked, title, tuple(_drift_blocks(made)), style.max_bytes, "drift")


def audit(made: AuditReport, style: Style = PLAIN) -> str:
    """The audit in at most `style.max_bytes`: findings open, all other lines folded."""
    marked = comment_marker("audit", made.project, made.environment)
    title = f"### {audited.audit_summary(made)}"
    return fit_blocks(marked, title, tuple(_audit_blocks(made)), style.max_bytes, "audit")


def _audit_blocks(made: AuditReport) -> Iterator[MarkdownBlock]:
    yield MarkdownBlock(
        _NOTICE, f"{_owner_title(made)} on {code_span(audited.audited_place(made))}"
    )
    rest: dict[Answer, list[str]] = {answer: [] for answer in audited.AUDIT_SIGNS}
    for rule, about, verdicts in audited.group_by_rule(made):
        answer, lines = audited.overall_answer(verdicts), list(audited.verdict_lines(verdicts))
        if answer is not Answer.FAIL:
            rest[answer] += [f"{rule} {about.title}", *(f"  {line}" for line in lines)]
            continue
        weight = audited.heaviest_severity(verdicts)
        head = f"#### {weight} {rule}: {about.title}"
        body = code_fence([*lines, audited.remedy_line(rule, about)], "text")
        rank = _DANGER if weight is Severity.ERROR else _CHANGE
        yield MarkdownBlock(rank, f"{head}\n\n{body}", head, "message")
    for name, caps in audited.proof_lines(made).items():
        yield MarkdownBlock(_REMARK, folded_block(f"{audited.PROOFS}: {name}", _first_names(caps)))
    for answer, lines in rest.items():
        if lines:
            yield MarkdownBlock(_LIST, folded_block(answer.replace("_", " "), lines))


def _drift_blocks(made: Drift) -> Iterator[MarkdownBlock]:
    server = f"Qdrant {code_span(made.server.version)}"
    yield MarkdownBlock(_NOTICE, f"{_owner_title(made)} on {code_span(made.server.url)} ({server})")
    for rank, (title, block) in enumerate(drifted.drift_blocks(made), _DANGER):
        yield MarkdownBlock(rank, f"**{title}**")
        for moved in block:
            head = f"#### {code_span(drifted.drift_sign(moved))} {code_span(moved.address)}"
            lines = [f"# {word}" for word in (drifted.drift_suffix(moved),) if word]
            lines += align_rows(drifted.drift_field_rows(moved))
            full = f"{head}\n\n{code_fence(lines, 'diff')}" if lines else head
            yield MarkdownBlock(rank, full, head, "change")
    for remark in drifted.drift_remarks(made):
        yield MarkdownBlock(_ERROR, code_fence([remark], "text"), of="message")


def _plan_blocks(made: Plan) -> Iterator[MarkdownBlock]:
    """The parts of a plan in the order in which they are read."""
    mode = "cluster mode" if made.server.distributed else "standalone"
    server = f"Qdrant {code_span(made.server.version)}, {mode}"
    if offline := numbers.offline_note(made, code_span):
        yield MarkdownBlock(_NOTICE, f"{_owner_title(made)}: **{offline}**")
    else:
        yield MarkdownBlock(
            _NOTICE, f"{_owner_title(made)} on {code_span(made.server.url)} ({server})"
        )
    for words in numbers.preparation_note(made):
        yield MarkdownBlock(_NOTICE, f"{words[0].upper()}{words[1:]}.")
    for action in _FIRST:
        for change in made.changes:
            if change.action is action:
                yield _change_block(change, _DANGER, made.environment)
    for change in made.changes:
        if change.action not in (*_FIRST, Action.NOOP):
            yield _change_block(change, _CHANGE, made.environment)
    for violation in made.violations:
        rank = _ERROR if violation.severity is Severity.ERROR else _REMARK
        for entry in violation_lines([violation], paint_plain):
            yield MarkdownBlock(rank, code_fence(entry.split("\n"), "text"), of="message")
    if why := numbers.blocked_note(made):
        yield MarkdownBlock(_NOTICE, f"**{why}**")
    idle = [_idle_line(change) for change in made.changes if change.action is Action.NOOP]
    for title, names in (
        (f"{len(idle)} unchanged", idle),
        (f"{count_noun(len(made.unmanaged), 'unmanaged resource')}, left alone", made.unmanaged),
    ):
        if names:
            yield MarkdownBlock(
                _LIST, folded_block(title, _first_names(list(map(escape_line, names)))), f"{title}."
            )


def _change_block(change: Change, rank: int, environment: str) -> MarkdownBlock:
    sign, address = code_span(PLAN_SIGNS[change.action]), code_span(change.address)
    title = f"#### {sign} {address} {change_heading(change)}"
    above = (origin_text(change.origin), change_reason(change), snapshot_note(change, environment))
    lines = [*(f"# {word}" for word in above if word), *align_rows(change_rows(change))]
    if not lines:
        return MarkdownBlock(rank, title, of="change")
    return MarkdownBlock(rank, f"{title}\n\n{code_fence(lines, 'diff')}", title, "change")


def _idle_line(change: Change) -> str:
    return f"{change.address} ({change.because})" if change.because else change.address


def _owner_title(made: Plan | Report | Drift | AuditReport) -> str:
    return code_span(f"{made.project}/{made.environment}")


def _first_names(names: list[str]) -> list[str]:
    """The first of many lines, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return names if more <= 0 else [*names[:_MOST_NAMES], f"… and {more} more"]
