"""What a command does while it runs, one event for each line of `--format jsonl`."""

from __future__ import annotations

from typing import Literal

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import PlanSummary
from qdrantctl.model.report import Outcome


class Event(BaseModel):
    """One event. The last line of the output is no event: it is the document of the command."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    event: Literal["activity", "planned", "outcome"] = Field(
        description="What happened: an activity began, the plan is known, or a change has ended."
    )
    activity: str | MISSING = Field(default=ABSENT, description="The activity, in a few words.")
    summary: PlanSummary | MISSING = Field(
        default=ABSENT, description="Of the plan that is carried out: changes of each action."
    )
    outcome: Outcome | MISSING = Field(
        default=ABSENT, description="The outcome of the change, as the report has it."
    )
