"""What a command does while it runs, one event for each line of `--format jsonl`."""

from __future__ import annotations

from typing import Literal

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.plan import PlanSummary
from qdrantctl.model.progress import Unit
from qdrantctl.model.report import Outcome


class TaskAmount(BaseModel):
    """How far a task with a known total is: a transfer, a wait, a phase, or the whole plan."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    task: str = Field(description="The name of the task. Several tasks may run at once.")
    done: int = Field(description="How much of it is done.")
    total: int = Field(description="How much there is.")
    unit: Unit = Field(description="What is counted.")
    rate: float = Field(description="Units in a second since the task began; 0 if unknown.")
    remaining_seconds: int | None = Field(description="Estimated; null if unknown.")


class IndexingState(BaseModel):
    """How far the server has indexed a collection, while `apply --wait` waits for it."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`collection/name`.")
    status: str = Field(description="The server's word: green, yellow, grey or red.")
    indexed: int = Field(description="Points that are indexed.")
    points: int = Field(description="Points of the collection.")
    is_final: bool = Field(description="Whether waiting longer changes nothing.")


class Event(BaseModel):
    """One event. The last line of the output is no event: it is the document of the command."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    event: Literal["activity", "notice", "planned", "progress", "indexing", "outcome"] = Field(
        description="What happened: an activity began, the operator is told something, the plan "
        "is known, a task or an index has got further, or a change has ended."
    )
    activity: str | MISSING = Field(default=ABSENT, description="The activity, in a few words.")
    notice: str | MISSING = Field(
        default=ABSENT, description="What the operator is told, as in waiting for another apply."
    )
    summary: PlanSummary | MISSING = Field(
        default=ABSENT, description="Of the plan that is carried out: changes of each action."
    )
    progress: TaskAmount | MISSING = Field(
        default=ABSENT,
        description="Of a task: at its start, every five seconds, and at its end.",
    )
    indexing: IndexingState | MISSING = Field(
        default=ABSENT, description="Of a collection that `apply --wait` waits for."
    )
    outcome: Outcome | MISSING = Field(
        default=ABSENT, description="The outcome of the change, as the report has it."
    )
