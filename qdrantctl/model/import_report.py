"""The report of `import`: written files, skipped fields, and the effect on the next plan."""

from __future__ import annotations

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation


class ImportedFile(LazyModel):
    """A file that was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    file: str = Field(description="Its path, from the project's folder.")
    addresses: tuple[str, ...] = Field(description="The resources that were written to it.")


class SkippedField(LazyModel):
    """A field or resource on the cluster that no file contains."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="The resource.")
    path: Path = Field(default=(), description="The field; empty for the resource as a whole.")
    because: str = Field(description="Why it was skipped.")


class ReceivedField(LazyModel):
    """A field whose live value `--update` writes into a manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="The resource.")
    path: Path = Field(description="The path of the field in the spec.")
    before: Json | MISSING = Field(default=ABSENT, description="The value in the manifest.")
    now: Json | MISSING = Field(default=ABSENT, description="The value on the cluster.")
    origin: Origin | None = Field(default=None, description="File and line that set it.")
    because: str = Field(default="", description="Why it was not written; empty if it was.")


class ImportReport(LazyModel):
    """The report of one import."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    files: tuple[ImportedFile, ...] = Field(default=(), description="The files that were written.")
    left_out: tuple[SkippedField, ...] = Field(
        default=(), description="Fields and resources that no file contains, and why."
    )
    stated: int = Field(default=0, description="Resources that the manifests already declare.")
    fields: tuple[ReceivedField, ...] = Field(
        default=(), description="Fields that --update received."
    )
    unapplied: tuple[ReceivedField, ...] = Field(
        default=(),
        description="Fields that --update skipped: only the manifest changed since the last apply.",
    )
    adopt: int = Field(default=0, description="Resources that a plan now would adopt as they are.")
    change: int = Field(default=0, description="Resources that a plan now would change.")
    errors: tuple[Violation, ...] = Field(
        default=(), description="Errors in the written manifests that would stop a plan."
    )

    @property
    def complete(self) -> bool:
        """Whether every field that --update received was written."""
        return not any(field.because for field in self.fields)
