"""What a restore that did not end forbids: taking what it has left for the collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.state.live import Worlds
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.snapshots.snapshot import underway, way_back
from qdrantctl.model.violation import Violation


def half_restored(
    settings: Settings,
    changes: Sequence[Change],
    found: Worlds,
    allows: Callable[[str, Address], bool],
) -> Iterator[Violation]:
    """A violation for each change of a collection that is being restored, or was left half done."""
    for change in changes:
        mark = underway(found.payload(change.where))
        touched = change.action not in (Action.NOOP, Action.REFUSED)
        there = change.where in found.live
        if not (mark and touched and (there or mark.replaced)) or allows("replace", change.where):
            continue
        name, env = change.where.name, settings.environment
        again = mark.again(name, env) + (f" --allow-replace {change.address}" if there else "")
        back = way_back(change.where, mark.replaced, env) + f" --as {name}"
        consent = f"--allow-replace {change.address}"
        if settings.protected:
            consent = f"{{replace: {change.address}, until: YYYY-MM-DD}} under consents"
        begun = f"a restore of {mark.collection}@{mark.snapshot} to it, begun by {mark.who} at "
        left = "points may be missing" if there else "what stood there is down"
        yield Violation(
            rule="QC216",
            address=change.address,
            message=f"{begun}{mark.when}, did not end: {left}",
            hint=f"Wait for it, or run it again: {again}."
            + (f" What stood there before: {back}." if mark.replaced else "")
            + f" With {consent} this plan takes what is there.",
        )
