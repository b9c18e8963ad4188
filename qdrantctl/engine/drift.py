"""What moved since the last apply: the recorded world beside the live and the desired one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from qdrantctl.engine.diff import diff_states
from qdrantctl.engine.planning.compare import Comparison, compare_since_apply, compare_with_record
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.model.address import Address
from qdrantctl.model.change import FieldChange
from qdrantctl.model.drift import (
    Baseline,
    DriftedField,
    DriftedResource,
    DriftKind,
    KnownDrift,
    LastApply,
)
from qdrantctl.model.field_rule import ABSENT, Effect, Json, json_equal
from qdrantctl.model.kind import Kind
from qdrantctl.model.paths import get_at
from qdrantctl.model.resource import Record, Resource, json_digest
from qdrantctl.model.spec import FieldTree, Path, field_tree_of


@dataclass(frozen=True, slots=True)
class DriftInput:
    """A resource as it was applied and as it is now, with what is needed to compare them."""

    recorded: Resource
    record: Record
    live: Resource
    desired: Resource | None
    kind: Kind
    comparison: Comparison

    @property
    def field_tree(self) -> FieldTree:
        """The fields of its kind."""
        return field_tree_of(self.kind.spec)

    def is_readable(self, path: Path) -> bool:
        """Whether the cluster could tell what stands there."""
        return str(path[0]) not in self.live.facts.unread


def drifted_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[DriftedResource]:
    """What moved on the cluster since this owner applied it."""
    for address, ours in _settled_records(plan_input):
        live = plan_input.live.get(address)
        if live is None:
            yield _drifted_resource(
                address, DriftKind.GONE, ours, because="deleted outside qdrantctl"
            )
            continue
        fields = tuple(_drifted_fields(_make_pair(ours, live, plan_input, kinds[address.kind])))
        before, now = ours.record.uuid if ours.record else "", live.facts.uuid
        if before and now and before != now:
            because = "deleted and made again outside qdrantctl; its points are not those it had"
            yield _drifted_resource(address, DriftKind.RECREATED, ours, fields, because, uuid=now)
        elif fields:
            yield _drifted_resource(address, DriftKind.CHANGED, ours, fields)


def unapplied_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[DriftedResource]:
    """What the manifests ask otherwise than it was applied."""
    open_ones = {address for address, _ in _pending_records(plan_input)}
    for address in sorted({*plan_input.desired, *plan_input.recorded} - open_ones):
        desired, ours = plan_input.desired.get(address), plan_input.recorded.get(address)
        known = plan_input.remembered.get(address)
        if desired is None:
            removed = address in plan_input.removed
            because = "named under removed" if removed else "no manifest states it"
            if not plan_input.partial:
                yield _drifted_resource(address, DriftKind.LEFT, None, because=because)
        elif ours is None:
            owner = known.record.owner if known and known.record else ""
            because = f"owned by {owner}" if owner else _exists_live(address, plan_input)
            yield _drifted_resource(address, DriftKind.NEW, None, because=because)
        else:
            fields = tuple(_edited_fields(desired, ours, plan_input, kinds[address.kind]))
            same_life = desired.lifecycle.document() == ours.lifecycle.document()
            if fields or not same_life:
                because = "" if same_life else "its lifecycle is stated otherwise"
                yield _drifted_resource(address, DriftKind.CHANGED, None, fields, because)


def unmanaged_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[DriftedResource]:
    """What changed on the cluster where nobody states anything."""
    for address, ours in _settled_records(plan_input):
        live = plan_input.live.get(address)
        if live is not None and ours.record and ours.record.observed is not None:
            pair = _make_pair(ours, live, plan_input, kinds[address.kind])
            if fields := tuple(_fields_beside(pair, ours.record.observed)):
                yield _drifted_resource(address, DriftKind.CHANGED, None, fields)
    for address, live in plan_input.live.items():
        if address not in plan_input.remembered and address not in plan_input.desired:
            because = "no manifest states it, and it was never applied"
            yield _drifted_resource(
                address, DriftKind.APPEARED, None, because=because, uuid=live.facts.uuid
            )


def interrupted_addresses(plan_input: PlanInput) -> Iterator[DriftedResource]:
    """Resources of which an apply was not finished. Whatever they differ in is no drift."""
    for address, ours in _pending_records(plan_input):
        assert ours.record is not None
        action = str((ours.record.pending or {}).get("action") or "change")
        because = f"an apply did not finish its {action}; the next one does"
        yield _drifted_resource(address, DriftKind.INTERRUPTED, ours, because=because)


def make_baseline(owner: str, moved: Iterable[DriftedResource]) -> Baseline:
    """Everything that moved, as known from now on."""
    found = {entry: None for one in moved for entry in _known_entries(one)}
    order = sorted(found, key=lambda entry: (entry.address, str(entry.path), entry.digest))
    return Baseline(owner=owner, known=tuple(order))


def mark_known(moved: Iterable[DriftedResource], known: Baseline) -> tuple[DriftedResource, ...]:
    """The same, with what the baseline holds marked as known."""
    return tuple(_mark_known_fields(one, frozenset(known.known)) for one in moved)


def _mark_known_fields(moved: DriftedResource, known: frozenset[KnownDrift]) -> DriftedResource:
    fields = tuple(
        field.model_copy(update={"known": _field_key(moved.address, field) in known})
        for field in moved.fields
    )
    every = all(entry in known for entry in _known_entries(moved))
    return moved.model_copy(update={"fields": fields, "known": every})


def _known_entries(moved: DriftedResource) -> Iterator[KnownDrift]:
    if moved.what is not DriftKind.CHANGED:
        identity = "" if moved.uuid is ABSENT else moved.uuid
        mark = json_digest({"what": str(moved.what), "uuid": identity})
        yield KnownDrift(address=moved.address, path=(), digest=mark)
    yield from (_field_key(moved.address, field) for field in moved.fields)


def _field_key(address: str, field: DriftedField) -> KnownDrift:
    value = None if field.now is ABSENT else field.now
    return KnownDrift(address=address, path=field.path, digest=json_digest(value))


def _settled_records(plan_input: PlanInput) -> Iterator[tuple[Address, Resource]]:
    """What is recorded as applied to the end."""
    for address, ours in plan_input.recorded.items():
        if ours.record and ours.record.pending is None:
            yield address, ours


def _pending_records(plan_input: PlanInput) -> Iterator[tuple[Address, Resource]]:
    """What is recorded as half done."""
    for address, ours in plan_input.recorded.items():
        if ours.record and ours.record.pending is not None:
            yield address, ours


def _make_pair(ours: Resource, live: Resource, plan_input: PlanInput, kind: Kind) -> DriftInput:
    assert ours.record is not None
    desired = plan_input.desired.get(ours.address)
    comparison = compare_since_apply(ours, live, desired, kind, plan_input.server, plan_input.today)
    return DriftInput(ours, ours.record, live, desired, kind, comparison)


def _drifted_fields(pair: DriftInput) -> Iterator[DriftedField]:
    """The fields that were applied and are not as they were: what a plan of the record would do."""
    fields = pair.comparison.fields
    for found in pair.kind.classify_scope(fields, pair.recorded, pair.live, pair.recorded):
        if found.effect > Effect.KEPT and pair.is_readable(found.path):
            asked = pair.desired is not None and _has_value(
                pair.desired.spec, found.path, found.live
            )
            because = "as the manifests ask by now; apply only records it" if asked else ""
            before = found.recorded
            if before is ABSENT:
                before = get_at(pair.record.observed or {}, found.path)
            yield DriftedField(path=found.path, before=before, now=found.live, because=because)


def _edited_fields(
    desired: Resource, ours: Resource, plan_input: PlanInput, kind: Kind
) -> Iterator[DriftedField]:
    """The fields in which the manifest differs from what was applied."""
    live = plan_input.live.get(ours.address)
    for found in compare_with_record(desired, ours, kind, plan_input.server, plan_input.today):
        because = found.because if found.effect is Effect.KEPT else ""
        if live is not None and _has_value(live.spec, found.path, found.desired):
            because = "on the cluster already"
        field = DriftedField(
            path=found.path, before=found.recorded, now=found.desired, because=because
        )
        origin = found.origin
        yield field if origin is ABSENT else field.model_copy(update={"origin": origin})


def _fields_beside(pair: DriftInput, observed: Mapping[str, Json]) -> Iterator[DriftedField]:
    """The fields beside the applied ones that are not as they were seen after apply."""
    for found in diff_states(pair.field_tree, observed, pair.live.spec, pair.comparison.context):
        told = pair.is_readable(found.path) and not _comes_from_upgrade(pair, found)
        if told and not _is_stated_path(pair, found.path):
            yield DriftedField(path=found.path, before=found.recorded, now=found.live)


def _is_stated_path(pair: DriftInput, path: Path) -> bool:
    """Whether what was applied speaks of `path`: of it, of what it is part of, or of a part."""
    here: FieldTree | None = pair.field_tree
    tree: Json = pair.comparison.expanded
    exclusive = pair.comparison.context.exclusive
    for place, word in enumerate(path):
        if here is None or here.is_leaf or here.rule.replaced_as_unit or path[:place] in exclusive:
            return True
        tree = here.as_mapping(tree).get(word, ABSENT)
        if tree is ABSENT:
            return False
        here = here.child(word)
    return True


def _comes_from_upgrade(pair: DriftInput, found: FieldChange) -> bool:
    """Whether a field shows up because the server is another version than at the last apply.

    That is true of fields alone. A key of a map (an index, a key of metadata) somebody added.
    """
    upgraded = pair.record.server and pair.record.server != str(
        pair.comparison.context.server.version
    )
    if not upgraded or found.recorded is not ABSENT:
        return False
    parents = [pair.field_tree, *pair.field_tree.walk(found.path[:-1])]
    return parents[-1].entries is None


def _exists_live(address: Address, plan_input: PlanInput) -> str:
    return "on the cluster already, to be adopted" if address in plan_input.live else ""


def _has_value(spec: Mapping[str, Json], path: Path, value: Json) -> bool:
    """Whether `spec` says `value` at `path`."""
    found = get_at(spec, path)
    if found is ABSENT or value is ABSENT:
        return found is value
    return json_equal(found, value)


def _drifted_resource(
    address: Address,
    what: DriftKind,
    ours: Resource | None,
    fields: tuple[DriftedField, ...] = (),
    because: str = "",
    uuid: str = "",
) -> DriftedResource:
    made = DriftedResource(address=str(address), what=what, fields=fields, because=because)
    more: dict[str, object] = {"uuid": uuid} if uuid else {}
    if ours is not None and ours.record is not None and ours.record.when:
        record = ours.record
        more["applied"] = LastApply(when=record.when, who=record.who, commit=record.commit)
    return made.model_copy(update=more)
