"""Which requests count as writes of points, by the names that servers of two versions give them."""

from __future__ import annotations

from typing import Any

import pytest

from qdrantctl.flows.snapshots.writes import count_writes
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

READS = ("GET {c}", "POST {c}/points/scroll", "POST {c}/points/query/batch", "GET {c}/snapshots")
WRITES = ("PUT {c}/points", "POST {c}/points/delete", "POST {c}/points/payload")
OTHERS = ("PUT {c}/index", "PATCH {c}", "PUT {c}/vectors/{vector_name}", "GET /quotas")


class Telemetry:
    """A node whose telemetry counts each of these requests once."""

    server = Server(Version(1, 19, 0), "http://localhost:6333")

    def __init__(self, *requests: str) -> None:
        responses = {request: {"200": {"count": 1}, "404": {"count": 2}} for request in requests}
        self.answer = {"requests": {"rest": {"responses": responses}, "grpc": {"responses": {}}}}

    def request(self, _: Call) -> Any:
        return self.answer

    def prefetch(self, calls: Any) -> None: ...


@pytest.mark.parametrize(
    "collection",
    [
        pytest.param("/collections/{name}", id="until 1.17.0"),
        # Recorded of 1.19.0, 2026-11-30.
        pytest.param("/collections/{collection_name}", id="from 1.17.1 on"),
    ],
)
def test_writes_are_counted_by_either_name_of_the_collection(collection):
    names = [name.replace("{c}", collection) for name in (*READS, *WRITES, *OTHERS)]
    assert count_writes([Telemetry(*names)], 1) == 3 * len(WRITES)
