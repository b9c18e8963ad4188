"""Evidence made by hand: a server where nothing is as it should be, and one where all is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from qdrantctl.engine.audit.checklist import judge_evidence
from qdrantctl.model.address import Address
from qdrantctl.model.audit.evidence import (
    ORIGIN,
    Evidence,
    GrpcExposure,
    LeakedSecret,
    ProbeResult,
    ServerExposure,
    ServerReport,
    TlsExposure,
)
from qdrantctl.model.audit.report import Proof, Result, Verdict
from qdrantctl.model.quota import NodeUsage, QuotaStatus
from qdrantctl.model.resource import Facts, Inventory, Resource
from qdrantctl.model.server import Version

NOW = datetime(2026, 6, 1, tzinfo=UTC)
URL = "https://qdrant.example.com:6333"
TIGHT = {
    "enabled": True,
    "max_query_limit": 10_000,
    "max_timeout": 30,
    "unindexed_filtering_retrieve": False,
    "search_max_hnsw_ef": 1_000,
    "search_allow_exact": False,
}


def reply(code: str, said: str = "", **headers: str) -> ProbeResult:
    return ProbeResult(
        "a request", code, said, {k.replace("_", "-"): v for k, v in headers.items()}
    )


def collection(name: str = "products", points: int = 3, **spec: Any) -> Resource:
    spec = {"vectors": {"": {"size": 4, "distance": "Dot"}}, **spec}
    return Resource(Address("collection", name), spec, facts=Facts(points=points, status="green"))


def tenants(**index: Any) -> dict[str, Any]:
    return {"payload_indexes": {"tenant_id": {"type": "keyword", **index}}}


def key(name: str, **scope: str) -> Resource:
    return Resource(Address("access_key", name), {"access": scope})


GOOD_POSTURE = ServerExposure(
    url=URL,
    version=Version(1, 19, 0),
    tls=TlsExposure("TLSv1.3", "", datetime(2027, 1, 1, tzinfo=UTC), ()),
    plain_http=(reply(""),),
    no_key=reply("401"),
    empty_key=reply("401"),
    wrong_key=reply("401"),
    forged_token=reply("403", "Invalid JWT: InvalidSignature"),
    dashboard=reply("404"),
    cors=reply("404"),
    metrics=(reply("401"), reply("")),
    grpc=GrpcExposure("h:6334", reply(""), *[reply("UNAUTHENTICATED")] * 3),
    peers=(reply(""),),
    own_key=reply("403"),
    read_only_key=reply("403"),
)
GOOD_LIVE = collection(
    **tenants(is_tenant=True), hnsw_config={"m": 0, "payload_m": 16}, strict_mode_config=TIGHT
)


def proof(result: Result, cap: str = "max_timeout") -> Proof:
    return Proof(address="collection/products", cap=(cap,), value=1, result=result, because="x")


def quota(disk: int, config: dict[str, Any], *, memory: int | None = 10) -> QuotaStatus:
    """The quota of one node with so much of its disk in use."""
    exceeded = disk >= config.get("max_disk_usage_percent", 101)
    node = NodeUsage(node="", memory_percent=memory, disk_percent=disk, exceeded=exceeded)
    return QuotaStatus(config, (node,))


GOOD = Evidence(
    desired=Inventory([key("analytics", products="r")]),
    posture=GOOD_POSTURE,
    inside=ServerReport(
        NOW, True, Inventory([GOOD_LIVE]), {"app": {"audit": {"enabled": True}}},
        {"products": datetime(2026, 5, 30, tzinfo=UTC)},
        quota=quota(40, {"enabled": True, "max_disk_usage_percent": 80}),
    ),
    proofs=(proof(Result.ENFORCED),),
    leaks=(),
    files=3,
    profile={GOOD_LIVE.address: {"enabled": True, "max_query_limit": 10_000}},
)  # fmt: skip

BAD_POSTURE = replace(
    GOOD_POSTURE,
    version=Version(1, 17, 0),
    tls=TlsExposure(
        "TLSv1.1", "self-signed certificate", datetime(2026, 6, 2, tzinfo=UTC), ("TLS 1.0",)
    ),
    plain_http=(reply("200", '{"title":"qdrant","version":"1.17.0"}'),),
    no_key=reply("200"),
    empty_key=reply("200"),
    wrong_key=reply("200"),
    forged_token=reply("401"),
    dashboard=reply("200"),
    cors=reply("200", access_control_allow_origin=ORIGIN),
    metrics=(reply("401"), reply("200")),
    grpc=GrpcExposure("h:6334", reply("OK"), reply("OK"), reply("OK"), reply("OK")),
    peers=(reply(""), reply("OK")),
    own_key=reply("404"),
    read_only_key=reply("404"),
)
REFUSED = {
    "requests": {"rest": {"responses": {"GET /x": {"200": {"count": 9}, "401": {"count": 3}}}}}
}
BAD = Evidence(
    desired=Inventory([key("reports", **{"*": "r"})]),
    posture=BAD_POSTURE,
    inside=ServerReport(
        NOW, True, Inventory([collection(**tenants()), collection("t", **tenants(is_tenant=True))]),
        REFUSED, {"products": datetime(2026, 5, 1, tzinfo=UTC), "t": None},
    ),
    proofs=(proof(Result.NOT_ENFORCED), proof(Result.ENFORCED, "max_query_limit")),
    leaks=(LeakedSecret("compose.yaml", 7, "this looks like an API key"),),
    files=3,
    profile={GOOD_LIVE.address: {"enabled": True}},
)  # fmt: skip


def judged(evidence: Evidence, **severities: Any) -> dict[str, list[Verdict]]:
    """The verdicts of each rule."""
    found: dict[str, list[Verdict]] = {}
    for verdict in judge_evidence(evidence, severities, NOW):
        found.setdefault(verdict.rule, []).append(verdict)
    return found


def only(evidence: Evidence, rule: str) -> Verdict:
    [verdict] = judged(evidence)[rule]
    return verdict
