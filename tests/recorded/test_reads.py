"""What 1.19.0 showed of collections, one by one, goes through reader, differ and planner.

`reads-1.19.0.json` holds the `config` of GET, and the request that created the collection where
nothing has changed it since; made by hand on a real server, at the date in it.
"""

from __future__ import annotations

import json

import pytest

from qdrantctl.adapters.manifests.validation import validate_document
from qdrantctl.engine.importing.manifest_form import to_manifest_form
from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import Record, Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.spec import field_tree_of
from tests.support.recordings import FOLDER
from tests.support.states import OWNER, question

DOCUMENT = json.loads((FOLDER / "reads-1.19.0.json").read_text())
SERVER = Server(Version.parse(DOCUMENT["version"]), "http://recorded:6333", distributed=True)
READS = [pytest.param(each, id=f"{at}-{each['collection']}")
         for at, each in enumerate(DOCUMENT["reads"])]  # fmt: skip
CREATED = [each for each in READS if each.values[0]["created"]]


def planned(read, stated):
    """The change that a manifest which states this is, for the collection that GET shows."""
    spec, faults = validate_document(COLLECTION.spec, stated)
    assert not faults, faults
    where = Address("collection", read["collection"])
    desired = Resource(where, COLLECTION.canonical(spec))
    ours = Resource(where, desired.spec, record=Record(OWNER, 1, desired.digest))
    live = Resource(where, parse_live_spec(read["config"]))
    [change] = plan_changes(question([desired], [live], [ours], server=SERVER), BY_NAME)
    return change


@pytest.mark.parametrize("read", READS)
def test_a_manifest_of_what_is_shown_changes_nothing(read):
    shown = to_manifest_form(field_tree_of(COLLECTION.spec), parse_live_spec(read["config"]))
    change = planned(read, shown)
    assert change.action is Action.NOOP, change


@pytest.mark.parametrize("read", CREATED)
def test_a_manifest_of_what_was_sent_changes_nothing(read):
    change = planned(read, read["created"])
    assert change.action is Action.NOOP, change


@pytest.mark.parametrize("read", CREATED)
def test_another_value_of_each_number_is_a_change_of_that_field_alone(read):
    """The differ sees each field of what the server shows."""
    for section in ("hnsw_config", "optimizers_config"):
        for name, value in read["created"].get(section, {}).items():
            if isinstance(value, int) and not isinstance(value, bool):
                stated = json.loads(json.dumps(read["created"]))
                stated[section][name] = value + 1
                change = planned(read, stated)
                changed = {f.path for f in change.fields if f.effect > Effect.KEPT}
                assert changed == {(section, name)}
                assert all(f.live is not ABSENT for f in change.fields if f.path in changed)
