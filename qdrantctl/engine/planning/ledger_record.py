"""The new ledger entry of a resource, and why an existing one is out of date."""

from __future__ import annotations

from qdrantctl.engine.planning.inputs import DraftChange, PlanInput
from qdrantctl.engine.planning.recorded_spec import ignored_paths, spec_to_record
from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import Json, json_equal
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Resource, is_recreated, json_digest
from qdrantctl.model.spec import Path

RECREATED = "re-created outside qdrantctl"


def new_record(
    draft: DraftChange,
    desired: Resource | None,
    applied: Resource | None,
    kind: Kind,
    plan_input: PlanInput,
) -> dict[str, Json] | None:
    """The ledger entry once `draft` is applied; None if nothing is recorded."""
    if desired is None or draft.action is Action.REFUSED:
        return None
    untouched = ignored_paths(desired, plan_input.today) | draft.unapplied
    spec = spec_to_record(desired, applied, untouched)
    lifecycle = desired.lifecycle.document()
    digest = (
        desired.digest
        if spec is desired.spec
        else json_digest({"address": str(draft.address), "spec": spec, "lifecycle": lifecycle})
    )
    version = plan_input.versions.get(draft.address, 1)
    if applied and applied.record and draft.address not in plan_input.versions:
        version = applied.record.schema_version + (digest != applied.record.digest)
    address = draft.address.qualified(plan_input.owner) if kind.scoped_to_owner else draft.address
    return {
        "owner": plan_input.owner,
        "address": str(address),
        "object": plan_input.names.object_name(draft.address),
        "schema_version": version,
        "digest": digest,
        "spec": spec,
        "lifecycle": lifecycle,
    }


def reason_to_rewrite(
    desired: Resource,
    live: Resource,
    applied: Resource,
    unapplied: frozenset[Path],
    plan_input: PlanInput,
) -> str:
    """Why the record must be rewritten though the cluster matches; empty if it need not be."""
    record = applied.record
    assert record is not None
    if record.pending is not None:
        return "finishes an interrupted apply"
    if record.owner != plan_input.owner:
        is_cloned = record.owner in plan_input.cloned_owners
        return (
            f"recorded by {record.owner}, {'on the original' if is_cloned else 'a previous name'}"
        )
    if is_recreated(record, live.facts):
        return RECREATED
    stored = spec_to_record(desired, applied, ignored_paths(desired, plan_input.today) | unapplied)
    lifecycle = desired.lifecycle.document()
    if not json_equal(stored, applied.spec) or lifecycle != applied.lifecycle.document():
        return "the cluster matches the manifest, the record does not"
    if applied.is_from_state:
        return "it is in the committed state and not in the ledger"
    version = plan_input.versions.get(desired.address, record.schema_version)
    if version == record.schema_version or unapplied:
        return ""
    return f"the committed state is at version {version}, the record is not"
