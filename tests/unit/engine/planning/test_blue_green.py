"""What a replacement without downtime promises, and how a plan shows it. No server."""

from __future__ import annotations

import pytest

from qdrantctl.engine.planning.blue_green import forecast_replacement
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.replacement import CollectionRef, Phase, ReplacementRecord
from qdrantctl.model.server import UNKNOWN, Server
from qdrantctl.render.shared.plan_rows import change_heading
from qdrantctl.render.shared.replacement_lines import forecast_lines


def forecast(settings, **changes):
    record = ReplacementRecord(
        id="1",
        owner="shop/dev",
        collection="products",
        phase=Phase.CREATE,
        settings=settings,
        old=CollectionRef(name="products"),
        new=CollectionRef(name="products--2"),
        entry={"spec": {"vectors": {"": {"size": 4, "distance": "Dot"}}}},
        begun="2026-11-30T12:00:00+00:00",
    ).model_copy(update=changes)
    return forecast_replacement(record, None, Server(UNKNOWN, ""))


def change(settings, **changes):
    return Change(
        address="collection/products",
        action=Action.REPLACE,
        cause=Cause.EDIT,
        replacement=forecast(settings, **changes),
    )


@pytest.mark.parametrize("writers", ["live", "dual", "frozen"])
def test_nothing_of_the_points_is_promised_where_another_program_fills(writers):
    told = forecast({"fill": "external", "writers": writers})
    assert len(told.promises) == 1
    assert "no gap" in told.promises[0]
    assert len(told.limits) == 1
    assert "nothing is carried over" in told.limits[0]


def test_a_rollback_is_called_so():
    assert change_heading(change({})) == "will be replaced without downtime"
    assert change_heading(change({}, returning=True)) == "will be rolled back without downtime"


def test_a_plan_without_steps_names_no_phases():
    assert not any(line.startswith("phases") for line in forecast_lines(change({})))
