"""Probes of the gRPC ports: the status of one call with an empty message. The grpcio adapter."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from qdrantctl.model.audit.evidence import ProbeResult

os.environ.setdefault(
    "GRPC_VERBOSITY", "NONE"
)  # grpc reads this on import; without it, it writes to stderr

import grpc

LIST = "/qdrant.Collections/List"
PEER = "/qdrant.QdrantInternal/GetConsensusCommit"
"""A read-only method of the port for peers."""
GRPC_SECONDS = 5.0
_OPTIONS = (("grpc.enable_http_proxy", 0),)


def load_roots(ca_file: Path | None) -> bytes:
    """The authorities to trust, as for REST; empty if only gRPC's own are available."""
    file = ca_file or ssl.get_default_verify_paths().cafile
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


def probe_grpc(
    address: str, method: str, how: str, key: str | None = None, *, roots: bytes | None = None
) -> ProbeResult:
    """The status of one call. Without `roots` it is sent unencrypted."""
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
    status, details = error.code(), str(error.details() or "")
    if status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return ProbeResult(request, said=details.rpartition("last error: ")[2])
    return ProbeResult(request, status.name, details)
