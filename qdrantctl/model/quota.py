"""The quota of a cluster: how full a node may get before it refuses writes. Qdrant 1.19 and newer.

The quota itself is one for the cluster, memory and disk are each node's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from pydantic import ConfigDict, Field

from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.server import Version

QUOTAS_SINCE = Version(1, 19, 0)
QUOTAS_PATH = "/quotas"
MEMORY_LIMIT, DISK_LIMIT = "max_resident_memory_percent", "max_disk_usage_percent"
RELEASE_MARGIN = "release_margin_percent"
_DEFAULT_MARGIN = 5


class NodeUsage(LazyModel):
    """How full one node is."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    node: str = Field(description="Id of the node in the cluster; empty for a standalone server.")
    memory_percent: int | None = Field(
        description="Resident memory of the server, of what it may use; null if not measurable."
    )
    disk_percent: int | None = Field(
        description="Space in use on the disk of its storage; null if not measurable."
    )
    exceeded: bool = Field(description="Whether it refuses writes because of the quota.")

    def percent_of(self, limit: str) -> int | None:
        """The percentage that a limit of the quota is compared with."""
        return self.memory_percent if limit == MEMORY_LIMIT else self.disk_percent


@frozen
class QuotaStatus:
    """The quota in force, and how full each node that answered is."""

    config: Mapping[str, Json] = field(default_factory=dict)
    nodes: tuple[NodeUsage, ...] = ()
    memory_is_unbounded: bool = False
    """The node that answered does not know how much memory it has: the limit of its control group
    is a huge number. Its share in use is 0%, so no limit on memory is ever reached."""
    unread: str = ""
    """Why the quota could not be read; nothing else is known then."""

    def list_full_nodes(self, config: Mapping[str, Json]) -> tuple[NodeUsage, ...]:
        """The nodes that refuse writes under a quota: the one in force, or a new one."""
        if dict(config) == dict(self.config):
            return tuple(node for node in self.nodes if node.exceeded)
        return tuple(node for node in self.nodes if any(_exceeded_limits(node, config)))

    def describe_excess(self, config: Mapping[str, Json]) -> str:
        """Which limits which nodes exceed; empty for none."""
        nodes = self.list_full_nodes(config)
        return "; ".join(_describe_node(node, config) for node in nodes)

    def unreachable_reason(self, limit: str) -> str:
        """Why a limit is never reached; empty if it can be."""
        if limit == MEMORY_LIMIT and self.memory_is_unbounded:
            return "it knows of no bound of its memory, so its share in use stays at 0%"
        unable = [node.node for node in self.nodes if node.percent_of(limit) is None]
        named = f" ({', '.join(unable)})" if any(unable) else ""
        return f"a node cannot measure it{named}" if unable else ""


def enforced_limits(config: Mapping[str, Json]) -> dict[str, int]:
    """The limits of a quota that are enforced, in percent."""
    if not config.get("enabled"):
        return {}
    return {limit: config[limit] for limit in (MEMORY_LIMIT, DISK_LIMIT) if limit in config}


def _exceeded_limits(node: NodeUsage, config: Mapping[str, Json]) -> list[str]:
    limits = enforced_limits(config)
    return [name for name, most in limits.items() if (node.percent_of(name) or 0) >= most]


def _describe_node(node: NodeUsage, config: Mapping[str, Json]) -> str:
    limits = enforced_limits(config)
    reached = _exceeded_limits(node, config)
    reasons = [
        f"{_noun(name)} is at {node.percent_of(name)}%, {name} is {limits[name]}"
        for name in reached
    ]
    if not reached:  # a limit that was reached holds until the usage is a margin below it
        margin = config.get(RELEASE_MARGIN, _DEFAULT_MARGIN)
        reasons = [
            f"{_noun(name)} is at {node.percent_of(name)}%, and has to fall below "
            f"{max(most - margin, 1)}% since it reached {name} ({most})"
            for name, most in limits.items()
            if (node.percent_of(name) or 0) >= max(most - margin, 1)
        ] or ["it reached a limit"]
    where = f"node {node.node}: " if node.node else ""
    return where + ", ".join(reasons)


def _noun(limit: str) -> str:
    return "memory" if limit == MEMORY_LIMIT else "the disk"
