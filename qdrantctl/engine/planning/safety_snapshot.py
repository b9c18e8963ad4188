"""The snapshot that is taken before points are destroyed, and the findings about it."""

from __future__ import annotations

from qdrantctl.model.change import Change, FieldChange
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.step import Snapshot, Step
from qdrantctl.model.violation import Severity, Violation

SKIP = "--no-safety-snapshot"


def destroys_points(change: Change, live: Resource | None, kind: Kind) -> bool:
    """Whether the change loses points; an unknown number of points counts as some."""
    is_kept = change.replacement is not ABSENT
    if not kind.holds_data or live is None or live.facts.points == 0 or is_kept:
        return False
    lost_parts = (field for field in change.fields if field.destroys_data)
    return change.destroys or any(points_at_risk(live, field) != 0 for field in lost_parts)


def points_at_risk(live: Resource | None, dropped: FieldChange) -> int | None:
    """Points that are lost with a shard key or a vector; None if unknown."""
    if live is None or live.facts.points == 0:
        return 0
    return live.facts.points_by_key.get(dropped.path, live.facts.points)


def snapshot_step(change: Change, nodes: tuple[str, ...]) -> Step:
    """The step before all others of a change that destroys points."""
    return Step(snapshot=Snapshot(collection=change.parsed_address.name, nodes=nodes))


def skipped_snapshot(change: Change) -> Violation:
    """The warning that no snapshot is taken."""
    return Violation(
        rule="QC210",
        severity=Severity.WARNING,
        address=change.address,
        message=f"points are destroyed, and no snapshot is taken before ({SKIP})",
        hint="The points cannot be restored. Leave the flag out if they may be needed again.",
    )


def missing_nodes_violation(
    change: Change, live: Resource, nodes: tuple[str, ...], *, protected: bool
) -> Violation | None:
    """The error if no URL is stated for some node that holds shards; None otherwise."""
    holders = len(live.facts.peers)
    if holders <= len(nodes):
        return None
    nodes_stated = f"nodes names {len(nodes)}" if nodes else "the environment states no nodes"
    return Violation(
        rule="QC215",
        address=change.address,
        message=f"{change.address} has shards on {holders} node{'s' * (holders > 1)} of a cluster, "
        f"and {nodes_stated}; a snapshot taken on one node holds only its own shards",
        hint="State every node's own address in the environment, as in nodes: "
        "[https://qdrant-0.example.com:6333, …]"
        + ("." if protected else f"; or skip the snapshot: {SKIP} {change.address}."),
    )
