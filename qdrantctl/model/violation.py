"""Violations of rules, in a manifest or by a plan."""

from __future__ import annotations

from enum import StrEnum

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import Path


class Severity(StrEnum):
    """The severity of a violation. Errors stop validate and apply."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    OFF = "off"


@frozen
class Finding:
    """A violation in a resource's spec by its path, before its line is known."""

    rule: str
    path: Path
    """Where in the spec."""
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR


class Violation(LazyModel):
    """One broken rule, with its place and a hint."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rule: str = Field(description="Stable id, e.g. QC201.")
    severity: Severity = Field(default=Severity.ERROR, description="error, warning or note.")
    address: str | MISSING = Field(default=ABSENT, description="The resource that breaks it.")
    message: str = Field(description="What is wrong.")
    hint: str = Field(default="", description="What to do next.")
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line, if it has any.")
    column: int | MISSING = Field(default=ABSENT, description="Column in that line, from 1.")
    snippet: str | MISSING = Field(default=ABSENT, description="The text of the line in the file.")
