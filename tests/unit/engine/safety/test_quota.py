"""What an exceeded quota keeps an apply from doing, on data: rules QC243, QC244 and QC214."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.quota import check_quota
from qdrantctl.engine.safety.rules import check_safety
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.consent import Consent
from qdrantctl.model.gates import Gates
from qdrantctl.model.kind import Context
from qdrantctl.model.quota import NodeUsage, QuotaStatus
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.violation import Severity
from tests.support.states import TODAY, VECTOR, desired, live_collection, question, recorded

NEW = Server(Version(1, 19, 0), "http://localhost:6333")
COLLECTION = desired("collection/a", **VECTOR)
INDEXED = desired("collection/a", **VECTOR, payload_indexes={"tag": "keyword"})


def status(*disks: int, limit: int = 70, **config: Any) -> QuotaStatus:
    """The quota of nodes with so much of their disks in use."""
    nodes = tuple(
        NodeUsage(
            node=str(number) if len(disks) > 1 else "",
            memory_percent=1,
            disk_percent=disk,
            exceeded=disk >= limit,
        )
        for number, disk in enumerate(disks)
    )
    return QuotaStatus({"enabled": True, "max_disk_usage_percent": limit, **config}, nodes)


def quota(limit: int, **more: Any) -> Resource:
    return desired("quota/cluster", enabled=True, max_disk_usage_percent=limit, **more)


def live_quota(limit: int) -> Resource:
    return Resource(Address("quota", "cluster"), quota(limit).spec)


def found(
    now: QuotaStatus | None,
    want: list[Resource],
    live: list[Resource] = (),  # type: ignore[assignment]
    known: list[Resource] = (),  # type: ignore[assignment]
    *,
    has_ledger: bool = True,
) -> list[tuple[str, Severity, str]]:
    changes = plan_changes(question(want, live, known, server=NEW), BY_NAME)
    peers = len(now.nodes) if now else 1
    violations = check_quota(changes, now, peers, has_ledger=has_ledger)
    return [(violation.rule, violation.severity, violation.message) for violation in violations]


def test_a_plan_says_what_an_exceeded_quota_refuses_before_anything_is_done():
    [(rule, severity, message)] = found(status(73), [COLLECTION])
    assert (rule, severity) == ("QC243", Severity.ERROR)
    assert message == (
        "the quota is exceeded (the disk is at 73%, max_disk_usage_percent is 70), so points, "
        "payload indexes and vectors by name are refused with 507, and so are entries of the "
        "ledger: collection/a cannot be applied"
    )


@pytest.mark.parametrize("now", [None, status(69), status(73, enabled=False)])
def test_a_quota_that_is_not_exceeded_is_in_nobodys_way(now):
    if now and not now.config["enabled"]:
        now = replace(now, nodes=tuple(n.model_copy(update={"exceeded": False}) for n in now.nodes))
    assert found(now, [INDEXED]) == []


def test_without_changes_it_is_a_warning():
    known = [recorded("collection/a", **VECTOR)]
    [(rule, severity, message)] = found(status(73), [COLLECTION], [live_collection("a")], known)
    assert (rule, severity) == ("QC243", Severity.WARNING)
    assert "the disk is at 73%" in message


def test_raising_the_quota_is_the_first_change_and_helps_all_others():
    known = [recorded("quota/cluster", **quota(70).spec)]
    [(rule, severity, message)] = found(status(73), [quota(90), INDEXED], [live_quota(70)], known)
    assert (rule, severity) == ("QC243", Severity.NOTE)
    assert message.endswith("This plan changes the quota first, and ends that")
    [(_, severity, message)] = found(status(73), [quota(72), INDEXED], [live_quota(70)], known)
    assert severity is Severity.ERROR
    assert "quota/cluster, collection/a (PUT /collections/a/index) cannot be applied" in message
    assert "max_disk_usage_percent is 72" in message


def test_a_quota_that_is_exceeded_at_once_is_refused():
    """The ledger could not say that it was applied."""
    for has_ledger in (True, False):
        want = [quota(60), COLLECTION]
        [(rule, severity, message)] = found(status(73, limit=90), want, has_ledger=has_ledger)
        assert (rule, severity) == ("QC243", Severity.ERROR)
    assert message.startswith(
        "the quota would be exceeded (the disk is at 73%, max_disk_usage_percent is 60)"
    )


def test_a_quota_that_is_deleted_helps_only_what_comes_after_it():
    known = [recorded("quota/cluster", **quota(70).spec)]
    [(_, severity, _)] = found(status(73), [], [live_quota(70)], known)
    assert severity is Severity.NOTE
    [(_, _, message)] = found(status(73), [COLLECTION], [live_quota(70)], known)
    assert "collection/a cannot be applied" in message


def test_without_a_ledger_not_even_the_quota_can_be_raised():
    known = [recorded("quota/cluster", **quota(70).spec)]
    [(_, severity, message)] = found(
        status(73), [quota(90), COLLECTION], [live_quota(70)], known, has_ledger=False
    )
    assert severity is Severity.ERROR
    assert "quota/cluster" in message


def test_one_full_node_of_three_refuses_some_requests_and_two_all():
    [(rule, severity, message)] = found(status(73, 10, 10), [INDEXED])
    assert (rule, severity) == ("QC243", Severity.WARNING)
    assert "node 0: the disk is at 73%" in message
    assert "collection/a" in message
    [(_, severity, _)] = found(status(73, 10, 10), [COLLECTION])
    assert severity is Severity.WARNING
    [(_, severity, _)] = found(status(73, 75, 10), [COLLECTION])
    assert severity is Severity.ERROR


def test_a_key_that_may_not_read_it_is_noted():
    now = QuotaStatus(unread="Forbidden: Global access is required")
    [(rule, severity, message)] = found(now, [COLLECTION])
    assert (rule, severity) == ("QC243", Severity.NOTE)
    assert "Global access is required" in message


def test_a_limit_of_memory_that_is_never_reached_is_a_warning_when_it_is_set():
    now = replace(status(10), memory_is_unbounded=True)
    want = quota(70, max_resident_memory_percent=80)
    [(rule, severity, message)] = found(now, [want])
    assert (rule, severity) == ("QC244", Severity.WARNING)
    assert message.startswith("max_resident_memory_percent is never reached")
    assert found(now, [quota(70)]) == []


def test_deleting_the_quota_loosens_it():
    known = [recorded("quota/cluster", **quota(70).spec)]
    asked = question([COLLECTION], [live_quota(70)], known, server=NEW)
    context = Context(
        NEW, TODAY, asked.desired, asked.live, asked.recorded, frozenset(), "shop/dev"
    )
    gates = Gates(fail_on=frozenset({"loosening"}))
    inputs = SafetyInput(plan_changes(asked, BY_NAME), context, BY_NAME, gates=gates)
    assert [v.rule for v in check_safety(inputs, ()).violations] == ["QC214"]
    consent = Consent("loosen", "quota/cluster", "qdrantctl.yaml:9")
    assert check_safety(inputs, (consent,)).violations == ()
    assert check_safety(replace(inputs, gates=Gates()), ()).violations == ()
