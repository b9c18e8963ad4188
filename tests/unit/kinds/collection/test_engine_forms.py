"""What the 1.20 engine makes of a manifest is no difference to it, and what it refuses is refused.

`tests/recorded/qdrant-edge-0.9.0.json` is engine-made: `python -m tools.engine_forms` writes it.
The places of `GET` for `id_tracker`, and `created_at`, are from the text of qdrant-client 1.20.0.
"""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from qdrantctl.engine.diff import DiffContext, diff
from qdrantctl.engine.importing.manifest_form import to_manifest_form
from qdrantctl.kinds.collection.observe import canonical_collection, parse_live_spec
from qdrantctl.kinds.collection.payload_indexes import canonical_payload_index
from qdrantctl.kinds.collection.placements import judge_placements
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.spec import field_tree_of
from tools.engine_forms import ACCEPTED, COLLECTIONS, PLACEMENTS, RECORDING, REFUSED

SERVER = Server(Version(1, 20, 0), "http://localhost:6333")
SHAPE = field_tree_of(Collection)
VECTOR = {"size": 4, "distance": "Dot"}
RECORDED = json.loads(Path(RECORDING).read_text())
STORED = [case for case in RECORDED["indexes"] if "stored" in case]
UNSTORED = [case for case in RECORDED["indexes"] if "refused" in case]


def canonical(spec):
    return canonical_collection(Collection.model_validate(spec))


def differences(desired, live, recorded=None):
    context = DiffContext(SERVER)
    return diff(SHAPE, desired, live, desired if recorded is None else recorded, context)


def test_the_recording_is_of_the_cases_of_the_command():
    cases = [(case["field_name"], case["field_schema"]) for case in STORED]
    assert cases == ACCEPTED
    assert [(case["field_name"], case["field_schema"]) for case in UNSTORED] == REFUSED
    assert [case["stated"] for case in RECORDED["collections"]] == COLLECTIONS
    assert [step["memory"] for step in RECORDED["id_tracker"]] == PLACEMENTS


@pytest.mark.parametrize("case", STORED, ids=lambda case: str(case["field_schema"]))
def test_a_stored_index_is_no_difference(case):
    desired = canonical({"payload_indexes": {case["field_name"]: case["field_schema"]}})
    live = {
        "payload_indexes": {
            field: canonical_payload_index(schema) for field, schema in case["stored"].items()
        }
    }
    assert differences(desired, live) == ()
    assert differences(desired, live, recorded={}) == ()
    imported = to_manifest_form(SHAPE, live)
    assert differences(canonical(imported), live) == ()


@pytest.mark.parametrize("case", UNSTORED, ids=lambda case: str(case["field_schema"]))
def test_a_refused_index_is_refused_in_the_manifest(case):
    with pytest.raises(ValidationError) as refused:
        Collection.model_validate({"payload_indexes": {case["field_name"]: case["field_schema"]}})
    [error] = refused.value.errors()
    assert error["ctx"]["rule"] == "QC133"
    assert error["ctx"]["path"] == (case["field_name"], "nested")


@pytest.mark.parametrize("case", RECORDED["collections"], ids=lambda case: str(case["stated"]))
def test_stored_settings_are_no_difference(case):
    """As `GET` shows them, the engine's own name of `id_tracker.memory` aside."""
    stored = dict(case["stored"])
    params = {"vectors": stored["vectors"]}
    if memory := stored.get("id_tracker_memory"):
        params["id_tracker"] = {"memory": memory}
    live = parse_live_spec(
        {"params": params, "quantization_config": stored.get("quantization_config")}
    )
    assert differences(canonical({"vectors": {"v": VECTOR}} | case["stated"]), live) == ()
    assert differences(canonical(to_manifest_form(SHAPE, live)), live) == ()


def test_a_plan_tells_whether_the_engine_rewrites_segments_for_the_id_tracker():
    """The placement stays where none is stated: the server does not unset it."""
    live = {}
    for step in RECORDED["id_tracker"]:
        desired = {"id_tracker": {"memory": step["memory"]}} if step["memory"] else {}
        fields = differences(desired, live, recorded=live)
        fields = judge_placements(fields, None, Resource(Address("collection", "a"), live), None)
        effects = {field.effect for field in fields}
        assert (Effect.REBUILD in effects) is step["rewritten"], (live, desired)
        assert effects <= {Effect.KEPT, Effect.UPDATE, Effect.REBUILD}
        live = desired or live


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"type": "text"}, {"type": "text", "scoring": True}),
        ({"type": "text", "scoring": True}, {"type": "text", "scoring": False}),
        ({"type": "text", "tokenizer": "code"}, {"type": "text"}),
        ({"type": "text", "nested": "offers"}, {"type": "text"}),
        ({"type": "text"}, {"type": "text", "nested": "offers"}),
    ],
)
def test_a_change_of_an_index_rebuilds_it(before, after):
    live, desired = (
        canonical({"payload_indexes": {"offers[].title": side}}) for side in (before, after)
    )
    [change] = differences(desired, live, recorded=live)
    assert change.effect is Effect.REBUILD
