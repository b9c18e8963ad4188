"""The address of a cluster, without the code that connects to it: most commands need no server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from qdrantctl.model.frozen import frozen

if TYPE_CHECKING:
    from qdrantctl.adapters.qdrant.http import HttpConnection


@frozen
class TlsFiles:
    """Files in PEM form for connections with TLS; None for the default."""

    ca_file: Path | None = None
    """The authorities to trust instead of the system's."""
    cert_file: Path | None = None
    """The client certificate, if the server requires one."""
    key_file: Path | None = None
    """Its private key; None if `cert_file` contains it, too."""


@frozen
class Endpoint:
    """The address of a cluster and the credentials for it."""

    url: str
    """Scheme, host, port, perhaps a path prefix; no trailing slash."""
    api_key: str | None = field(default=None, repr=False)
    key_hint: str = ""
    """Where the key came from, or can be stated: the hint if the server rejects it."""
    tls: TlsFiles = field(default_factory=TlsFiles)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment variables that name proxies; empty if none may be used."""
    timeout: float = 60.0
    """Seconds that one request may take."""
    nodes: tuple[str, ...] = ()
    """The URLs of the cluster's nodes, which are used if `url` cannot be reached."""
    grpc_port: int | None = None
    """The port of gRPC; None if it is unknown."""

    def connection(self, api_key: str | None, timeout: float) -> HttpConnection:
        """A connection to it, opened by its first request. Raises SettingsError."""
        from qdrantctl.adapters.qdrant.http import HttpConnection
        from qdrantctl.adapters.qdrant.http_proxy import find_proxy

        proxy = find_proxy(self.url, self.proxies)
        return HttpConnection(self.url, api_key, timeout, tls=self.tls, proxy=proxy)
