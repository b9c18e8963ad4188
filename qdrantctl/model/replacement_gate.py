"""The gate of a replacement: what is checked before the aliases move, and with what result."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import ConfigDict, Field

from qdrantctl.model.field_rule import Json
from qdrantctl.model.lazy_model import LazyModel


class CheckName(StrEnum):
    """The checks, in their order."""

    OPTIMIZERS = "optimizers"
    PAYLOAD_INDEXES = "payload_indexes"
    COUNTS = "counts"
    SAMPLE = "sample"
    RECALL = "recall_at_10"
    COMMAND = "command"


class GateCheck(LazyModel):
    """One check of the new collection."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    name: CheckName
    passed: bool
    text: str = Field(description="The figures, and why it failed, in words.")
    figures: Mapping[str, Json] = Field(default_factory=dict, description="The figures.")

    @property
    def line(self) -> str:
        """The check in one line."""
        return f"{self.name} {'passed' if self.passed else 'failed'}: {self.text}"


class GateResult(LazyModel):
    """The result of all checks that were asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    checks: tuple[GateCheck, ...]

    @property
    def passed(self) -> bool:
        """Whether the aliases may move."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[GateCheck, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)
