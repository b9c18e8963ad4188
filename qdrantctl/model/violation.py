"""A rule that was broken: in a manifest, or by a plan."""

from __future__ import annotations

from enum import StrEnum

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.resource import Origin
from qdrantctl.model.rule import ABSENT


class Severity(StrEnum):
    """How much a violation weighs. Errors stop validate and apply."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OFF = "off"


class Violation(BaseModel):
    """One broken rule, with its place and the way out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rule: str = Field(description="Stable id, e.g. QC201.")
    severity: Severity = Severity.ERROR
    address: str | MISSING = MISSING
    message: str
    hint: str = Field(default="", description="What to do next.")
    origin: Origin | MISSING = MISSING
    column: int | MISSING = MISSING
    snippet: str | MISSING = Field(
        default=ABSENT, description="The line of the file, as it stands there."
    )
