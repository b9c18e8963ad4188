"""What a plan of format 1.0 shows of the options that it did not record."""

from __future__ import annotations

from qdrantctl.engine.planning.drift_policy import KEPT_AS_IT_IS
from qdrantctl.flows.planning.saved_plan import options_of_1_0
from qdrantctl.model.change import Action
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.plan import RecordedOptions
from qdrantctl.model.violation import Severity, Violation
from tests.support.plans import change, field, plan

KEPT = field(("hnsw_config", "m"), 48, 32, effect=Effect.KEPT, because=KEPT_AS_IT_IS)
REVERTED = field(("hnsw_config", "m"), 48, 32)


def test_the_options_of_a_plan_that_did_not_record_them():
    skipped = Violation(
        rule="QC210", severity=Severity.WARNING, address="collection/gone", message="no snapshot"
    )
    saved = plan(
        change(Action.UPDATE, "collection/kept", KEPT),
        change(Action.UPDATE, "collection/reverted", REVERTED),
        change(Action.DELETE, "collection/gone"),
        change(Action.FORGET, "collection/left"),
        violations=(skipped,),
        format_version="1.0",
    )
    assert options_of_1_0(saved) == RecordedOptions(
        revert_drift=("collection/reverted", "collection/gone", "collection/left"),
        no_snapshot=("collection/gone",),
        removed=("collection/left",),
    )
