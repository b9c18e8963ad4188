"""Canonical specs as manifests and back again, for thousands of collections; and in other words."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.edit import edit_spec
from qdrantctl.adapters.manifests.load import load_source
from qdrantctl.adapters.manifests.validation import validate_document
from qdrantctl.adapters.manifests.write import render_manifest
from qdrantctl.engine.diff import DiffContext, diff
from qdrantctl.engine.importing.manifest_form import (
    rewrite_in_place,
    to_manifest_form,
    without_defaults,
)
from qdrantctl.engine.importing.merge import merge_live
from qdrantctl.kinds.catalog import KINDS
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Effect, json_equal
from qdrantctl.model.kind import Context
from qdrantctl.model.resource import Inventory, Record, Resource
from qdrantctl.model.spec import field_tree_of
from tests.conformance.specs import NAMES, SERVER, collections, pairs
from tests.support.states import TODAY

pytestmark = pytest.mark.slow
SHAPE = field_tree_of(COLLECTION.spec)
MORE = os.environ.get("EXAMPLES", "")
common = settings(
    max_examples=int(MORE or 50),
    derandomize=not MORE,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def canonical(stated):
    spec, faults = validate_document(COLLECTION.spec, stated)
    return None if faults else COLLECTION.canonical(spec)


def read(text):
    found = load_source(SourceText("a.yaml", text), KINDS)
    assert [v for v in found.violations if v.severity == "error"] == [], text
    return found


@settings(common, max_examples=3 * common.max_examples)
@given(stated=collections(), name=NAMES)
def test_what_is_written_says_the_same(stated, name):
    if (spec := canonical(stated)) is None:
        return
    where = Address("collection", name)
    text = render_manifest("Collection", where, to_manifest_form(SHAPE, spec), SHAPE)
    assert json_equal(dict(read(text).desired[where].spec), dict(spec)), text


@common
@given(pair=pairs(), style=st.sampled_from(["block", "flow"]))
def test_any_manifest_can_be_made_to_say_any_other(pair, style):
    """In its own words, and without a change to what stands around it."""
    first, second = pair
    before, after = canonical(first), canonical(second)
    if before is None or after is None:
        return
    where = Address("collection", "c")
    words = first if style == "flow" else to_manifest_form(SHAPE, before)
    text = written(words, style)
    source, shape = read(text).declared[where]
    now = rewrite_in_place(shape, source.value["spec"], before, after)
    made = edit_spec(source, now, shape)
    assert json_equal(dict(read(made).desired[where].spec), dict(after)), (text, made)
    back = read(made).declared[where].source
    again = edit_spec(back, rewrite_in_place(shape, back.value["spec"], after, before), shape)
    assert json_equal(dict(read(again).desired[where].spec), dict(before)), (made, again)
    head, tail = "# before\n", "# after\n"
    assert made.startswith(head)
    assert made.endswith(tail)


@common
@given(pair=pairs(), other=collections(), remembered=st.sampled_from(["", "as stated", "other"]))
def test_after_receiving_only_edits_of_the_manifest_are_left_to_change(pair, other, remembered):
    """Whatever was applied last; and what the manifest says and the cluster has stays stated."""
    desired, live, last = (canonical(spec) for spec in (*pair, other))
    if desired is None or live is None or last is None:
        return
    where = Address("collection", "c")
    ours = {"": None, "as stated": desired, "other": last}[remembered]
    recorded = [] if ours is None else [
        Resource(where, ours, record=Record("shop/dev", observed=ours))
    ]  # fmt: skip
    want, have = Resource(where, desired), Resource(where, live)
    context = Context(SERVER, TODAY, Inventory([want]), Inventory([have]), Inventory(recorded))

    def own(of):
        return without_defaults(SHAPE, of.spec, COLLECTION.server_defaults(of.spec, SERVER))

    merged = merge_live(want, have, context, COLLECTION, own)
    found = canonical(to_manifest_form(SHAPE, merged.spec))
    if found is None:
        return  # more indexes than the cap allows, say
    before = ours or {}
    wanted = COLLECTION.expand(found, live, before)
    left = diff(SHAPE, wanted, live, before, DiffContext(SERVER))
    told = {change.path for change in (*merged.unapplied, *merged.conflicts)}
    assert {change.path for change in left if change.effect > Effect.KEPT} == told
    assert not told or remembered == "other"
    unsaid = () if recorded else diff(SHAPE, own(have), found, {}, DiffContext(SERVER))
    assert [change for change in unsaid if change.effect > Effect.KEPT] == []


def written(words, style):
    where = Address("collection", "c")
    if style == "block":
        text = render_manifest("Collection", where, words, SHAPE)
    else:
        text = json.dumps(
            {"apiVersion": "qdrantctl/v1", "kind": "Collection", "metadata": {"name": "c"}}
            | {"spec": words}
        )
        text += "\n"
    return f"# before\n{text}# after\n"
