"""Channels to gRPC ports. The grpcio adapter."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from qdrantctl.adapters.qdrant.endpoint import TlsFiles

os.environ.setdefault(
    "GRPC_VERBOSITY", "NONE"
)  # grpc reads this on import; without it, it writes to stderr

import grpc as grpc  # for all modules: it must be imported here first

IDENTITY_ALONE = 1
"""The bit of "no compression". A server compresses each response that the channel could read."""
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.compression_enabled_algorithms_bitset", IDENTITY_ALONE),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # each channel has a connection of its own
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


def load_roots(ca_file: Path | None) -> bytes:
    """The authorities to trust, as for REST; empty if only gRPC's own are available."""
    file = ca_file or ssl.get_default_verify_paths().cafile
    try:
        return Path(file).read_bytes() if file else b""
    except OSError:
        return b""


def open_channel(address: str, roots: bytes | None, tls: TlsFiles | None = None) -> grpc.Channel:
    """A channel to `host:port`; its first call connects. Without `roots` it is unencrypted.

    `tls` holds the client's certificate, if it has one. Raises OSError for unreadable files.
    """
    if roots is None:
        return grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
    tls = tls or TlsFiles()
    certificate = tls.cert_file.read_bytes() if tls.cert_file else None
    key_file = tls.key_file or tls.cert_file
    trusted = grpc.ssl_channel_credentials(
        roots or None, key_file.read_bytes() if key_file else None, certificate
    )
    return grpc.secure_channel(address, trusted, options=CHANNEL_OPTIONS)
