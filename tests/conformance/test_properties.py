"""What holds for any two specs, tried on a real server.

`EXAMPLES=2000 pytest tests/conformance/test_properties.py` tries more of them, and other ones every
time.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from qdrantctl.model.change import Action
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import Plan
from qdrantctl.model.report import OutcomeStatus
from qdrantctl.model.step import list_calls
from tests.conformance.api import illegal
from tests.conformance.bench import Bench, bench, change_of, told
from tests.conformance.specs import collections_here, doubtful, pairs
from tests.support.servers import server_version

MORE = os.environ.get("EXAMPLES", "")
common = settings(
    max_examples=int(MORE or 40),
    derandomize=not MORE,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
NUMBERS = itertools.count()
SUFFIXES = st.sampled_from(["", " ", "é", "%2F", "#&+", "."])
TALLY: Counter[str] = Counter()


@pytest.fixture
def on(qdrant, tmp_path, request):
    with bench(qdrant, tmp_path, request.node.name, "replace *", "adopt *") as found:
        yield found


def manifest(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Collection", "name": name, "spec": spec}


def tally(word: str) -> None:
    TALLY[word] += 1
    event(word)


def lasting(plan: Plan) -> dict[str, Any]:
    """The plan without what depends on the moment, and not on specs.

    Sizes on disk (from 1.18 on) change while the server works. A read limit that the plan before
    has used up refuses to count the points, and then a snapshot is taken first.
    """
    changes = [
        c.model_copy(
            update={
                "disk_bytes": ABSENT,
                "steps": tuple(step for step in c.steps if step.snapshot is ABSENT),
            }
        )
        for c in plan.changes
    ]
    document = plan.model_copy(update={"changes": tuple(changes)}).document()
    return {key: value for key, value in document.items() if key != "digest"}


def accepted(on: Bench, name: str, spec: dict[str, Any]) -> bool:
    """Whether the tool would apply it. What it accepts is applied, and then nothing is left."""
    on.state(manifest(name, spec))
    try:
        planned = on.plan()
    except ManifestError:
        tally("refused by the spec")
        return False
    again = on.plan()
    assert lasting(planned.plan) == lasting(again.plan), "same worlds, same plan"
    change = change_of(planned, f"collection/{name}")
    if not planned.plan.is_applicable:
        assert change.action is Action.REFUSED or planned.plan.blocking
        tally("refused by the plan")
        return False
    sent = list_calls(change.steps)
    assert [words for call in sent for words in illegal(call, str(server_version()))] == []
    report = on.apply(planned)
    assert {o.status for o in report.outcomes} <= {OutcomeStatus.DONE, OutcomeStatus.NOOP}, (
        told(planned),
        report.outcomes,
    )
    left = on.plan()
    assert change_of(left, f"collection/{name}").action is Action.NOOP, (told(planned), told(left))
    tally(f"{change.action}")
    return True


@common
@given(
    pair=pairs(collections_here()), suffix=SUFFIXES, forgotten=st.sampled_from([False, False, True])
)
def test_any_spec_becomes_any_other(pair, suffix, forgotten, on):
    """And back again; also when nobody remembers who made it."""
    first, second = pair
    name = f"p{next(NUMBERS)}{suffix}"
    try:
        if accepted(on, name, first):
            if forgotten:
                on.clear()
            accepted(on, name, second)
            accepted(on, name, first)
    finally:
        on.clear(name)
        on.sent.clear()


@settings(common, max_examples=2 * common.max_examples)
@given(spec=doubtful())
def test_what_the_tool_accepts_the_server_accepts(spec, on):
    name = f"p{next(NUMBERS)}"
    try:
        accepted(on, name, spec)
    finally:
        on.clear(name)
        on.sent.clear()
