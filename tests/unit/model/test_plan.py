"""Plan documents: what format 1.1 adds, and what a plan of format 1.0 keeps."""

from __future__ import annotations

import json

import pytest

from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import Plan, RecordedOptions
from tests.support.plans import change, field, plan

LOSING = field(("vectors", "eu"), {"size": 4}, ABSENT, destroys_data=True)
KEEPING = field(("hnsw_config", "m"), 16, 32)
OPTIONS = RecordedOptions(target=("collection/a",), no_snapshot=("collection/*",))
CHANGE = change(Action.UPDATE, "collection/a", LOSING, KEEPING)


def test_a_field_that_destroys_data_says_so_and_no_other():
    first, second = plan(CHANGE).document()["changes"][0]["fields"]
    assert first["destroys_data"] is True
    assert "destroys_data" not in second


@pytest.mark.parametrize("more", [{"options": OPTIONS}, {}], ids=["options", "none"])
def test_a_plan_is_read_as_it_was_written(more):
    saved = plan(CHANGE, **more)
    document = json.loads(json.dumps(saved.document()))
    assert Plan.parse(document) == saved
    assert Plan.parse(document).document() == document


def test_a_plan_of_format_1_0_keeps_its_digest_when_more_is_known_of_it():
    old = plan(change(Action.UPDATE, "collection/a", KEEPING), format_version="1.0").document()
    assert "options" not in old
    saved = Plan.parse(old)
    lossy = saved.changes[0].fields[0].model_copy(update={"destroys_data": True})
    known = saved.changes[0].model_copy(update={"fields": (lossy,)})
    assert saved.model_copy(update={"changes": (known,)}).document() == old


def test_an_adoption_that_changes_fields_is_counted_as_a_change():
    changes = [change(Action.ADOPT, "collection/a", KEEPING), change(Action.ADOPT, "collection/b")]
    counts = plan(*changes).summary
    assert (counts.update, counts.adopt, counts.changes) == (1, 1, 2)
    old = plan(*changes, format_version="1.0").summary
    assert (old.update, old.adopt) == (0, 2)
