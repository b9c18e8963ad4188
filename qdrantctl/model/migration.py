"""The report of `migrate`: rewritten files, and the fields that were left as they are."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.violation import Severity, Violation


class MigratedFile(LazyModel):
    """A file with fields in a new spelling."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    file: str = Field(description="Its path, from the project's folder.")
    fields: int = Field(description="The number of fields in a new spelling.")
    diff: str = Field(description="The change as a unified diff.")


class MigrationReport(LazyModel):
    """What a migration changed in the manifests, or would change."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default="1.0", description="Version of this format.")
    written: bool = Field(description="Whether the files were written; false with --check.")
    files: tuple[MigratedFile, ...] = Field(default=(), description="The files that change.")
    left: tuple[Violation, ...] = Field(
        default=(),
        description="Deprecated fields that stay: warnings are for fields that must be edited "
        "manually, notes for those that cannot be respelled without a change of the cluster.",
    )

    @property
    def is_complete(self) -> bool:
        """Whether no field has to be edited manually."""
        return not any(field.severity is Severity.WARNING for field in self.left)
