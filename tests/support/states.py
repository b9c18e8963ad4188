"""Worlds made by hand, for the tests of pure code."""

from __future__ import annotations

from datetime import date
from typing import Any

from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.model.address import Address
from qdrantctl.model.resource import Facts, Inventory, Lifecycle, Record, Resource
from qdrantctl.model.server import Server, Version

SERVER = Server(Version(1, 16, 3), "http://localhost:6333", distributed=True, peers=1)
TODAY = date(2026, 6, 1)
OWNER = "shop/dev"

LIVE_DEFAULTS: dict[str, Any] = {
    "params": {
        "vectors": {"size": 4, "distance": "Dot"},
        "shard_number": 1,
        "replication_factor": 1,
        "write_consistency_factor": 1,
        "on_disk_payload": True,
    },
    "hnsw_config": {
        "m": 16,
        "ef_construct": 100,
        "full_scan_threshold": 10000,
        "max_indexing_threads": 0,
        "on_disk": False,
    },
    "optimizer_config": {
        "deleted_threshold": 0.2,
        "vacuum_min_vector_number": 1000,
        "default_segment_number": 0,
        "max_segment_size": None,
        "memmap_threshold": None,
        "indexing_threshold": 10000,
        "flush_interval_sec": 5,
        "max_optimization_threads": None,
    },
    "wal_config": {"wal_capacity_mb": 32, "wal_segments_ahead": 0, "wal_retain_closed": 1},
    "quantization_config": None,
}
"""What 1.16.3 reports of a collection of which only the vector was stated."""

VECTOR = {"vectors": {"size": 4, "distance": "Dot"}}


def canonical(kind: str, spec: dict[str, Any]) -> Any:
    return BY_NAME[kind].canonical(BY_NAME[kind].spec.model_validate(spec))


def desired(address: str, lifecycle: Lifecycle | None = None, **spec: Any) -> Resource:
    where = Address.parse(address)
    return Resource(where, canonical(where.kind, spec), lifecycle=lifecycle or Lifecycle())


def recorded(
    address: str, owner: str = OWNER, *, pending: Any = None, uuid: str = "", **spec: Any
) -> Resource:
    made = desired(address, **spec)
    record = Record(owner, 1, made.digest, uuid=uuid, pending=pending)
    return Resource(made.address, made.spec, record=record)


def live_collection(
    name: str,
    *,
    points: int | None = None,
    aliases: tuple[str, ...] = (),
    indexes: dict[str, Any] | None = None,
    status: str = "green",
    uuid: str = "",
    **config: Any,
) -> Resource:
    merged = {**LIVE_DEFAULTS, **config}
    merged["params"] = {**LIVE_DEFAULTS["params"], **config.get("params", {})}
    spec = dict(parse_live_spec(merged))
    if indexes:
        spec["payload_indexes"] = indexes
    facts = Facts(points=points, aliases=aliases, status=status, uuid=uuid)
    return Resource(Address("collection", name), spec, facts=facts)


def live_alias(name: str, collection: str) -> Resource:
    return Resource(Address("alias", name), {"collection": collection})


def question(
    want: list[Resource] = (),  # type: ignore[assignment]
    live: list[Resource] = (),  # type: ignore[assignment]
    known: list[Resource] = (),  # type: ignore[assignment]
    **more: Any,
) -> PlanInput:
    more.setdefault("server", SERVER)
    return PlanInput(
        owner=OWNER,
        today=TODAY,
        desired=Inventory(want),
        live=Inventory(live),
        remembered=Inventory(known),
        **more,
    )
