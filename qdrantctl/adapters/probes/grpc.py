"""The gRPC ports: one call with an empty message, its answer as a status. The door to grpcio."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from qdrantctl.model.audit.evidence import ProbeResult

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # else it writes to stderr, read when imported

import grpc

LIST = "/qdrant.Collections/List"
PEER = "/qdrant.QdrantInternal/GetConsensusCommit"
"""Answered by the port for peers; changes nothing."""
GRPC_SECONDS = 5.0
_OPTIONS = (("grpc.enable_http_proxy", 0),)


def load_roots(ca_file: Path | None) -> bytes:
    """The authorities to trust, as for REST; empty where only gRPC's own are to be had."""
    file = ca_file or ssl.get_default_verify_paths().cafile
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


def probe_grpc(
    address: str, method: str, how: str, key: str | None = None, *, roots: bytes | None = None
) -> ProbeResult:
    """The status of one call. Without `roots` it is sent in the clear."""
    request = f"gRPC {method.removeprefix('/qdrant.')} {how} on {address}"
    metadata = () if key is None else (("api-key", key),)
    with _open_channel(address, roots) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        try:
            call(b"", timeout=GRPC_SECONDS, metadata=metadata)
        except grpc.RpcError as error:
            return _explain_refusal(request, error)
    return ProbeResult(request, "OK")


def _open_channel(address: str, roots: bytes | None) -> grpc.Channel:
    if roots is None:
        return grpc.insecure_channel(address, options=_OPTIONS)
    trusted = grpc.ssl_channel_credentials(roots or None)
    return grpc.secure_channel(address, trusted, options=_OPTIONS)


def _explain_refusal(request: str, error: grpc.RpcError) -> ProbeResult:
    status, said = error.code(), str(error.details() or "")
    if status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ProbeResult(request, said=said.rpartition("last error: ")[2])
    return ProbeResult(request, status.name, said)
