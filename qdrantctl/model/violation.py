"""A rule that was broken: in a manifest, or by a plan."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import Path


class Severity(StrEnum):
    """How much a violation weighs. Errors stop validate and apply."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a resource's spec breaks, before anybody knows on which line it stands."""

    rule: str
    path: Path
    """Where in the spec."""
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR


class Violation(BaseModel):
    """One broken rule, with its place and the way out."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rule: str = Field(description="Stable id, e.g. QC201.")
    severity: Severity = Field(default=Severity.ERROR, description="How much it weighs.")
    address: str | MISSING = Field(default=ABSENT, description="The resource it is about.")
    message: str = Field(description="What is wrong.")
    hint: str = Field(default="", description="What to do next.")
    origin: Origin | MISSING = Field(default=ABSENT, description="Where it stands.")
    column: int | MISSING = Field(default=ABSENT, description="Column in that line, from 1.")
    snippet: str | MISSING = Field(
        default=ABSENT, description="The line of the file, as it stands there."
    )
