"""What an upgrade of Qdrant changes for one project: the table's entries, and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from pydantic import MISSING, ConfigDict, Field

from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Severity

UPGRADE_FORMAT = "1.0"
"""Version of the report's format: additions raise the minor number, other changes the major."""


class Topic(StrEnum):
    """What a finding of `upgrade-check` is about, in the order of the report."""

    ORDER = "order"
    """Which versions to install, and what is not served meanwhile."""
    REFUSED = "refused"
    """What the current server accepts and the target refuses."""
    SNAPSHOTS = "snapshots"
    """Snapshots that the target does not restore, or that are to be tested."""
    MEANING = "meaning"
    """What behaves in another way."""
    METRICS = "metrics"
    """Names and labels of metrics."""
    DEPRECATED = "deprecated"
    """What is accepted still, and replaced by something else."""
    IN_PLACE = "in_place"
    """What needed a new collection, or was refused, and does not any more."""
    NO_WAY_BACK = "no_way_back"
    """What an older server cannot read."""


@frozen
class VersionChange:
    """One thing that a version of Qdrant changed."""

    since: str
    """First version that has the change, e.g. `1.19.0`."""
    topic: Topic
    message: str
    hint: str = ""
    severity: Severity = Severity.NOTE
    kind: str = ""
    """The kind of resource that it concerns; empty for every server."""
    concerns: Callable[[Mapping[str, Json]], bool] = lambda _: True
    """Whether it concerns a resource of that kind, by its spec."""
    only_from_before: str = ""
    """It matters only for an upgrade from a server older than this version."""
    only_in_cluster: bool = False


class UpgradeSubject(LazyModel):
    """A resource or a snapshot that a finding concerns."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    address: str = Field(description="`collection/products`; of a snapshot also its id and place.")
    path: Path = Field(default=(), description="The field; empty for the resource as a whole.")
    origin: Origin | MISSING = Field(default=ABSENT, description="File and line, if it has any.")
    column: int | MISSING = Field(default=ABSENT, description="Column in that line, from 1.")


class UpgradeFinding(LazyModel):
    """One thing to know or to do about an upgrade."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    topic: Topic = Field(description="What it is about.")
    severity: Severity = Field(
        description="error: it fails after the upgrade. warning: something has to be done. note: "
        "good to know."
    )
    since: str = Field(default="", description="The version that changed it; empty for none.")
    subjects: tuple[UpgradeSubject, ...] = Field(
        default=(), description="What it concerns; empty for every server."
    )
    message: str = Field(description="What changes.")
    hint: str = Field(default="", description="What to do.")


class UpgradeReport(LazyModel):
    """What to know and to do before a server is upgraded."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    format_version: str = Field(default=UPGRADE_FORMAT, description="Version of this format.")
    qdrantctl_version: str = Field(description="Version of the program that created it.")
    project: str = Field(description="`-` without a project file.")
    environment: str = Field(description="`-` without an environment.")
    url: str = Field(description="The server; empty if none was read.")
    current: str = Field(description="The version that is upgraded.")
    target: str = Field(description="The version to upgrade to.")
    steps: tuple[str, ...] = Field(
        description="The versions to install, one after the other, up to the target."
    )
    examined: Mapping[str, int] = Field(
        description="The number of manifests, live resources, ledger entries and snapshots that "
        "were looked at."
    )
    fail_on: Severity = Field(description="The lowest severity that counts for the exit code.")
    findings: tuple[UpgradeFinding, ...] = Field(description="In the order of their topics.")

    @property
    def has_findings(self) -> bool:
        """Whether a finding has the severity that counts, or a higher one."""
        weights = (Severity.NOTE, Severity.WARNING, Severity.ERROR)
        least = weights.index(self.fail_on)
        return any(weights.index(finding.severity) >= least for finding in self.findings)
