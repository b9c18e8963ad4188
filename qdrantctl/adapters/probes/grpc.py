"""Probes of the gRPC ports: the status of one call with an empty message."""

from __future__ import annotations

from qdrantctl.adapters.qdrant.grpc_channel import grpc, open_channel
from qdrantctl.model.audit.evidence import ProbeResult

LIST = "/qdrant.Collections/List"
PEER = "/qdrant.QdrantInternal/GetConsensusCommit"
"""A read-only method of the port for peers."""
GRPC_SECONDS = 5.0


def probe_grpc(
    address: str, method: str, how: str, key: str | None = None, *, roots: bytes | None = None
) -> ProbeResult:
    """The status of one call. Without `roots` it is sent unencrypted."""
    request = f"gRPC {method.removeprefix('/qdrant.')} {how} on {address}"
    metadata = () if key is None else (("api-key", key),)
    with open_channel(address, roots) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        try:
            call(b"", timeout=GRPC_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return _explain_refusal(request, error)
    return ProbeResult(request, "OK")


def _explain_refusal(request: str, error: grpc.RpcError) -> ProbeResult:
    status, details = error.code(), str(error.details() or "")
    if status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ProbeResult(request, said=details.rpartition("last error: ")[2])
    return ProbeResult(request, status.name, details)
