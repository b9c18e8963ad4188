"""A plan as a page: its changes with their fields three-way, and what depends on what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.plan import Plan
from qdrantctl.render.shared import summaries
from qdrantctl.render.shared.escape import count_noun, format_value
from qdrantctl.render.shared.page import (
    CALM,
    CHANGE,
    DANGER,
    GOOD,
    HEAVY,
    THREE_WAY,
    Page,
    PageEntry,
    PageList,
    PageMember,
    PageRow,
    PageSection,
    page_messages,
)
from qdrantctl.render.shared.picture import BoxLook, draw_picture
from qdrantctl.render.shared.plan_groups import ChangeGroup, group_changes
from qdrantctl.render.shared.plan_rows import (
    HEAVY_WORDS,
    change_heading,
    change_reason,
    change_sign,
    effect_word,
    heavy_word,
    measure_change,
    origin_text,
    snapshot_note,
    sum_rebuilds,
    worst_note,
)
from qdrantctl.render.shared.replacement_lines import forecast_lines

_TONES = dict(zip(HEAVY_WORDS, (DANGER, DANGER, DANGER, HEAVY, HEAVY), strict=True)) | {
    "created": GOOD,
    "updated": CHANGE,
    "adopted": CHANGE,
}


def make_plan_page(plan: Plan) -> Page:
    """The page of a plan."""
    changes = [change for change in plan.changes if change.action is not Action.NOOP]
    anchors = {change.address: f"change-{number}" for number, change in enumerate(changes)}
    entries = [
        _group_entry(group, anchors, plan.environment)
        for group in sorted(group_changes(changes, _filtered_and_applied), key=_group_weight)
    ]
    looks = {
        change.address: BoxLook(
            change_sign(change), _TONES.get(effect_word(change), CALM), anchors[change.address]
        )
        for change in sorted(changes, key=_weight)
    }
    is_blocked = bool(summaries.blocked_note(plan))
    return Page(
        kind="Plan",
        subject=plan.owner,
        verdict=" ".join(filter(None, (summaries.verdict(plan), worst_note(changes)))),
        tone=DANGER if is_blocked else GOOD if plan.has_work else CALM,
        facts=tuple(_plan_facts(plan)),
        notices=tuple(
            note
            for note in (
                summaries.offline_note(plan),
                summaries.blocked_note(plan),
                *(f"{note[0].upper()}{note[1:]}." for note in summaries.preparation_note(plan)),
            )
            if note
        ),
        sections=(PageSection("Changes", tuple(entries)),) if entries else (),
        messages=page_messages(plan.violations),
        lists=tuple(_plan_lists(plan)),
        picture=draw_picture(plan.references, looks),
        program=f"qdrantctl {plan.qdrantctl_version}",
    )


def _weight(change: Change) -> int:
    """The place of a change among those that a reviewer must not miss."""
    word = heavy_word(change)
    return HEAVY_WORDS.index(word) if word else len(HEAVY_WORDS)


def _group_weight(group: ChangeGroup) -> int:
    return _weight(group.first)


def _filtered_and_applied(change: Change) -> object:
    """What a page shows beyond text: tags for its filters, and the values applied last."""
    fields = [field for field in change.fields if field.effect > Effect.SAME]
    return _tags_of(change), tuple(_three_values(field)[0] for field in fields)


def _tags_of(change: Change) -> tuple[tuple[str, str], ...]:
    return ("effect", effect_word(change)), ("cause", str(change.cause))


def _plan_facts(plan: Plan) -> Iterator[tuple[str, str]]:
    if plan.offline is ABSENT:
        mode = "cluster mode" if plan.server.distributed else "standalone"
        yield "Server", plan.server.url
        yield "Qdrant", f"{plan.server.version}, {mode}"
    if isinstance(plan.commit, str):
        yield "Commit", plan.commit
    yield "Manifests", plan.manifests_digest


def _plan_lists(plan: Plan) -> Iterator[PageList]:
    idle = [
        f"{change.address} ({change.because})" if change.because else change.address
        for change in plan.changes
        if change.action is Action.NOOP
    ]
    limits = summaries.list_unmanaged_limits(plan)
    for title, lines in (
        (f"{len(idle)} unchanged", idle),
        (f"{count_noun(len(plan.unmanaged), 'unmanaged resource')}, left alone", plan.unmanaged),
        (f"{count_noun(len(limits), 'unmanaged limit')}, left alone", limits),
    ):
        if lines:
            yield PageList(title, tuple(lines))


def _group_entry(group: ChangeGroup, anchors: Mapping[str, str], environment: str) -> PageEntry:
    change = group.first
    effect = effect_word(change)
    notes = (
        change_reason(change),
        *(_own_facts(change) if group.is_alone else ()),
        sum_rebuilds(group.changes),
        snapshot_note(change, environment),
        *forecast_lines(change),
    )
    members = () if group.is_alone else group.changes
    return PageEntry(
        title=change.address if group.is_alone else group.title,
        tags=_tags_of(change),
        sign=change_sign(change),
        summary=change_heading(change) if group.is_alone else _group_summary(group),
        tone=_TONES.get(effect, CALM),
        anchor=anchors[change.address] if group.is_alone else "",
        notes=tuple(filter(None, notes)),
        columns=THREE_WAY,
        rows=tuple(_field_rows(group)),
        is_open=effect in HEAVY_WORDS,
        members=tuple(
            PageMember(member.address, anchors[member.address], ", ".join(_own_facts(member)))
            for member in members
        ),
    )


def _group_summary(group: ChangeGroup) -> str:
    """`will be updated in-place: max_query_limit: 1000 -> 500`; of more fields their number."""
    heading, rows = change_heading(group.first), group.rows
    if not rows:
        return heading
    more = f", and {count_noun(len(rows) - 1, 'more field')}" if len(rows) > 1 else ""
    gap = "" if rows[0].change.startswith(":") else " "
    return f"{heading}: {rows[0].path}{gap}{rows[0].change}{more}"


def _own_facts(change: Change) -> tuple[str, ...]:
    """Points, bytes and place of one resource, as far as they are known."""
    points, size = measure_change(change)
    facts = (
        count_noun(points, "point") if points is not None else "",
        f"{size:,} bytes on disk" if size is not None else "",
        origin_text(change.origin),
    )
    return tuple(filter(None, facts))


def _field_rows(group: ChangeGroup) -> Iterator[PageRow]:
    """Each field as it was applied, is live and is desired."""
    fields = [field for field in group.first.fields if field.effect > Effect.SAME]
    for field, row in zip(fields, group.rows, strict=True):
        yield PageRow(
            sign=row.sign.strip(),
            path=row.path,
            values=_three_values(field),
            effect=field.effect.name.lower(),
            notes=row.notes,
            place=row.place,
        )


def _three_values(field: FieldChange) -> tuple[str, ...]:
    values = (field.recorded, field.live, field.desired)
    return tuple(format_value(value, field.path) for value in values)
