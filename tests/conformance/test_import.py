"""Any collection that the tool can make comes back from the server as a manifest that makes it."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import HealthCheck, event, given, settings

from qdrantctl.flows.importing.import_resources import ImportSelection, import_resources
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import json_equal
from tests.conformance.bench import TODAY, bench, change_of, told
from tests.conformance.specs import collections_here

MORE = os.environ.get("EXAMPLES", "")
NUMBERS = itertools.count()


@pytest.fixture
def on(qdrant, tmp_path):
    with bench(qdrant, tmp_path, "importing") as found:
        yield found


@settings(
    max_examples=int(MORE or 25),
    derandomize=not MORE,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(spec=collections_here())
def test_what_was_made_is_imported_adopted_and_made_again(spec, on):
    where = Address("collection", f"i{next(NUMBERS)}")
    on.state({"kind": "Collection", "name": where.name, "spec": spec})
    try:
        try:
            planned = on.plan()
        except ManifestError:
            event("refused by the spec")
            return
        if not planned.plan.is_applicable:
            event("refused by the plan")
            return
        on.apply(planned)
        on.clear()
        wanted = ImportSelection(on.folder, (where,), printed=True)
        found = import_resources(on.settings, wanted, on.door, TODAY, lambda _: None)
        assert (found.report.left_out, found.report.adopt, found.report.change) == ((), 1, 0)
        [text] = found.texts.values()
        (on.folder / "manifests.yaml").write_bytes(text)
        planned = on.plan()
        change = change_of(planned, str(where))
        assert (change.action, change.steps) == (Action.ADOPT, ()), (text.decode(), told(planned))
        before = planned.cluster_state.live[where].spec
        on.clear(where.name)
        on.settle()
        after = on.plan().cluster_state.live[where].spec
        assert json_equal(dict(before), dict(after)), text.decode()
        event("made again")
    finally:
        on.clear(where.name)
        on.sent.clear()
