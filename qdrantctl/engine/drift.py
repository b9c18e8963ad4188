"""Drift since the last apply: last-applied, live and desired state compared. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from functools import cached_property

from qdrantctl.engine.diff import KnownDiffs, diff_states
from qdrantctl.engine.hidden import describe_hidden, find_hidden, show_way_out
from qdrantctl.engine.planning.compare import (
    Comparison,
    compare_since_apply,
    compare_with_record,
    is_being_remade,
    is_of_interrupted_apply,
)
from qdrantctl.engine.planning.inputs import PlanInput, RecordOrigin
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
from qdrantctl.model.frozen import frozen
from qdrantctl.model.kind import Kind
from qdrantctl.model.paths import get_at
from qdrantctl.model.resource import Record, Resource, is_recreated, json_digest
from qdrantctl.model.server import Server
from qdrantctl.model.spec import FieldTree, Path, field_tree_of


@frozen
class DriftInput:
    """A resource as it was applied and as it is now, with their comparison."""

    recorded: Resource
    record: Record
    live: Resource
    desired: Resource | None
    kind: Kind
    server: Server
    today: date
    known: KnownDiffs

    @cached_property
    def comparison(self) -> Comparison:
        """What differs between the last apply and the cluster."""
        return compare_since_apply(
            self.recorded, self.live, self.desired, self.kind, self.server, self.today, self.known
        )

    @property
    def field_tree(self) -> FieldTree:
        """The fields of its kind."""
        return field_tree_of(self.kind.spec)

    def is_readable(self, path: Path) -> bool:
        """Whether the cluster could report the value at `path`."""
        return str(path[0]) not in self.live.facts.unread


def drifted_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[DriftedResource]:
    """Applied resources of this owner that have changed on the cluster since."""
    for address, applied in _comparable_records(plan_input):
        live = plan_input.live.get(address)
        if live is None:
            yield _drifted_resource(
                address, DriftKind.GONE, applied, because="deleted outside qdrantctl"
            )
            continue
        if find_hidden(address, plan_input.live, kinds):
            continue
        fields = tuple(
            _drifted_fields(_make_drift_input(applied, live, plan_input, kinds[address.kind]))
        )
        if applied.record and is_recreated(applied.record, live.facts):
            because = "deleted and recreated outside qdrantctl; its previous points are lost"
            yield _drifted_resource(
                address, DriftKind.RECREATED, applied, fields, because, identity=live.facts.identity
            )
        elif fields:
            yield _drifted_resource(address, DriftKind.CHANGED, applied, fields)


def hidden_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind], *, managed: bool
) -> Iterator[DriftedResource]:
    """Collections that an alias of their name hides: those that concern this owner, or the rest."""
    named = {*plan_input.desired, *plan_input.recorded}
    concerned = {find_hidden(address, plan_input.live, kinds) for address in named}
    for address, live in plan_input.live.items():
        if live.facts.hidden_by and (address in concerned) is managed:
            because = f"QC224: {describe_hidden(address, plan_input.live)}"
            because += f". {show_way_out(address, plan_input.live)}"
            yield _drifted_resource(address, DriftKind.HIDDEN, None, because=because)


def unapplied_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[DriftedResource]:
    """Resources whose manifests differ from the last-applied state."""
    pending = {address for address, _ in _pending_records(plan_input)}
    for address in sorted({*plan_input.desired, *plan_input.recorded} - pending):
        desired, applied = plan_input.desired.get(address), plan_input.recorded.get(address)
        entry = plan_input.remembered.get(address)
        if desired is None:
            removed = address in plan_input.removed
            because = "listed under removed" if removed else "no manifest states it"
            if not plan_input.partial:
                yield _drifted_resource(address, DriftKind.LEFT, None, because=because)
        elif applied is None:
            owner = entry.record.owner if entry and entry.record else ""
            because = (
                f"owned by {owner}{_of_a_copy(owner, plan_input)}"
                if owner
                else _exists_live(address, plan_input)
            )
            yield _drifted_resource(address, DriftKind.NEW, None, because=because)
        else:
            fields = tuple(_edited_fields(desired, applied, plan_input, kinds[address.kind]))
            same_lifecycle = desired.lifecycle.document() == applied.lifecycle.document()
            if fields or not same_lifecycle:
                because = "" if same_lifecycle else "its lifecycle has changed in the manifest"
                yield _drifted_resource(address, DriftKind.CHANGED, None, fields, because)


def _of_a_copy(owner: str, plan_input: PlanInput) -> str:
    is_copied = plan_input.origins.get(owner) is RecordOrigin.COPIED
    return ", and this cluster seems to be a copy of that owner's" if is_copied else ""


def unmanaged_resources(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[DriftedResource]:
    """Live changes that no manifest covers: unmanaged fields and resources."""
    for address, applied in _comparable_records(plan_input):
        live = plan_input.live.get(address)
        if find_hidden(address, plan_input.live, kinds):
            continue
        if live is not None and applied.record and applied.record.observed is not None:
            drift_input = _make_drift_input(applied, live, plan_input, kinds[address.kind])
            if fields := tuple(_unmanaged_fields(drift_input, applied.record.observed)):
                yield _drifted_resource(address, DriftKind.CHANGED, None, fields)
    for address, live in plan_input.live.items():
        is_named = address in plan_input.remembered or address in plan_input.desired
        if not is_named and not live.facts.hidden_by:
            because = "no manifest states it, and it was never applied"
            yield _drifted_resource(
                address, DriftKind.APPEARED, None, because=because, identity=live.facts.identity
            )


def unchanged_limits(
    plan_input: PlanInput, kinds: Mapping[str, Kind]
) -> Iterator[tuple[Address, tuple[str, ...]]]:
    """The limits of each resource that no manifest states and no user changed since the last apply.

    A plan names them, too; they are no drift.
    """
    for address, applied in _comparable_records(plan_input):
        live, desired = plan_input.live.get(address), plan_input.desired.get(address)
        if live is None or desired is None or find_hidden(address, plan_input.live, kinds):
            continue
        drift_input = _make_drift_input(applied, live, plan_input, kinds[address.kind])
        observed = drift_input.record.observed or {}
        changed = {field.path for field in _unmanaged_fields(drift_input, observed)}
        limits = (
            ".".join(map(str, field.path))
            for field in drift_input.comparison.fields
            if field.is_unmanaged_limit and not _is_below(field.path, changed)
        )
        if names := tuple(limits):
            yield address, names


def _is_below(path: Path, parents: Collection[Path]) -> bool:
    return any(path[: len(parent)] == parent for parent in parents)


def interrupted_addresses(plan_input: PlanInput) -> Iterator[DriftedResource]:
    """Resources of an interrupted apply. What that apply was changing does not count as drift."""
    for address, applied in _pending_records(plan_input):
        assert applied.record is not None
        action = str((applied.record.pending or {}).get("action") or "change")
        because = f"an apply was interrupted during its {action}; the next apply completes it"
        yield _drifted_resource(address, DriftKind.INTERRUPTED, applied, because=because)


def make_baseline(owner: str, drifted: Iterable[DriftedResource]) -> Baseline:
    """A baseline that marks all current drift of `owner` as known."""
    entries = {entry: None for resource in drifted for entry in _known_entries(resource)}
    order = sorted(entries, key=lambda entry: (entry.address, str(entry.path), entry.digest))
    return Baseline(owner=owner, known=tuple(order))


def mark_known(
    drifted: Iterable[DriftedResource], baseline: Baseline
) -> tuple[DriftedResource, ...]:
    """The drifted resources, those in the baseline marked as known."""
    return tuple(_mark_known_fields(resource, frozenset(baseline.known)) for resource in drifted)


def _mark_known_fields(
    resource: DriftedResource, entries: frozenset[KnownDrift]
) -> DriftedResource:
    fields = tuple(
        field.model_copy(update={"known": _field_key(resource.address, field) in entries})
        for field in resource.fields
    )
    all_known = all(entry in entries for entry in _known_entries(resource))
    return resource.model_copy(update={"fields": fields, "known": all_known})


def _known_entries(resource: DriftedResource) -> Iterator[KnownDrift]:
    if resource.what is not DriftKind.CHANGED:
        pins = (resource.uuid, resource.created_at)
        identity = next((pin for pin in pins if pin is not ABSENT), "")
        digest = json_digest({"what": str(resource.what), "uuid": identity})
        yield KnownDrift(address=resource.address, path=(), digest=digest)
    yield from (_field_key(resource.address, field) for field in resource.fields)


def _field_key(address: str, field: DriftedField) -> KnownDrift:
    value = None if field.now is ABSENT else field.now
    return KnownDrift(address=address, path=field.path, digest=json_digest(value))


def _comparable_records(plan_input: PlanInput) -> Iterator[tuple[Address, Resource]]:
    """Records of applies that were completed, or left most of the resource as it was."""
    for address, applied in plan_input.recorded.items():
        if applied.record and not is_being_remade(applied):
            yield address, applied


def _pending_records(plan_input: PlanInput) -> Iterator[tuple[Address, Resource]]:
    """Records of interrupted applies."""
    for address, applied in plan_input.recorded.items():
        if applied.record and applied.record.pending is not None:
            yield address, applied


def _make_drift_input(
    applied: Resource, live: Resource, plan_input: PlanInput, kind: Kind
) -> DriftInput:
    assert applied.record is not None
    desired = plan_input.desired.get(applied.address)
    return DriftInput(
        applied,
        applied.record,
        live,
        desired,
        kind,
        plan_input.server,
        plan_input.today,
        plan_input.diffs,
    )


def _drifted_fields(drift_input: DriftInput) -> Iterator[DriftedField]:
    """The applied fields that have changed: what a plan of the record would revert."""
    fields = drift_input.comparison.fields
    for change in drift_input.kind.refine_fields(
        fields, drift_input.recorded, drift_input.live, drift_input.recorded
    ):
        if _is_left_by_apply(drift_input, change):
            continue
        if change.effect > Effect.KEPT and drift_input.is_readable(change.path):
            is_desired = drift_input.desired is not None and _has_value(
                drift_input.desired.spec, change.path, change.live
            )
            because = "matches the manifests already; apply only records it" if is_desired else ""
            before = change.recorded
            if before is ABSENT:
                before = get_at(drift_input.record.observed or {}, change.path)
            yield DriftedField(path=change.path, before=before, now=change.live, because=because)


def _edited_fields(
    desired: Resource, applied: Resource, plan_input: PlanInput, kind: Kind
) -> Iterator[DriftedField]:
    """The fields in which the manifest differs from the last-applied spec."""
    live = plan_input.live.get(applied.address)
    for change in compare_with_record(
        desired, applied, kind, plan_input.server, plan_input.today, plan_input.diffs
    ):
        because = change.because if change.effect is Effect.KEPT else ""
        if live is not None and _has_value(live.spec, change.path, change.desired):
            because = "already on the cluster"
        field = DriftedField(
            path=change.path, before=change.recorded, now=change.desired, because=because
        )
        origin = change.origin
        yield field if origin is ABSENT else field.model_copy(update={"origin": origin})


def _unmanaged_fields(
    drift_input: DriftInput, observed: Mapping[str, Json]
) -> Iterator[DriftedField]:
    """Fields that were not applied and differ from their values after the last apply."""
    if json_equal(observed, drift_input.live.spec):
        return
    for change in diff_states(
        drift_input.field_tree, observed, drift_input.live.spec, drift_input.comparison.context
    ):
        reportable = drift_input.is_readable(change.path) and not _comes_from_upgrade(
            drift_input, change
        )
        is_own = _is_left_by_apply(drift_input, change)
        if reportable and not is_own and not _is_stated_path(drift_input, change.path):
            yield DriftedField(path=change.path, before=change.recorded, now=change.live)


def _is_left_by_apply(drift_input: DriftInput, change: FieldChange) -> bool:
    """Whether an interrupted apply, and not another user, left the value of a field."""
    applied = drift_input.recorded
    return drift_input.record.pending is not None and is_of_interrupted_apply(
        drift_input.field_tree, change.path, change.live, applied
    )


def _is_stated_path(drift_input: DriftInput, path: Path) -> bool:
    """Whether the applied spec sets `path`, a parent of it, or a part of it."""
    field_tree: FieldTree | None = drift_input.field_tree
    tree: Json = drift_input.comparison.expanded
    exclusive = drift_input.comparison.context.exclusive
    for depth, key in enumerate(path):
        if (
            field_tree is None
            or field_tree.is_leaf
            or field_tree.rule.replaced_as_unit
            or path[:depth] in exclusive
        ):
            return True
        tree = field_tree.as_mapping(tree).get(key, ABSENT)
        if tree is ABSENT:
            return False
        field_tree = field_tree.child(key)
    return True


def _comes_from_upgrade(drift_input: DriftInput, change: FieldChange) -> bool:
    """Whether the server reports a field only because it was upgraded since the last apply.

    That is true of fields alone. A new key of a map (an index, a metadata key) was
    added by another user.
    """
    upgraded = drift_input.record.server and drift_input.record.server != str(
        drift_input.comparison.context.server.version
    )
    if not upgraded or change.recorded is not ABSENT:
        return False
    parents = [drift_input.field_tree, *drift_input.field_tree.walk(change.path[:-1])]
    return parents[-1].entries is None


def _exists_live(address: Address, plan_input: PlanInput) -> str:
    return "already on the cluster, to be adopted" if address in plan_input.live else ""


def _has_value(spec: Mapping[str, Json], path: Path, value: Json) -> bool:
    """Whether `spec` has `value` at `path`."""
    actual = get_at(spec, path)
    if actual is ABSENT or value is ABSENT:
        return actual is value
    return json_equal(actual, value)


def _drifted_resource(
    address: Address,
    drift_kind: DriftKind,
    applied: Resource | None,
    fields: tuple[DriftedField, ...] = (),
    because: str = "",
    identity: Mapping[str, str] | None = None,
) -> DriftedResource:
    resource = DriftedResource(
        address=str(address), what=drift_kind, fields=fields, because=because
    )
    optional: dict[str, object] = dict(identity or {})
    if applied is not None and applied.record is not None and applied.record.when:
        record = applied.record
        optional["applied"] = LastApply(when=record.when, who=record.who, commit=record.commit)
    return resource.model_copy(update=optional)
