"""The quota on answers of Qdrant 1.19.0, recorded 2026-11-30, and on states made from them."""

from __future__ import annotations

from typing import Any

import pytest

from qdrantctl.engine.drift import drifted_resources
from qdrantctl.engine.planning.planner import plan_changes, unmanaged_addresses
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.quota import QUOTA, parse_quota_status, read_quota_status
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action
from qdrantctl.model.client import ReadRequest
from qdrantctl.model.drift import DriftKind
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.quota import NodeUsage
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import list_calls
from tests.support.recorded import Recorded
from tests.support.states import desired, question, recorded

ADDRESS = Address("quota", "cluster")
NEW = Server(Version(1, 19, 0), "http://localhost:6333")
OLD = Server(Version(1, 18, 3), "http://localhost:6333")
NOTHING = {
    "config": {"enabled": False},
    "usage": {"resident_memory_percent": 0, "disk_usage_percent": 73},
}
"""`GET /quotas` of a standalone server."""
TELEMETRY = {
    "app": {"system": {"ram_size": 9007199254740988, "disk_size": 264212084}},
    "quota": {
        "config": {"enabled": False},
        "exceeded": {"resident_memory": None, "disk_usage": None},
    },
    "collections": {"number_of_collections": 0, "collections": []},
}
"""Of `GET /telemetry?details_level=2` what concerns the quota."""
FORBIDDEN = "Forbidden: Global access is required"


def client(quotas: Any = None, server: Server = NEW) -> Recorded:
    answers = {} if quotas is None else {"quotas": quotas, "telemetry": TELEMETRY}
    return Recorded(server, **answers)


def observed(at: Recorded, *, want: bool = False, only: bool = False) -> list[Resource]:
    inventory = Inventory([quota()] if want else [])
    request = ReadRequest(inventory, Inventory(), only=frozenset({ADDRESS}) if only else None)
    return list(QUOTA.observe(at, request))


def quota(**spec: Any) -> Resource:
    return desired("quota/cluster", enabled=True, **({"max_disk_usage_percent": 90} | spec))


def live(**config: Any) -> Resource:
    return Resource(ADDRESS, config)


def answer(**config: Any) -> dict[str, Any]:
    return {**NOTHING, "config": config}


def plan(want: list[Resource], now: list[Resource], known: list[Resource], **more: Any):
    return plan_changes(question(want, now, known, server=more.pop("server", NEW), **more), BY_NAME)


def bodies(change: Any) -> list[tuple[str, str, Any]]:
    return [(call.method, call.path, call.body) for call in list_calls(change.steps)]


def test_a_quota_that_limits_nothing_is_none():
    assert observed(client(NOTHING)) == []
    assert observed(client(answer(enabled=True, release_margin_percent=3))) == []
    [found] = observed(client(answer(enabled=False, max_disk_usage_percent=80)))
    assert found.spec == {"enabled": False, "max_disk_usage_percent": 80}
    assert found.facts.usage == (
        NodeUsage(node="", memory_percent=0, disk_percent=73, exceeded=False),
    )


def test_an_older_server_is_not_asked():
    older = client(server=OLD)
    assert observed(older, want=True) == []
    assert read_quota_status(older) is None
    assert older.requested == []


def test_a_key_that_may_not_read_quotas_is_an_error_only_where_one_is_needed():
    refusal = ClusterError("GET /quotas answered 403", why=FORBIDDEN, status=403, from_qdrant=True)
    refusing = client(refusal)
    assert observed(refusing) == []
    status = read_quota_status(refusing)
    assert status is not None
    assert status.unread == FORBIDDEN
    for words in ({"want": True}, {"only": True}):
        with pytest.raises(ClusterError, match="the quota cannot be read"):
            observed(refusing, **words)
    with pytest.raises(ClusterError):
        observed(client(ClusterError("GET /quotas answered 500", status=500)))


def test_where_the_memory_is_unknown_no_limit_of_it_is_reached():
    status = parse_quota_status(NOTHING, TELEMETRY)
    assert status.unreachable_reason("max_resident_memory_percent")
    assert not status.unreachable_reason("max_disk_usage_percent")
    known = {**TELEMETRY, "app": {"system": {"ram_size": 264212084}}}
    assert not parse_quota_status(NOTHING, known).unreachable_reason("max_resident_memory_percent")
    unknown = {**NOTHING, "usage": {"resident_memory_percent": None, "disk_usage_percent": None}}
    status = parse_quota_status(unknown, known)
    assert status.unreachable_reason("max_disk_usage_percent")


def test_a_reached_limit_holds_until_the_usage_is_a_margin_below_it():
    told = {**TELEMETRY, "quota": {"exceeded": {"resident_memory": None, "disk_usage": True}}}
    status = parse_quota_status(answer(enabled=True, max_disk_usage_percent=75), told)
    assert status.describe_excess(status.config) == (
        "the disk is at 73%, and has to fall below 70% since it reached max_disk_usage_percent (75)"
    )
    assert not status.list_full_nodes({"enabled": True, "max_disk_usage_percent": 74})
    assert status.list_full_nodes({"enabled": True, "max_disk_usage_percent": 73})
    assert not status.list_full_nodes({"enabled": False, "max_disk_usage_percent": 1})


def test_every_node_that_answers_says_for_itself():
    peers = {
        "7": {"resident_memory_percent": 1, "disk_usage_percent": 91, "exceeded": True},
        "12": {"resident_memory_percent": 1, "disk_usage_percent": 20, "exceeded": False},
    }
    status = parse_quota_status(
        {**answer(enabled=True, max_disk_usage_percent=90), "peers": peers}, TELEMETRY
    )
    assert status.describe_excess(status.config) == (
        "node 7: the disk is at 91%, max_disk_usage_percent is 90"
    )


@pytest.mark.parametrize(
    ("want", "now", "known", "action", "body"),
    [
        ({}, None, None, Action.CREATE, {"enabled": True, "max_disk_usage_percent": 90}),
        (
            {},
            {"enabled": True, "max_disk_usage_percent": 80, "release_margin_percent": 2},
            {"max_disk_usage_percent": 80},
            Action.UPDATE,
            {"enabled": True, "max_disk_usage_percent": 90, "release_margin_percent": 2},
        ),
        (
            {},
            {"enabled": True, "max_disk_usage_percent": 90, "max_resident_memory_percent": 70},
            {"max_resident_memory_percent": 70},
            Action.UPDATE,
            {"enabled": True, "max_disk_usage_percent": 90},
        ),
        (
            {"release_margin_percent": 0},
            {"enabled": False, "max_disk_usage_percent": 90},
            None,
            Action.ADOPT,
            {"enabled": True, "max_disk_usage_percent": 90, "release_margin_percent": 0},
        ),
        (None, {"enabled": True, "max_disk_usage_percent": 90}, {}, Action.DELETE,
         {"enabled": False}),
        ({}, {"enabled": True, "max_disk_usage_percent": 90}, {}, Action.NOOP, None),
        ({}, {"enabled": True, "max_disk_usage_percent": 90}, None, Action.ADOPT, None),
    ],
)  # fmt: skip
def test_one_request_replaces_the_whole_quota(want, now, known, action, body):
    [change] = plan(
        [] if want is None else [quota(**want)],
        [] if now is None else [live(**now)],
        [] if known is None else [recorded("quota/cluster", **quota(**known).spec)],
    )
    assert change.action is action
    assert bodies(change) == ([] if body is None else [("PUT", "/quotas", body)])


def test_an_older_server_refuses_it():
    [change] = plan([quota()], [], [], server=OLD)
    assert change.action is Action.REFUSED
    assert "needs Qdrant 1.19.0 or newer, this server is 1.18.3" in change.because


def test_the_quota_comes_first_and_goes_last():
    want = [desired("collection/a", vectors={"size": 4, "distance": "Dot"})]
    assert [c.address for c in plan([*want, quota()], [], [])] == ["quota/cluster", "collection/a"]
    known = [recorded("quota/cluster", **quota().spec)]
    now = [live(**quota().spec)]
    assert [c.address for c in plan(want, now, known)] == ["collection/a", "quota/cluster"]


@pytest.mark.parametrize(
    ("want", "now", "direction"),
    [
        ({"max_disk_usage_percent": 95}, {}, "loosens"),
        ({"max_disk_usage_percent": 80}, {}, "tightens"),
        ({}, {"enabled": False}, "tightens"),
        ({"max_resident_memory_percent": 50}, {}, "tightens"),
    ],
)
def test_limits_tighten_and_loosen(want, now, direction):
    before = quota().spec | now
    [change] = plan([quota(**want)], [live(**before)], [recorded("quota/cluster", **quota().spec)])
    assert [field.direction for field in change.fields] == [direction]


def test_what_others_have_set_is_named_and_drift_is_seen():
    now = live(enabled=True, max_disk_usage_percent=99, max_resident_memory_percent=50)
    known = recorded("quota/cluster", **quota().spec)
    asked = question([quota()], [now], [known], server=NEW)
    [drift] = drifted_resources(asked, BY_NAME)
    assert drift.what is DriftKind.CHANGED
    assert {field.path for field in drift.fields} == {("max_disk_usage_percent",)}
    [gone] = drifted_resources(question([quota()], [], [known], server=NEW), BY_NAME)
    assert gone.what is DriftKind.GONE
    assert unmanaged_addresses(question([], [now], [], server=NEW)) == ("quota/cluster",)
