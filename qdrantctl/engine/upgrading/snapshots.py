"""Which snapshots the target of an upgrade does not restore."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.upgrading.inputs import StoredSnapshot, UpgradeInput
from qdrantctl.model.server import Version
from qdrantctl.model.upgrade import Topic, UpgradeFinding, UpgradeSubject
from qdrantctl.model.violation import Severity


def check_stored_snapshots(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    """Snapshots that the target refuses, or that are too old for it."""
    for snapshot in inputs.snapshots:
        for problem, hint in snapshot.obstacles:
            yield UpgradeFinding(
                topic=Topic.SNAPSHOTS,
                severity=Severity.ERROR,
                subjects=(UpgradeSubject(address=snapshot.name),),
                message=f"not restored by the target, which {problem}",
                hint=hint,
            )
        if not snapshot.obstacles and (finding := _check_age(snapshot, inputs)):
            yield finding
    for reason in inputs.unread:
        yield UpgradeFinding(
            topic=Topic.SNAPSHOTS,
            severity=Severity.WARNING,
            message=f"not every snapshot could be looked at: {reason}",
        )


def _check_age(snapshot: StoredSnapshot, inputs: UpgradeInput) -> UpgradeFinding | None:
    taken_on, table = Version.parse(snapshot.record.server), inputs.table
    subjects = (UpgradeSubject(address=snapshot.name),)
    if taken_on < table.converts_rocksdb and inputs.target.version >= table.without_rocksdb:
        return UpgradeFinding(
            topic=Topic.SNAPSHOTS,
            severity=Severity.WARNING,
            since=str(table.without_rocksdb),
            subjects=subjects,
            message=f"taken before {table.converts_rocksdb}, it may hold segments in RocksDB, "
            f"which {table.without_rocksdb} and newer cannot read",
            hint="Restore it on 1.16.3 or 1.17.1, which convert them, and take it again there.",
        )
    if inputs.target.version.minor - taken_on.minor > 1:
        return UpgradeFinding(
            topic=Topic.SNAPSHOTS,
            severity=Severity.NOTE,
            subjects=subjects,
            message="more than one minor version older than the target; Qdrant guarantees storage "
            "to be read by the next minor version",
            hint="Take new snapshots after each step. `qdrantctl snapshots verify` restores a set "
            "for a test.",
        )
    return None
