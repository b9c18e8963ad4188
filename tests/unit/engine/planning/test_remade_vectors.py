"""Fixed parts of one named vector: from 1.19 on it is dropped and created again, in place."""

from dataclasses import replace

import pytest

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.rules import check_safety
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.change import Action
from qdrantctl.model.consent import Consent
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Lifecycle
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Snapshot, list_calls
from tests.support.states import TODAY, desired, live_collection, question, recorded

A = "collection/a"
SMALL, BIG = {"size": 4, "distance": "Dot"}, {"size": 8, "distance": "Dot"}
OTHER = {"size": 2, "distance": "Cosine"}


def server(version):
    return Server(Version.parse(version), "http://localhost:6333")


def planned(want, live, version="1.19.0", *, points=3, lifecycle=None, known=None, **more):
    """The change of one collection, and the rules that it breaks without any consent."""
    asked = question(
        [desired(A, lifecycle, **want)],
        [live_collection("a", points=points, params=live)],
        [recorded(A, **(known or live))],
        server=server(version),
        **more,
    )
    (change,) = plan_changes(asked, BY_NAME)
    context = Context(asked.server, TODAY, asked.desired, asked.live, asked.recorded)
    inputs = SafetyInput((change,), context, BY_NAME)
    return change, inputs


def told(inputs, *consents):
    return [v for v in check_safety(inputs, consents).violations if v.rule in ("QC203", "QC208")]


@pytest.mark.parametrize(
    "other",
    [
        BIG,
        {**SMALL, "distance": "Cosine"},
        {**SMALL, "datatype": "float16"},
        {**SMALL, "multivector_config": {"comparator": "max_sim"}},
    ],
)
def test_a_fixed_part_is_changed_by_dropping_and_creating_the_name(other):
    change, inputs = planned(
        {"vectors": {"t": other, "o": OTHER}}, {"vectors": {"t": SMALL, "o": OTHER}}
    )
    assert change.action is Action.UPDATE
    assert all(f.destroys_data and f.effect is Effect.UPDATE for f in change.fields)
    assert isinstance(change.steps[0].value, Snapshot)
    path = "/collections/a/vectors/t"
    assert [(call.method, call.path, call.body) for call in list_calls(change.steps)[:2]] == [
        ("DELETE", path, list_calls(change.steps)[0].body),
        ("PUT", path, {"dense": other}),
    ]
    (problem,) = told(inputs)
    assert (problem.rule, "'t' to create it again" in problem.message) == ("QC208", True)
    assert "(points: 3)" in problem.message
    assert told(inputs, Consent("delete", A, "flag")) == []


def test_in_a_protected_environment_the_consent_is_committed():
    _, inputs = planned({"vectors": {"t": BIG}}, {"vectors": {"t": SMALL}})
    (problem,) = told(replace(inputs, protected=True))
    assert problem.hint.startswith(
        "The environment is protected: add to consents in qdrantctl.yaml"
    )


def test_one_consent_is_asked_for_each_vector():
    moved = {"size": 8, "distance": "Cosine"}
    _, inputs = planned({"vectors": {"t": moved, "o": BIG}}, {"vectors": {"t": SMALL, "o": OTHER}})
    assert len(told(inputs)) == 2


def test_an_empty_collection_needs_no_consent():
    change, inputs = planned({"vectors": {"t": BIG}}, {"vectors": {"t": SMALL}}, points=0)
    assert (change.action, told(inputs)) == (Action.UPDATE, [])
    assert [call.method for call in list_calls(change.steps)] == ["DELETE", "PUT"]


def test_what_no_manifest_states_is_created_as_it_is():
    live = {**SMALL, "on_disk": True, "quantization_config": {"scalar": {"type": "int8"}}}
    want = {**BIG, "hnsw_config": {"m": 8}, "quantization_config": {"binary": {}}}
    change, _ = planned(
        {"vectors": {"t": want}}, {"vectors": {"t": live}}, known={"vectors": {"t": SMALL}}
    )
    bodies = [call.body for call in list_calls(change.steps) if call.method != "DELETE"]
    assert bodies[0] == {"dense": BIG}
    tuned = {"on_disk": True, "hnsw_config": {"m": 8}, "quantization_config": {"binary": {}}}
    assert bodies[1:] == [{"vectors": {"t": tuned}}]


def test_other_vectors_change_beside_it():
    want = {"t": BIG, "o": {**OTHER, "on_disk": True}}
    change, _ = planned({"vectors": want}, {"vectors": {"t": SMALL, "o": OTHER}})
    bodies = [call.body for call in list_calls(change.steps)]
    assert bodies[0] == {"vectors": {"o": {"on_disk": True}}}
    assert bodies[-1] == {"dense": {"size": 8, "distance": "Dot"}}


@pytest.mark.parametrize("version", ["1.16.3", "1.18.3"])
def test_older_servers_replace_the_collection(version):
    change, inputs = planned({"vectors": {"t": BIG}}, {"vectors": {"t": SMALL}}, version)
    assert (change.action, [v.rule for v in told(inputs)]) == (Action.REPLACE, ["QC203"])


def test_the_unnamed_vector_replaces_the_collection():
    change, _ = planned({"vectors": BIG}, {"vectors": SMALL})
    assert change.action is Action.REPLACE


def test_lifecycle_recreate_replaces_the_collection():
    change, inputs = planned(
        {"vectors": {"t": BIG}}, {"vectors": {"t": SMALL}}, lifecycle=Lifecycle(replace="recreate")
    )
    assert (change.action, [v.rule for v in told(inputs)]) == (Action.REPLACE, ["QC203"])


def test_another_fixed_field_replaces_the_collection():
    change, inputs = planned(
        {"vectors": {"t": BIG}, "shard_number": 2}, {"vectors": {"t": SMALL}, "shard_number": 1}
    )
    assert (change.action, [v.rule for v in told(inputs)]) == (Action.REPLACE, ["QC203"])
    assert [call.method for call in list_calls(change.steps)] == ["DELETE", "PUT"]


def test_a_cluster_with_an_older_node_replaces_the_collection():
    mixed = replace(server("1.18.3"), newest=Version(1, 19, 0), peers=2, distributed=True)
    asked = question(
        [desired(A, vectors={"t": BIG})],
        [live_collection("a", points=3, params={"vectors": {"t": SMALL}})],
        [recorded(A, vectors={"t": SMALL})],
        server=mixed,
    )
    assert [change.action for change in plan_changes(asked, BY_NAME)] == [Action.REPLACE]
