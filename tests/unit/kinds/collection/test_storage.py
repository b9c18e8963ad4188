"""The size of a collection, of which a plan that re-indexes says how much is rewritten."""

from __future__ import annotations

from dataclasses import replace

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.observe import observe_collections
from qdrantctl.model.address import Address
from qdrantctl.model.client import ReadRequest
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.resource import CollectionStorage, Inventory
from qdrantctl.model.server import Server, Version
from tests.support.recorded import Recorded
from tests.support.states import desired, live_collection, question, recorded

MEMORY = {
    "disk_bytes": 211945090,
    "ram_bytes": 268,
    "cached_bytes": 46738,
    "expected_cache_bytes": 71303576,
}
"""`total` of `GET /collections/v/memory`, recorded of 1.19.0 on 2026-11-30."""
NEW = Server(Version(1, 19, 0), "http://localhost:6333")


def test_the_size_of_a_collection_is_read_where_the_server_reports_it():
    config = {"params": {"vectors": {"size": 4, "distance": "Dot"}}}
    info = {"config": config, "payload_schema": {}, "status": "green", "points_count": 3,
            "optimizer_status": "ok", "segments_count": 2, "indexed_vectors_count": 0}  # fmt: skip
    address = Address("collection", "v")
    only = frozenset({address})
    request = ReadRequest(Inventory(), Inventory(), details=only, sized=only, only=only)
    answers = {
        "aliases": {"aliases": []},
        "collections/v": info,
        "collections/v/memory": {"total": MEMORY},
    }
    [found] = observe_collections(Recorded(NEW, **answers), request)
    assert found.facts.storage == CollectionStorage(**MEMORY)
    older = Recorded(Server(Version(1, 17, 1), "http://localhost:6333"), **answers)
    [found] = observe_collections(older, request)
    assert found.facts.storage is None
    assert "/collections/v/memory" not in older.requested
    failing = Recorded(NEW, **answers | {"collections/v/memory": ClusterError("x", status=500)})
    [found] = observe_collections(failing, request)
    assert found.facts.storage is None


def test_the_plan_of_a_rebuild_says_how_much_is_rewritten():
    stated = {"vectors": {"size": 4, "distance": "Dot"}}
    now = live_collection("a")
    sized = replace(now, facts=replace(now.facts, storage=CollectionStorage(**MEMORY)))
    known = [recorded("collection/a", **stated)]
    for config, size in (({"m": 32}, 211945090), ({"max_indexing_threads": 2}, None)):
        want = desired("collection/a", **stated, hnsw_config=config)
        [change] = plan_changes(question([want], [sized], known), BY_NAME)
        assert (change.disk_bytes if size else change.model_dump().get("disk_bytes")) == size
