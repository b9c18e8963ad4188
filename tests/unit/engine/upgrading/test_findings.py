"""What an upgrade changes for states that the test builds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.upgrading.findings import find_upgrade_findings
from qdrantctl.engine.upgrading.inputs import StoredSnapshot, UpgradeInput, VersionTable
from qdrantctl.engine.upgrading.order import upgrade_steps
from qdrantctl.flows.upgrade_check import with_obstacles
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.version_changes import (
    CONVERTS_ROCKSDB,
    NEWEST_PATCHES,
    TARGETS,
    VERSION_CHANGES,
    WITHOUT_ROCKSDB,
)
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import UNKNOWN, Version
from qdrantctl.model.snapshots.snapshot import SnapshotRecord
from qdrantctl.model.upgrade import Topic
from tests.support.states import SERVER, TODAY, desired, live_collection, question, recorded

VECTOR = {"size": 4, "distance": "Dot"}
PRODUCTS = "collection/products"
TABLE = VersionTable(VERSION_CHANGES, NEWEST_PATCHES, CONVERTS_ROCKSDB, WITHOUT_ROCKSDB)


def upgrade(before, after, want=(), live=(), known=(), snapshots=(), **server):
    current = replace(SERVER, version=Version.parse(before), **server)
    target = replace(current, version=Version.parse(after), newest=UNKNOWN)
    return UpgradeInput(
        current=current,
        target=target,
        desired=Inventory(want),
        live=Inventory(live),
        recorded=Inventory(known),
        snapshots=tuple(with_obstacles(each, target) for each in snapshots),
        plan_for=lambda at: plan_changes(question(want, live, known, server=at), BY_NAME),
        kinds=BY_NAME,
        table=TABLE,
        today=TODAY,
    )


def of_topic(inputs, topic):
    return [finding for finding in find_upgrade_findings(inputs) if finding.topic is topic]


def snapshot(server, **spec):
    return StoredSnapshot(
        "s3://backups",
        SnapshotRecord(
            id="2026-11-30-03-00-00",
            collection="products",
            server=server,
            aliases=(),
            spec=desired(PRODUCTS, **spec).spec,
            files=(),
        ),
    )


def paths(findings):
    return {(f.severity, ".".join(map(str, s.path)), s.address)
            for f in findings for s in f.subjects}  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        ("1.19.0", "1.19.0", ()),
        ("1.18.3", "1.19.0", ("1.19.0",)),
        ("1.18.0", "1.19.0", ("1.18.3", "1.19.0")),
        ("1.16.3", "1.19.0", ("1.17.1", "1.18.3", "1.19.0")),
        ("1.13.2", "1.17.0", ("1.14", "1.15.5", "1.16.3", "1.17.0")),
        ("1.16.1", "1.16.3", ("1.16.3",)),
    ],
)
def test_one_minor_version_follows_the_other(before, after, steps):
    assert upgrade_steps(upgrade(before, after)) == steps


@pytest.mark.parametrize(
    ("before", "after", "severities"),
    [("1.16.3", "1.19.0", ["warning"]), ("1.18.0", "1.19.0", ["note"]), ("1.18.3", "1.19.0", [])],
)
def test_skipped_versions_are_said(before, after, severities):
    found = of_topic(upgrade(before, after, peers=2), Topic.ORDER)
    assert [finding.severity for finding in found] == severities


def test_nothing_to_do_for_the_version_that_runs():
    want = desired(PRODUCTS, vectors=VECTOR | {"on_disk": True})
    assert find_upgrade_findings(upgrade("1.19.0", "1.19.0", [want])) == ()


def test_nodes_of_several_versions():
    mixed = upgrade("1.18.3", "1.19.0", newest=Version(1, 19, 0), peers=2)
    (found, *_) = of_topic(mixed, Topic.ORDER)
    assert found.message == "the nodes run Qdrant 1.18.3 to 1.19.0"


def test_one_replica_is_not_served_while_its_node_restarts():
    live = [live_collection("one"), live_collection("two", params={"replication_factor": 2})]
    (found,) = of_topic(upgrade("1.18.3", "1.19.0", live=live, peers=3), Topic.ORDER)
    assert [subject.address for subject in found.subjects] == ["collection/one"]


def test_what_the_target_refuses():
    names = desired(PRODUCTS, vectors={"a/b": VECTOR}, sparse_vectors={"": {}})
    disk = desired("collection/disk", vectors=VECTOR,
                   strict_mode_config={"max_disk_usage_percent": 80})  # fmt: skip
    inputs = upgrade("1.16.3", "1.19.0", [names])
    assert len(of_topic(inputs, Topic.REFUSED)) == 2
    assert paths(of_topic(inputs, Topic.REFUSED)) == {("error", "", PRODUCTS)}
    found = of_topic(upgrade("1.18.3", "1.19.0", [disk], [], []), Topic.REFUSED)
    assert paths(found) == {
        ("error", "strict_mode_config.max_disk_usage_percent", "collection/disk")
    }
    assert found[0].message == "ended with Qdrant 1.18.3"


def test_what_both_refuse_is_not_new():
    names = desired(PRODUCTS, vectors={"a/b": VECTOR})
    assert of_topic(upgrade("1.18.3", "1.19.0", [names]), Topic.REFUSED) == []


def test_what_exists_without_a_manifest_is_a_warning():
    live = live_collection("products", params={"vectors": {"a/b": VECTOR}})
    (found,) = of_topic(upgrade("1.17.1", "1.18.3", live=[live]), Topic.REFUSED)
    assert found.severity == "warning"


def test_snapshots_that_the_target_does_not_restore():
    snapshots = [
        snapshot("1.16.3", vectors={"a/b": VECTOR}),
        snapshot("1.16.3", vectors={"a": VECTOR}, sparse_vectors={"": {}}),
        snapshot("1.15.5", vectors=VECTOR),
        snapshot("1.16.0", vectors=VECTOR),
        snapshot("1.16.3", vectors=VECTOR),
        snapshot("1.18.3", vectors=VECTOR),
    ]
    found = of_topic(upgrade("1.16.3", "1.19.0", snapshots=snapshots), Topic.SNAPSHOTS)
    assert [finding.severity for finding in found] == ["error"] * 3 + ["warning", "note"]
    assert "version 1.15, then upgrade it" in found[2].hint
    assert "RocksDB" in found[3].message
    name = "collection/products@2026-11-30-03-00-00 at s3://backups"
    assert {s.address for finding in found for s in finding.subjects} == {name}
    found = of_topic(upgrade("1.16.3", "1.17.1", snapshots=snapshots), Topic.SNAPSHOTS)
    assert [finding.severity for finding in found] == ["error"]


def test_deprecated_fields_are_one_finding_with_their_places():
    want = [
        desired(f"collection/{name}", vectors=VECTOR | {"on_disk": True}) for name in ("a", "b")
    ]
    (found, _) = of_topic(upgrade("1.18.3", "1.19.0", want), Topic.DEPRECATED)
    assert paths([found]) == {
        ("note", "vectors..on_disk", "collection/a"),
        ("note", "vectors..on_disk", "collection/b"),
    }
    assert of_topic(upgrade("1.16.3", "1.18.3", want), Topic.DEPRECATED) == []


def test_a_planned_replacement_that_is_made_in_place_later():
    before, after = {"a": VECTOR}, {"a": VECTOR, "b": VECTOR}
    states = (
        [desired(PRODUCTS, vectors=after)],
        [live_collection("products", params={"vectors": before})],
        [recorded(PRODUCTS, vectors=before)],
    )
    found = [f for f in of_topic(upgrade("1.16.3", "1.18.3", *states), Topic.IN_PLACE)
             if "planned" in f.message]  # fmt: skip
    assert paths(found) == {("note", "vectors.b", PRODUCTS)}
    found = of_topic(upgrade("1.18.3", "1.19.0", *states), Topic.IN_PLACE)
    assert not any("planned" in finding.message for finding in found)


def test_a_field_that_only_the_target_knows_is_no_way_back():
    want = desired(PRODUCTS, vectors=VECTOR | {"memory": "cold"})
    found = of_topic(upgrade("1.18.3", "1.19.0", [want]), Topic.NO_WAY_BACK)
    assert paths(found) == {("note", "vectors..memory", PRODUCTS)}


@pytest.mark.parametrize(("before", "warns"), [("1.15.5", True), ("1.16.3", False)])
def test_segments_that_the_target_cannot_read_concern_old_servers(before, warns):
    found = of_topic(upgrade(before, "1.18.3"), Topic.ORDER)
    assert any("RocksDB" in finding.message for finding in found) is warns


def test_metrics_change_with_the_versions_that_are_crossed():
    def since(before, after):
        return {f.since for f in of_topic(upgrade(before, after), Topic.METRICS)}

    assert since("1.16.3", "1.17.0") == {"1.17.0"}
    assert since("1.17.0", "1.18.3") == {"1.17.1", "1.18.0"}
    assert since("1.19.0", "1.20.0") == set()


def test_every_change_lies_within_the_targets():
    first, last = TARGETS
    for change in VERSION_CHANGES:
        assert first <= Version.parse(change.since) <= last, change
        assert change.kind in ("", *BY_NAME), change
