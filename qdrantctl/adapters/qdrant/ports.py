"""The ports of a server other than that of its REST API."""

from __future__ import annotations

from urllib.parse import urlsplit

DEFAULT_REST_PORTS = (6333, 443, 80)
"""REST ports for which Qdrant's other ports are probably the default ones."""
REST_PORT, GRPC_PORT, PEER_PORT = 6333, 6334, 6335


def port_or_default(url: str, stated: int | None, port: int) -> int | None:
    """The stated port, or Qdrant's default port if the REST port is a default one, too."""
    return stated or (port if urlsplit(url).port in DEFAULT_REST_PORTS else None)
