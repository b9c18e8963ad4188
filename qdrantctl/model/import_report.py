"""What `import` made of the live cluster: files, what it left out, and what it means."""

from __future__ import annotations

from pydantic import MISSING, BaseModel, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Violation


class ImportedFile(BaseModel):
    """A file that was written."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    file: str = Field(description="Its path, from the project's folder.")
    addresses: tuple[str, ...] = Field(description="The resources in it that were written.")


class SkippedField(BaseModel):
    """Something on the cluster that no file says."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="The resource.")
    path: Path = Field(default=(), description="The field; empty for the resource as a whole.")
    because: str = Field(description="Why.")


class ReceivedField(BaseModel):
    """A field whose value on the cluster belongs into a manifest (`--update`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="The resource.")
    path: Path = Field(description="Where the field stands in the spec.")
    before: Json | MISSING = Field(default=ABSENT, description="What the manifest said.")
    now: Json | MISSING = Field(default=ABSENT, description="What the cluster has.")
    origin: Origin | None = Field(default=None, description="Where it stands.")
    because: str = Field(default="", description="Why it was not written; empty when it was.")


class ImportReport(BaseModel):
    """The report of one import."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    files: tuple[ImportedFile, ...] = Field(default=(), description="What was written.")
    left_out: tuple[SkippedField, ...] = Field(
        default=(), description="What no file says, and why."
    )
    stated: int = Field(default=0, description="Resources that the manifests state already.")
    fields: tuple[ReceivedField, ...] = Field(default=(), description="What --update received.")
    unapplied: tuple[ReceivedField, ...] = Field(
        default=(), description="What --update left: only the manifest moved since it was applied."
    )
    adopt: int = Field(default=0, description="Resources that a plan now would adopt as they are.")
    change: int = Field(default=0, description="Resources that a plan now would change.")
    errors: tuple[Violation, ...] = Field(
        default=(), description="What stops a plan now, in the manifests as they are written."
    )

    @property
    def complete(self) -> bool:
        """Whether every field that --update received was written."""
        return not any(field.because for field in self.fields)
