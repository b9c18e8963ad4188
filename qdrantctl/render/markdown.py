"""Plans and reports for a comment on a pull request.

Whatever users or the cluster named stands in code spans and fences only, where it is inert.
"""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.model.audit.report import Answer, AuditReport
from qdrantctl.model.change import Action, Change
from qdrantctl.model.drift import Drift
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import Outcome, Report, Status
from qdrantctl.model.resource_view import Shown
from qdrantctl.model.violation import Severity
from qdrantctl.render.diagnostics import entries
from qdrantctl.render.shared import audit_rows as audited
from qdrantctl.render.shared import drift_rows as drifted
from qdrantctl.render.shared import side_by_side as beside
from qdrantctl.render.shared import summaries as numbers
from qdrantctl.render.shared.ansi import plain
from qdrantctl.render.shared.escape import clean, counted
from qdrantctl.render.shared.markdown_blocks import Block, code, fence, fitted, folded, marker
from qdrantctl.render.shared.plan_rows import (
    SIGNS,
    heading,
    lined_up,
    place,
    reason,
    rows,
    way_back,
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
    marked = marker("plan", made.project, made.environment)
    return fitted(marked, f"### {numbers.planned(made)}", tuple(_blocks(made)), style.max_bytes)


def report(made: Report, _: Style = PLAIN) -> str:
    """What became of a plan."""
    parts = [f"### {numbers.applied(made)}", f"{_owner(made)} on {code(made.url)}"]
    wrong = [o for o in made.outcomes if o.status in (Status.FAILED, Status.NOT_TAKEN)]
    if wrong:
        parts.append(fence([line for met in wrong for line in _became(met)], "text"))
    if backs := numbers.ways_back(made):
        parts.append(fence(backs, "text"))
    for status, title in ((Status.NOT_REACHED, "not reached"), (Status.DONE, "done")):
        if met := [o for o in made.outcomes if o.status is status]:
            lines = [line for each in met for line in _became(each)]
            parts.append(folded(f"{len(met)} {title}", _some(lines)))
    if not made.complete:
        parts.append(numbers.going_on(made))
    marked = marker(made.command.replace(" ", "-"), made.project, made.environment)
    return f"{marked}\n" + "\n\n".join(parts) + "\n"


def _became(met: Outcome) -> list[str]:
    return [numbers.became(met), *(f"  {line}" for line in numbers.stored(met))]


def resource(made: Shown, _: Style = PLAIN) -> str:
    """One resource: what was applied beside what is there."""
    head, *more = beside.facts(made)
    parts = [f"### {code(head)}", fence([*more, *beside.table(made)], "text")]
    if made.events:
        parts.append(folded("history", beside.events(made.events)))
    return "\n\n".join(parts) + "\n"


def drift(made: Drift, style: Style = PLAIN) -> str:
    """The drift report in at most `style.max_bytes`, for an issue or a chat."""
    marked = marker("drift", made.project, made.environment)
    title = f"### {drifted.headline(made)}"
    return fitted(marked, title, tuple(_drift(made)), style.max_bytes, "drift")


def audit(made: AuditReport, style: Style = PLAIN) -> str:
    """The audit in at most `style.max_bytes`: findings open, all other lines folded."""
    marked = marker("audit", made.project, made.environment)
    title = f"### {audited.summary(made)}"
    return fitted(marked, title, tuple(_audit(made)), style.max_bytes, "audit")


def _audit(made: AuditReport) -> Iterator[Block]:
    yield Block(_NOTICE, f"{_owner(made)} on {code(audited.place(made))}")
    rest: dict[Answer, list[str]] = {answer: [] for answer in audited.SIGNS}
    for rule, about, verdicts in audited.by_rule(made):
        answer, lines = audited.whole(verdicts), list(audited.told(verdicts))
        if answer is not Answer.FAIL:
            rest[answer] += [f"{rule} {about.title}", *(f"  {line}" for line in lines)]
            continue
        weight = audited.weight(verdicts)
        head = f"#### {weight} {rule}: {about.title}"
        body = fence([*lines, audited.remedy(rule, about)], "text")
        rank = _DANGER if weight is Severity.ERROR else _CHANGE
        yield Block(rank, f"{head}\n\n{body}", head, "message")
    for name, caps in audited.proofs(made).items():
        yield Block(_REMARK, folded(f"{audited.PROOFS}: {name}", _some(caps)))
    for answer, lines in rest.items():
        if lines:
            yield Block(_LIST, folded(answer.replace("_", " "), lines))


def _drift(made: Drift) -> Iterator[Block]:
    server = f"Qdrant {code(made.server.version)}"
    yield Block(_NOTICE, f"{_owner(made)} on {code(made.server.url)} ({server})")
    for rank, (title, block) in enumerate(drifted.blocks(made), _DANGER):
        yield Block(rank, f"**{title}**")
        for moved in block:
            head = f"#### {code(drifted.sign(moved))} {code(moved.address)}"
            lines = [f"# {word}" for word in (drifted.told(moved),) if word]
            lines += lined_up(drifted.rows(moved))
            full = f"{head}\n\n{fence(lines, 'diff')}" if lines else head
            yield Block(rank, full, head, "change")
    for remark in drifted.remarks(made):
        yield Block(_ERROR, fence([remark], "text"), of="message")


def _blocks(made: Plan) -> Iterator[Block]:
    """The parts of a plan in the order in which they are read."""
    mode = "cluster mode" if made.server.distributed else "standalone"
    server = f"Qdrant {code(made.server.version)}, {mode}"
    if offline := numbers.compared(made, code):
        yield Block(_NOTICE, f"{_owner(made)}: **{offline}**")
    else:
        yield Block(_NOTICE, f"{_owner(made)} on {code(made.server.url)} ({server})")
    for words in numbers.prepared(made):
        yield Block(_NOTICE, f"{words[0].upper()}{words[1:]}.")
    for action in _FIRST:
        for change in made.changes:
            if change.action is action:
                yield _change(change, _DANGER, made.environment)
    for change in made.changes:
        if change.action not in (*_FIRST, Action.NOOP):
            yield _change(change, _CHANGE, made.environment)
    for violation in made.violations:
        rank = _ERROR if violation.severity is Severity.ERROR else _REMARK
        for entry in entries([violation], plain):
            yield Block(rank, fence(entry.split("\n"), "text"), of="message")
    if why := numbers.blocked(made):
        yield Block(_NOTICE, f"**{why}**")
    idle = [_idle(change) for change in made.changes if change.action is Action.NOOP]
    for title, names in (
        (f"{len(idle)} unchanged", idle),
        (f"{counted(len(made.unmanaged), 'unmanaged resource')}, left alone", made.unmanaged),
    ):
        if names:
            yield Block(_LIST, folded(title, _some(list(map(clean, names)))), f"{title}.")


def _change(change: Change, rank: int, environment: str) -> Block:
    title = f"#### {code(SIGNS[change.action])} {code(change.address)} {heading(change)}"
    above = (place(change.origin), reason(change), way_back(change, environment))
    lines = [*(f"# {word}" for word in above if word), *lined_up(rows(change))]
    if not lines:
        return Block(rank, title, of="change")
    return Block(rank, f"{title}\n\n{fence(lines, 'diff')}", title, "change")


def _idle(change: Change) -> str:
    return f"{change.address} ({change.because})" if change.because else change.address


def _owner(made: Plan | Report | Drift | AuditReport) -> str:
    return code(f"{made.project}/{made.environment}")


def _some(names: list[str]) -> list[str]:
    """The first of many lines, and how many more there are."""
    more = len(names) - _MOST_NAMES
    return names if more <= 0 else [*names[:_MOST_NAMES], f"… and {more} more"]
