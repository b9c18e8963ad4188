"""What moved since the last apply: the recorded world beside the live and the desired one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from qdrantctl.engine.diff import diff_states
from qdrantctl.engine.planning.compare import Comparison, compare_since_apply, compare_with_record
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.model.address import Address
from qdrantctl.model.change import FieldChange
from qdrantctl.model.drift import Applied, Baseline, Known, Moved, MovedField, What
from qdrantctl.model.field_rule import ABSENT, Effect, Json, same
from qdrantctl.model.kind import Kind
from qdrantctl.model.paths import at
from qdrantctl.model.resource import Record, Resource, digest
from qdrantctl.model.spec import Path, Shape, shape_of


@dataclass(frozen=True, slots=True)
class Pair:
    """A resource as it was applied and as it is now, with what is needed to compare them."""

    recorded: Resource
    record: Record
    live: Resource
    desired: Resource | None
    kind: Kind
    comparison: Comparison

    @property
    def shape(self) -> Shape:
        """The fields of its kind."""
        return shape_of(self.kind.spec)

    def readable(self, path: Path) -> bool:
        """Whether the cluster could tell what stands there."""
        return str(path[0]) not in self.live.facts.unread


def changed(plan_input: PlanInput, kinds: Mapping[str, Kind]) -> Iterator[Moved]:
    """What moved on the cluster since this owner applied it."""
    for address, ours in _settled(plan_input):
        live = plan_input.live.get(address)
        if live is None:
            yield _moved(address, What.GONE, ours, because="deleted outside qdrantctl")
            continue
        fields = tuple(_drifted(_pair(ours, live, plan_input, kinds[address.kind])))
        before, now = ours.record.uuid if ours.record else "", live.facts.uuid
        if before and now and before != now:
            because = "deleted and made again outside qdrantctl; its points are not those it had"
            yield _moved(address, What.RECREATED, ours, fields, because, uuid=now)
        elif fields:
            yield _moved(address, What.CHANGED, ours, fields)


def not_applied(plan_input: PlanInput, kinds: Mapping[str, Kind]) -> Iterator[Moved]:
    """What the manifests ask otherwise than it was applied."""
    open_ones = {address for address, _ in _open(plan_input)}
    for address in sorted({*plan_input.desired, *plan_input.recorded} - open_ones):
        desired, ours = plan_input.desired.get(address), plan_input.recorded.get(address)
        known = plan_input.remembered.get(address)
        if desired is None:
            removed = address in plan_input.removed
            because = "named under removed" if removed else "no manifest states it"
            if not plan_input.partial:
                yield _moved(address, What.LEFT, None, because=because)
        elif ours is None:
            owner = known.record.owner if known and known.record else ""
            because = f"owned by {owner}" if owner else _there(address, plan_input)
            yield _moved(address, What.NEW, None, because=because)
        else:
            fields = tuple(_edited(desired, ours, plan_input, kinds[address.kind]))
            same_life = desired.lifecycle.document() == ours.lifecycle.document()
            if fields or not same_life:
                because = "" if same_life else "its lifecycle is stated otherwise"
                yield _moved(address, What.CHANGED, None, fields, because)


def unmanaged(plan_input: PlanInput, kinds: Mapping[str, Kind]) -> Iterator[Moved]:
    """What changed on the cluster where nobody states anything."""
    for address, ours in _settled(plan_input):
        live = plan_input.live.get(address)
        if live is not None and ours.record and ours.record.observed is not None:
            pair = _pair(ours, live, plan_input, kinds[address.kind])
            if fields := tuple(_beside(pair, ours.record.observed)):
                yield _moved(address, What.CHANGED, None, fields)
    for address, live in plan_input.live.items():
        if address not in plan_input.remembered and address not in plan_input.desired:
            because = "nobody states it or applied it"
            yield _moved(address, What.APPEARED, None, because=because, uuid=live.facts.uuid)


def interrupted(plan_input: PlanInput) -> Iterator[Moved]:
    """Resources of which an apply was not finished. Whatever they differ in is no drift."""
    for address, ours in _open(plan_input):
        assert ours.record is not None
        action = str((ours.record.pending or {}).get("action") or "change")
        because = f"an apply did not finish its {action}; the next one does"
        yield _moved(address, What.INTERRUPTED, ours, because=because)


def baseline(owner: str, moved: Iterable[Moved]) -> Baseline:
    """Everything that moved, as known from now on."""
    found = {entry: None for one in moved for entry in _entries(one)}
    order = sorted(found, key=lambda entry: (entry.address, str(entry.path), entry.digest))
    return Baseline(owner=owner, known=tuple(order))


def marked(moved: Iterable[Moved], known: Baseline) -> tuple[Moved, ...]:
    """The same, with what the baseline holds marked as known."""
    return tuple(_marked(one, frozenset(known.known)) for one in moved)


def _marked(moved: Moved, known: frozenset[Known]) -> Moved:
    fields = tuple(
        field.model_copy(update={"known": _field(moved.address, field) in known})
        for field in moved.fields
    )
    every = all(entry in known for entry in _entries(moved))
    return moved.model_copy(update={"fields": fields, "known": every})


def _entries(moved: Moved) -> Iterator[Known]:
    if moved.what is not What.CHANGED:
        identity = "" if moved.uuid is ABSENT else moved.uuid
        mark = digest({"what": str(moved.what), "uuid": identity})
        yield Known(address=moved.address, path=(), digest=mark)
    yield from (_field(moved.address, field) for field in moved.fields)


def _field(address: str, field: MovedField) -> Known:
    value = None if field.now is ABSENT else field.now
    return Known(address=address, path=field.path, digest=digest(value))


def _settled(plan_input: PlanInput) -> Iterator[tuple[Address, Resource]]:
    """What is recorded as applied to the end."""
    for address, ours in plan_input.recorded.items():
        if ours.record and ours.record.pending is None:
            yield address, ours


def _open(plan_input: PlanInput) -> Iterator[tuple[Address, Resource]]:
    """What is recorded as half done."""
    for address, ours in plan_input.recorded.items():
        if ours.record and ours.record.pending is not None:
            yield address, ours


def _pair(ours: Resource, live: Resource, plan_input: PlanInput, kind: Kind) -> Pair:
    assert ours.record is not None
    desired = plan_input.desired.get(ours.address)
    comparison = compare_since_apply(ours, live, desired, kind, plan_input.server, plan_input.today)
    return Pair(ours, ours.record, live, desired, kind, comparison)


def _drifted(pair: Pair) -> Iterator[MovedField]:
    """The fields that were applied and are not as they were: what a plan of the record would do."""
    fields = pair.comparison.fields
    for found in pair.kind.classify_scope(fields, pair.recorded, pair.live, pair.recorded):
        if found.effect > Effect.KEPT and pair.readable(found.path):
            asked = pair.desired is not None and _has(pair.desired.spec, found.path, found.live)
            because = "as the manifests ask by now; apply only records it" if asked else ""
            before = found.recorded
            if before is ABSENT:
                before = at(pair.record.observed or {}, found.path)
            yield MovedField(path=found.path, before=before, now=found.live, because=because)


def _edited(
    desired: Resource, ours: Resource, plan_input: PlanInput, kind: Kind
) -> Iterator[MovedField]:
    """The fields in which the manifest differs from what was applied."""
    live = plan_input.live.get(ours.address)
    for found in compare_with_record(desired, ours, kind, plan_input.server, plan_input.today):
        because = found.because if found.effect is Effect.KEPT else ""
        if live is not None and _has(live.spec, found.path, found.desired):
            because = "on the cluster already"
        field = MovedField(
            path=found.path, before=found.recorded, now=found.desired, because=because
        )
        origin = found.origin
        yield field if origin is ABSENT else field.model_copy(update={"origin": origin})


def _beside(pair: Pair, observed: Mapping[str, Json]) -> Iterator[MovedField]:
    """The fields beside the applied ones that are not as they were seen after apply."""
    for found in diff_states(pair.shape, observed, pair.live.spec, pair.comparison.context):
        told = pair.readable(found.path) and not _came_with_the_server(pair, found)
        if told and not _stated(pair, found.path):
            yield MovedField(path=found.path, before=found.recorded, now=found.live)


def _stated(pair: Pair, path: Path) -> bool:
    """Whether what was applied speaks of `path`: of it, of what it is part of, or of a part."""
    here: Shape | None = pair.shape
    tree: Json = pair.comparison.expanded
    exclusive = pair.comparison.context.exclusive
    for place, word in enumerate(path):
        if here is None or here.is_leaf or here.rule.whole or path[:place] in exclusive:
            return True
        tree = here.as_mapping(tree).get(word, ABSENT)
        if tree is ABSENT:
            return False
        here = here.below(word)
    return True


def _came_with_the_server(pair: Pair, found: FieldChange) -> bool:
    """Whether a field shows up because the server is another version than at the last apply.

    That is true of fields alone. A key of a map (an index, a key of metadata) somebody added.
    """
    upgraded = pair.record.server and pair.record.server != str(
        pair.comparison.context.server.version
    )
    if not upgraded or found.recorded is not ABSENT:
        return False
    parents = [pair.shape, *pair.shape.along(found.path[:-1])]
    return parents[-1].entries is None


def _there(address: Address, plan_input: PlanInput) -> str:
    return "on the cluster already, to be adopted" if address in plan_input.live else ""


def _has(spec: Mapping[str, Json], path: Path, value: Json) -> bool:
    """Whether `spec` says `value` at `path`."""
    found = at(spec, path)
    if found is ABSENT or value is ABSENT:
        return found is value
    return same(found, value)


def _moved(
    address: Address,
    what: What,
    ours: Resource | None,
    fields: tuple[MovedField, ...] = (),
    because: str = "",
    uuid: str = "",
) -> Moved:
    made = Moved(address=str(address), what=what, fields=fields, because=because)
    more: dict[str, object] = {"uuid": uuid} if uuid else {}
    if ours is not None and ours.record is not None and ours.record.when:
        record = ours.record
        more["applied"] = Applied(when=record.when, who=record.who, commit=record.commit)
    return made.model_copy(update=more)
