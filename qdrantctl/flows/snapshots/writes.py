"""Whether anybody wrote while a snapshot was taken.

Counts and samples from before and after do not bound what is within: points can be deleted and
come back in between. Only where no write was answered at all must a snapshot hold what was seen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from qdrantctl.model.client import Client
from qdrantctl.model.errors import MISREAD, ClusterError
from qdrantctl.model.step import Call

_READ_REQUESTS = re.compile(
    r"GET .*|POST \S*/points(/(search|scroll|count|query|recommend|discover)\S*)?"
    r"|/qdrant\.\w+/(Search|Scroll|Count|Get|Query|Recommend|Discover|Facet|CoreSearch)\w*"
)
_POINTS = re.compile(r"\S+ \S*/points\b.*|/qdrant\.Points\w*/\w+")
"""What is asked of points, over REST and over gRPC."""


def count_writes(nodes: Collection[Client], peers: int) -> int | None:
    """The requests that all nodes have answered and that may have changed points.

    None where some node is not asked or does not tell.
    """
    if len(nodes) < peers:
        return None
    try:
        return sum(map(_count_on_node, nodes))
    except (ClusterError, *MISREAD):
        return None


def _count_on_node(node: Client) -> int:
    requests = node.request(Call(method="GET", path="/telemetry", query={"details_level": "2"}))[
        "requests"
    ]
    responses: Mapping[str, Any] = requests["rest"]["responses"] | requests["grpc"]["responses"]
    return sum(
        _sum_counts(counts)
        for name, counts in responses.items()
        if _POINTS.fullmatch(name) and not _READ_REQUESTS.fullmatch(name)
    )


def _sum_counts(counts: Mapping[str, Any]) -> int:
    """Of one request, whose answers are counted by their status, or all together."""
    if "count" in counts:
        return int(counts["count"])
    return sum(_sum_counts(of_status) for of_status in counts.values())
