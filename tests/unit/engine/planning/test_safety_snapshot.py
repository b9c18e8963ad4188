"""What is lost with a vector or a shard key, also where both are called the same."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.planning.safety_snapshot import (
    SKIP,
    destroys_points,
    missing_nodes_violation,
    points_at_risk,
)
from qdrantctl.flows.applying import bookkeeping
from qdrantctl.flows.execution.context import ChangeProgress
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.actor import Actor
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.object_names import SAME_NAMES
from qdrantctl.model.resource import Facts, Inventory, Resource
from qdrantctl.model.server import Server, Version
from tests.support.states import desired, question, recorded

SERVER = Server(Version(1, 18, 0), "http://localhost:6333", distributed=True, peers=1)
VECTOR = {"size": 4, "distance": "Dot"}
KEY = ("shard_keys", "eu")
BOTH = {
    "vectors": {"eu": VECTOR, "us": VECTOR},
    "sharding_method": "custom",
    "shard_keys": ["eu", "us"],
}


def live(points: int, eu: int) -> Resource:
    ours = recorded("collection/a", **BOTH)
    facts = Facts(points=points, points_by_key={KEY: eu, ("shard_keys", "us"): points - eu})
    return Resource(ours.address, ours.spec, facts=facts)


def change(**wanted):
    asked = question(
        [desired("collection/a", **BOTH | wanted)],
        [live(3, 0)],
        [recorded("collection/a", **BOTH)],
        server=SERVER,
    )
    (found,) = plan_changes(asked, BY_NAME)
    return found


def test_a_vector_is_lost_from_every_point_whatever_key_is_called_like_it():
    dropped = change(vectors={"us": VECTOR})
    (lost,) = (field for field in dropped.fields if field.destroys_data)
    assert lost.path == ("vectors", "eu")
    assert points_at_risk(live(3, 0), lost) == 3
    assert destroys_points(dropped, live(3, 0), BY_NAME["collection"])


def test_a_key_is_lost_with_what_is_under_it():
    dropped = change(shard_keys=["us"])
    (lost,) = (field for field in dropped.fields if field.destroys_data)
    assert (lost.path, points_at_risk(live(3, 0), lost), points_at_risk(live(3, 2), lost)) == (
        KEY,
        0,
        2,
    )
    assert not destroys_points(dropped, live(3, 0), BY_NAME["collection"])


@pytest.mark.parametrize("protected", [True, False])
def test_a_way_without_a_snapshot_is_offered_where_there_is_one(protected):
    several = replace(live(3, 0), facts=Facts(points=3, peers=frozenset(("1", "2"))))
    told = missing_nodes_violation(change(vectors={"us": VECTOR}), several, (), protected=protected)
    assert (SKIP in told.hint) is not protected


@pytest.mark.parametrize(
    ("wanted", "before", "now", "stops"),
    [
        ({"vectors": {"us": VECTOR}}, live(0, 0), live(3, 0), True),
        ({"vectors": {"us": VECTOR}}, live(1, 0), live(3, 2), False),
        ({"shard_keys": ["us"]}, live(3, 0), live(3, 2), True),
        ({"shard_keys": ["us"]}, live(3, 0), live(4, 0), False),
    ],
)
def test_what_came_since_the_plan_is_not_lost(monkeypatch, wanted, before, now, stops):
    worlds = SimpleNamespace(names=SAME_NAMES, owners=())
    planned = SimpleNamespace(cluster_state=worlds, desired=SimpleNamespace(inventory=Inventory()))
    monkeypatch.setattr(bookkeeping, "read_live", lambda *_: Inventory([now]))
    monkeypatch.setattr(bookkeeping, "find_new_problems", lambda *_: [])  # it asks the cluster
    context = SimpleNamespace(live=Inventory([before]), client=None)
    records = bookkeeping.ApplyRecords(planned, context, Actor("tester", "", ""))
    progress = ChangeProgress(change(**wanted))
    if not stops:
        records.ensure_unchanged(progress)
        return
    with pytest.raises(ClusterError, match="points were added since, under 'eu'"):
        records.ensure_unchanged(progress)
