"""The plan: every change, its steps, and the violations that forbid it."""

from __future__ import annotations

from collections import Counter
from operator import not_
from typing import Annotated, Any, Self

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.change import Action, Change
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.lazy_model import LATER, LazyModel
from qdrantctl.model.resource import json_digest
from qdrantctl.model.server import Server
from qdrantctl.model.step import Step
from qdrantctl.model.violation import Severity, Violation

PLAN_FORMAT = "1.1"
"""Version of plan JSON: additions raise the minor number, other changes the major."""
NODE = "node"
"""The first part of the address of a node: `node/PEER`."""
_NOT_IN_1_0 = {"changes": {"__all__": {"fields": {"__all__": {"destroys_data"}}}}}
"""Left out so that a plan of format 1.0 keeps its digest."""


class PlannedServer(LazyModel):
    """The server that a plan was computed for."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: str = Field(description="Its version; in a cluster that of the oldest node.")
    url: str = Field(description="Scheme, host and port.")
    distributed: bool = Field(description="Whether it runs in cluster mode.")
    cluster_id: str | MISSING = Field(
        default=ABSENT, description="Random id kept in the ledger; absent before the first apply."
    )

    @classmethod
    def of(cls, server: Server, cluster_id: str) -> Self:
        """A server as plans and reports name it; `cluster_id` is empty before the first apply."""
        planned = cls(version=str(server.version), url=server.url, distributed=server.distributed)
        return planned.model_copy(update={"cluster_id": cluster_id}) if cluster_id else planned


class OfflineSource(LazyModel):
    """The committed state that an offline plan was computed from, without a server."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    ref: str = Field(description="The given branch, tag or commit; HEAD by default.")
    commit: str = Field(description="Its full sha; empty if git cannot resolve it.")


class RecordedOptions(LazyModel):
    """The options of a plan, with which it can be computed again."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    target: tuple[str, ...] = Field(
        default=(), description="Addresses or globs that were selected; empty for everything."
    )
    exclude: tuple[str, ...] = Field(default=(), description="Addresses or globs left out.")
    destroy: tuple[str, ...] = Field(
        default=(),
        exclude_if=not_,
        description="Addresses or globs that are destroyed by name; left out where there are none.",
    )
    revert_drift: tuple[str, ...] = Field(
        default=(), description="Addresses or globs whose drift is reverted in any case."
    )
    no_snapshot: tuple[str, ...] = Field(
        default=(), description="Addresses or globs whose safety snapshot is skipped."
    )
    removed: tuple[str, ...] = Field(
        default=(), description="Addresses that the project file no longer manages."
    )
    allow_older: tuple[str, ...] = Field(
        default=(), description="Addresses or globs that an older checkout may change."
    )


class PlanSummary(LazyModel):
    """The number of changes of each action."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    create: int = Field(default=0, description="Resources that are created.")
    update: int = Field(
        default=0,
        description="Resources that are changed in place, those that are adopted included.",
    )
    replace: int = Field(default=0, description="Resources that are deleted and recreated.")
    delete: int = Field(default=0, description="Resources that are deleted.")
    adopt: int = Field(
        default=0,
        description="Live resources that are adopted as they are; only the ledger is written.",
    )
    forget: int = Field(default=0, description="Resources that are no longer managed.")
    noop: int = Field(default=0, description="Resources in their desired state.")
    refused: int = Field(default=0, description="Resources whose change is not possible.")
    run: int = Field(default=0, description="Policies that are due.")

    @property
    def changes(self) -> int:
        """The number of changes without `noop` and `refused`."""
        return (
            self.create
            + self.update
            + self.replace
            + self.delete
            + self.adopt
            + self.forget
            + self.run
        )


class Reference(LazyModel):
    """One resource that depends on another."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    source: str = Field(description="`kind/name` of the resource that depends on the other one.")
    target: str = Field(
        description="`kind/name` of the other one, or `node/PEER` of a node that holds its shards."
    )


class Plan(LazyModel):
    """Exactly what apply would do. The same states give the same plan, byte for byte."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=PLAN_FORMAT, description="Version of this format.")
    qdrantctl_version: str = Field(description="Version of the program that created it.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    server: PlannedServer = Field(
        description="The server it was computed for; its values are empty in an offline plan."
    )
    offline: OfflineSource | MISSING = Field(
        default=ABSENT, description="Only in an offline plan, which can never be applied."
    )
    manifests_digest: str = Field(description="sha256 over all desired resources.")
    commit: str | MISSING = Field(
        default=ABSENT,
        description="The commit that has these manifests and this project file; absent where they "
        "are not committed, or git cannot tell.",
    )
    options: RecordedOptions | MISSING = Field(
        default=ABSENT, description="Its options; absent before format 1.1 and in restores."
    )
    prepare: tuple[Annotated[Step, LATER], ...] = Field(
        default=(),
        description="Steps before the first change: the ledger's first creation, its replicas.",
    )
    changes: tuple[Change, ...] = Field(default=(), description="In the order of their execution.")
    violations: tuple[Annotated[Violation, LATER], ...] = Field(
        default=(), description="Rules that are broken."
    )
    unmanaged: tuple[str, ...] = Field(
        default=(), description="Live resources without a ledger entry and without a manifest."
    )
    references: tuple[Reference, ...] = Field(
        default=(),
        exclude_if=not_,
        description="What depends on what, where the plan changes one of the two; left out where "
        "nothing does.",
    )

    @property
    def owner(self) -> str:
        """Project and environment together."""
        return f"{self.project}/{self.environment}"

    @property
    def summary(self) -> PlanSummary:
        """The number of changes of each action."""
        by_action = self.format_version == "1.0"  # so that such a plan keeps its digest
        counted = Counter(
            change.action if by_action else change.counted_as for change in self.changes
        )
        return PlanSummary(**{str(action): counted.get(action, 0) for action in Action})

    @property
    def has_work(self) -> bool:
        """Whether apply sends anything: changes, or missing replicas of the ledger."""
        return bool(self.summary.changes or self.prepare)

    @property
    def blocking(self) -> tuple[Violation, ...]:
        """The violations that stop apply."""
        return tuple(v for v in self.violations if v.severity is Severity.ERROR)

    @property
    def is_blocked(self) -> bool:
        """Whether apply would be blocked: by a rule, or by a change that cannot be made."""
        return bool(self.blocking or self.summary.refused)

    @property
    def is_applicable(self) -> bool:
        """Whether apply may run it."""
        return self.offline is ABSENT and not self.is_blocked

    @classmethod
    def parse(cls, document: Any) -> Plan:
        """The inverse of `document`. Raises ValueError with the reason."""
        if not isinstance(document, dict) or "format_version" not in document:
            raise ValueError("it is not a plan")
        version = str(document["format_version"])
        if version.partition(".")[0] != PLAN_FORMAT.partition(".")[0]:
            raise ValueError(f"its format is {version}, this version reads {PLAN_FORMAT}")
        plain = {word: value for word, value in document.items() if word != "digest"}
        if document.get("digest") != json_digest(plain):
            raise ValueError("its digest does not match: it was changed after it was saved")
        derived = ("summary", "applicable")
        return cls.model_validate({k: v for k, v in plain.items() if k not in derived})

    def document(self) -> dict[str, Any]:
        """The plan as JSON (`schemas/plan.json`), `digest` last and over all the rest."""
        hidden = _NOT_IN_1_0 if self.format_version == "1.0" else None
        plain = self.model_dump(mode="json", exclude=hidden)
        if not self.prepare:
            del plain["prepare"]
        head = ("format_version", "qdrantctl_version", "project", "environment", "server")
        keys = (*head, "offline", "manifests_digest", "commit", "options")
        document = {key: plain.pop(key) for key in keys if key in plain}
        document["summary"] = self.summary.model_dump(mode="json")
        document |= plain | {"applicable": self.is_applicable}
        return document | {"digest": json_digest(document)}
