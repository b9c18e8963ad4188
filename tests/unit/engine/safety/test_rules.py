"""Each safety rule on data: with the consent that allows it, and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.rules import check_safety
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action
from qdrantctl.model.consent import VERBS, Consent
from qdrantctl.model.gates import Gates
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Lifecycle, Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.snapshots.snapshot import UnfinishedRestore
from tests.support.states import (
    SERVER,
    TODAY,
    VECTOR,
    desired,
    live_alias,
    live_collection,
    question,
    recorded,
)

A = "collection/a"
NEWER = Server(Version(1, 18, 0), "http://localhost:6333", distributed=True, peers=1)
WIDER = {"vectors": {"size": 8, "distance": "Dot"}}
TWO = {"vectors": {"eu": VECTOR["vectors"], "us": VECTOR["vectors"]}}
CAP = {"strict_mode_config": {"enabled": True, "max_timeout": 30}}
RAISED = {"strict_mode_config": {"enabled": True, "max_timeout": 60}}
INDEXED = {"payload_indexes": {"tag": "keyword"}}
READS = {"access": [{"collection": "a", "access": "r"}], "ttl": "90d"}
WRITES = {"access": [{"collection": "a", "access": "rw"}], "ttl": "90d"}
OTHER = desired("collection/z", vectors={"size": 2, "distance": "Cosine"})
"""So that a plan with one deletion is not one that deletes everything."""


def safety_input(
    want: list[Resource],
    live: list[Resource],
    known: list[Resource],
    *,
    on_drift: str = "revert",
    server: Server = SERVER,
    **options: Any,
) -> SafetyInput:
    """What the rules look at when these states are planned. A consent never changes it."""
    asked = question([*want, OTHER], live, known, on_drift=lambda _: on_drift, server=server)
    context = Context(
        server=server,
        today=TODAY,
        desired=asked.desired,
        live=asked.live,
        recorded=asked.recorded,
        deleted=frozenset(),
        owner=asked.owner,
    )
    changes = plan_changes(asked, BY_NAME)
    return SafetyInput(changes, context, BY_NAME, on_drift=lambda _: on_drift, **options)


def stated(live: Resource, **spec: Any) -> Resource:
    """A live collection with more settings than the server's defaults."""
    return replace(live, spec={**live.spec, **desired(str(live.address), **spec).spec})


def unfinished() -> dict[Address, UnfinishedRestore]:
    return {Address("collection", "a"): UnfinishedRestore(collection="a", snapshot="1", who="ada")}


def rules(inputs: SafetyInput, *consents: Consent) -> set[str]:
    return {violation.rule for violation in check_safety(inputs, consents).violations}


FULL = live_collection("a", points=3)
EMPTY = live_collection("a", points=0)
OURS = recorded(A, **VECTOR)
POINTING = [live_alias("live", "a"), FULL, live_collection("b", points=0)]
TAGGED = live_collection("a", points=0, indexes={"tag": {"type": "keyword"}})
KEY = Resource(Address("access_key", "k"), desired("access_key/k", **READS).spec)

ALLOWED = {
    "QC202": ("delete", A, safety_input([], [FULL], [OURS])),
    "QC203": ("replace", A, safety_input([desired(A, **WIDER)], [FULL], [OURS])),
    "QC204": ("adopt", A, safety_input([desired(A, **VECTOR, **CAP)], [FULL], [])),
    "QC206": (
        "alias",
        "alias/live",
        safety_input(
            [desired("alias/live", collection="b")],
            POINTING,
            [recorded("alias/live", collection="a")],
        ),
    ),
    "QC208": (
        "delete",
        A,
        safety_input(
            [desired(A, vectors={"us": VECTOR["vectors"]})],
            [stated(FULL, **TWO)],
            [recorded(A, **TWO)],
            server=NEWER,
        ),
    ),
    "QC209": (
        "delete",
        A,
        safety_input(
            [desired(A, **VECTOR)], [TAGGED], [recorded(A, **VECTOR, **INDEXED)], protected=True
        ),
    ),
    "QC214": (
        "loosen",
        A,
        safety_input(
            [desired(A, **VECTOR, **RAISED)],
            [stated(EMPTY, **VECTOR, **CAP)],
            [recorded(A, **VECTOR, **CAP)],
            gates=Gates(fail_on=frozenset({"loosening"})),
        ),
    ),
    "QC216": (
        "replace",
        A,
        safety_input(
            [desired(A, **VECTOR, **CAP)], [FULL], [OURS], unfinished_restores=unfinished()
        ),
    ),
    "QC240": (
        "widen",
        "access_key/k",
        safety_input(
            [desired("access_key/k", **WRITES)],
            [KEY],
            [recorded("access_key/k", **READS)],
            gates=Gates(fail_on=frozenset({"widening"})),
        ),
    ),
}
"""Rule: the verb and address that allow it, and a plan that breaks it."""


@pytest.mark.parametrize("rule", ALLOWED)
def test_a_rule_with_and_without_its_consent(rule):
    verb, address, inputs = ALLOWED[rule]
    consent = Consent(verb, address, "a test")
    assert rule in rules(inputs)
    result = check_safety(inputs, [consent])
    assert rule not in {violation.rule for violation in result.violations}
    assert result.used == {consent}


@pytest.mark.parametrize("rule", ALLOWED)
def test_only_its_own_verb_and_address_allow_it(rule):
    verb, address, inputs = ALLOWED[rule]
    others = [Consent(other, "*", "a test") for other in VERBS if other != verb]
    result = check_safety(inputs, [*others, Consent(verb, f"{address}x", "a test")])
    assert rule in {violation.rule for violation in result.violations}


FORBIDDEN = {
    "QC201": safety_input(
        [desired(A, Lifecycle(protect=True), **WIDER)], [FULL], [OURS], no_snapshot=lambda _: True
    ),
    "QC205": safety_input([], [live_alias("theirs", "a"), EMPTY], [OURS]),
    "QC207": replace(
        safety_input([], [EMPTY], [OURS]),
        context=replace(ALLOWED["QC202"][2].context, desired={}),
    ),
    "QC210": safety_input([], [FULL], [OURS], no_snapshot=lambda _: True),
    "QC211": safety_input(
        [desired(A, **WIDER)], [live_collection("a", points=0, aliases=("x",))], [OURS]
    ),
    "QC212": safety_input(
        [desired(A, **VECTOR, hnsw_config={"m": 32})],
        [EMPTY],
        [recorded(A, **VECTOR, hnsw_config={"m": 32})],
        on_drift="refuse",
    ),
    "QC213": safety_input(
        [desired(A, **VECTOR, hnsw_config={"m": 32})],
        [EMPTY],
        [recorded(A, **VECTOR, hnsw_config={"m": 32})],
        on_drift="keep",
    ),
    "QC215": safety_input(
        [],
        [replace(FULL, facts=replace(FULL.facts, peers=frozenset(("1", "2"))))],
        [OURS],
        server=replace(SERVER, peers=2),
    ),
}
"""Rule: a plan that breaks it. No consent allows these."""


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_consent_allows_the_others(rule):
    assert rule in rules(FORBIDDEN[rule])
    assert rule in rules(FORBIDDEN[rule], *(Consent(verb, "*", "a test") for verb in VERBS))


def test_a_consent_that_allows_nothing_is_not_used():
    inputs = ALLOWED["QC202"][2]
    used = Consent("delete", A, "--allow-delete")
    unused = (Consent("delete", "collection/b", "a test"), Consent("replace", A, "a test"))
    assert check_safety(inputs, [*unused, used]).used == {used}


def test_two_consents_to_the_same_are_both_used():
    consents = {Consent("delete", A, "--allow-delete"), Consent("delete", "*", "qdrantctl.yaml:7")}
    assert check_safety(ALLOWED["QC202"][2], list(consents)).used == consents


def test_the_hint_names_the_consent_that_counts():
    inputs = ALLOWED["QC202"][2]
    (free,) = (v for v in check_safety(inputs, []).violations if v.rule == "QC202")
    assert f"--allow-delete {A}" in free.hint
    protected = check_safety(replace(inputs, protected=True), [])
    (closed,) = (v for v in protected.violations if v.rule == "QC202")
    assert "--allow-delete" not in closed.hint
    assert f"{{delete: {A}, until:" in closed.hint


@pytest.mark.parametrize("status", ["yellow", "grey"])
def test_what_helps_a_grey_collection_is_said_where_an_alias_moves_to_it(status):
    """It stays grey until it is written to, so waiting does not help."""
    moving = safety_input(
        [desired("alias/live", collection="b")],
        [live_alias("live", "a"), FULL, live_collection("b", points=3, status=status)],
        [recorded("alias/live", collection="a")],
    )
    (found,) = check_safety(moving, []).violations
    assert f"which is {status}" in found.message
    helps = 'PATCH /collections/b with {"hnsw_config": {}}' in found.hint
    assert helps is (status == "grey")


NEWEST = Server(Version(1, 19, 0), "http://localhost:6333")


TURBO = {"quantization_config": {"turbo": {}}}
CACHED = {"payload": {"memory": "cached"}}
NO_GRAPH = {"payload_indexes": {"t": {"type": "keyword", "enable_hnsw": False}}}


@pytest.mark.parametrize(
    ("spec", "before", "told"),
    [
        (TURBO, {}, "1.17: no server before 1.18.0 knows quantization_config.turbo"),
        (CACHED, {}, "1.18: no server before 1.19.0 knows payload.memory"),
        (TURBO | CACHED, {}, "1.18: no server before 1.19.0 knows payload.memory"),
        ({"vectors": {**VECTOR["vectors"], "datatype": "turbo4"}}, None, "1.18.1: no server"),
        (NO_GRAPH, {}, "1.16: no server before 1.17.0 knows payload_indexes.t.enable_hnsw"),
        ({"hnsw_config": {"m": 8, "inline_storage": True}}, {}, ""),
        ({"hnsw_config": {"memory": "cold"}}, CACHED, ""),
        (TURBO, CACHED, ""),
    ],
)
def test_no_way_back_is_told_once_for_a_change(spec, before, told):
    """`before` is what is set already; None where there is no collection yet."""
    want = desired(A, **{**VECTOR, **(before or {}), **spec})
    live = [] if before is None else [stated(EMPTY, **before)]
    known = [] if before is None else [recorded(A, **VECTOR, **before)]
    found = [
        violation.message
        for violation in check_safety(
            safety_input([want], live, known, server=NEWEST), ()
        ).violations
        if violation.rule == "QC238"
    ]
    assert len(found) == bool(told)
    assert all(f"no way back to {told}" in message for message in found)


def test_nodes_of_several_versions_are_told():
    want = [desired(A, **VECTOR, hnsw_config={"memory": "cold"})]
    mixed = replace(SERVER, newest=Version(1, 19, 0), peers=3, untold=1)
    inputs = safety_input(want, [EMPTY], [OURS], server=mixed)
    messages = [v.message for v in check_safety(inputs, ()).violations if v.rule == "QC239"]
    assert len(messages) == 2
    assert "run Qdrant 1.16.3 to 1.19.0" in messages[0]
    assert "1 of 3 nodes" in messages[1]
    (change,) = [change for change in inputs.changes if change.address == A]
    assert (change.action, "the oldest node is 1.16.3" in change.because) == (Action.REFUSED, True)


def test_what_a_newer_node_has_lost_is_refused_by_it():
    want = [desired(A, **VECTOR, strict_mode_config={"max_disk_usage_percent": 90})]
    mixed = replace(SERVER, version=Version(1, 18, 3), newest=Version(1, 19, 0), peers=3)
    (change,) = [
        c for c in safety_input(want, [EMPTY], [OURS], server=mixed).changes if c.address == A
    ]
    assert "the newest node is 1.19.0" in change.because


@pytest.mark.parametrize(
    ("version", "peers", "factor", "writers", "is_refused"),
    [
        (Version(1, 19, 0), 3, 2, "live", True),
        (Version(1, 16, 3), 3, 2, "live", False),
        (Version(1, 19, 0), 3, 1, "live", False),
        (Version(1, 19, 0), 1, 2, "live", False),
        (Version(1, 19, 0), 3, 2, "frozen", False),
        (Version(1, 19, 0), 3, 2, "dual", False),
    ],
)
def test_writers_are_stopped_where_replicas_refuse_for_themselves(
    version, peers, factor, writers, is_refused
):
    terms = Lifecycle(replace="blue_green", replacement={"writers": writers})
    wanted = desired(A, terms, **WIDER, replication_factor=factor)
    live = stated(live_collection("a", points=3), **VECTOR, replication_factor=factor)
    server = Server(version, "http://localhost:6333", distributed=True, peers=peers)
    asked = safety_input([wanted], [live], [recorded(A, **VECTOR)], server=server)
    assert "QC246" in rules(asked)
    assert ("QC251" in rules(asked)) == is_refused
