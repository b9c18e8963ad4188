"""A plan as a page: its changes with their fields three-way, and what depends on what."""

from __future__ import annotations

from collections.abc import Iterator

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
    PageRow,
    PageSection,
    page_messages,
)
from qdrantctl.render.shared.picture import BoxLook, draw_picture
from qdrantctl.render.shared.plan_rows import (
    HEAVY_WORDS,
    change_heading,
    change_reason,
    change_rows,
    change_sign,
    heavy_word,
    measure_change,
    origin_text,
    snapshot_note,
    sum_rebuilds,
)
from qdrantctl.render.shared.replacement_lines import forecast_lines

_LIGHT_WORDS = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.ADOPT: "adopted",
    Action.FORGET: "forgotten",
    Action.RUN: "run",
}
_TONES = dict(zip(HEAVY_WORDS, (DANGER, DANGER, DANGER, HEAVY, HEAVY), strict=True)) | {
    "created": GOOD,
    "updated": CHANGE,
    "adopted": CHANGE,
}


def make_plan_page(plan: Plan) -> Page:
    """The page of a plan."""
    changes = [change for change in plan.changes if change.action is not Action.NOOP]
    entries = [
        _change_entry(change, number, plan.environment) for number, change in enumerate(changes)
    ]
    looks = {e.title: BoxLook(e.sign, e.tone, e.anchor) for e in sorted(entries, key=_weight)}
    is_blocked = bool(summaries.blocked_note(plan))
    return Page(
        kind="Plan",
        subject=plan.owner,
        verdict=summaries.verdict(plan),
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


def _weight(entry: PageEntry) -> int:
    """The place of an entry among those that a reviewer must not miss."""
    effect = entry.tags[0][1]
    return HEAVY_WORDS.index(effect) if effect in HEAVY_WORDS else len(HEAVY_WORDS)


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


def _change_entry(change: Change, number: int, environment: str) -> PageEntry:
    effect = heavy_word(change) or _LIGHT_WORDS[change.counted_as]
    points, size = measure_change(change)
    notes = (
        change_reason(change),
        f"{count_noun(points, 'point')}" if points is not None else "",
        f"{size:,} bytes on disk" if size is not None else "",
        origin_text(change.origin),
        sum_rebuilds((change,)),
        snapshot_note(change, environment),
        *forecast_lines(change),
    )
    return PageEntry(
        title=change.address,
        tags=(("effect", effect), ("cause", str(change.cause))),
        sign=change_sign(change),
        summary=change_heading(change),
        tone=_TONES.get(effect, CALM),
        anchor=f"change-{number}",
        notes=tuple(filter(None, notes)),
        columns=THREE_WAY,
        rows=tuple(_field_rows(change)),
        is_open=effect in HEAVY_WORDS,
    )


def _field_rows(change: Change) -> Iterator[PageRow]:
    """Each field as it was applied, is live and is desired."""
    fields = [field for field in change.fields if field.effect > Effect.SAME]
    for field, row in zip(fields, change_rows(change), strict=True):
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
