"""Probes of what a server exposes to any client that can reach it. No request changes data.

Requests that the server should reject carry no key, an empty one or a random one. Real keys are
sent only over a verified connection, and only if `adapters/project/connection.py` allows it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from qdrantctl.adapters.probes import grpc
from qdrantctl.adapters.probes.rest import probe_rest
from qdrantctl.adapters.probes.tls import probe_tls
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.grpc_channel import load_roots
from qdrantctl.adapters.qdrant.http import ConnectionFailed, ResponseLost
from qdrantctl.adapters.qdrant.jwt_tokens import encode_token
from qdrantctl.adapters.qdrant.ports import REST_PORT, port_or_default
from qdrantctl.model.audit.evidence import ORIGIN, GrpcExposure, ProbeResult, ServerExposure
from qdrantctl.model.server import Version

PROBE_SECONDS = 5.0
"""How long one probe may take."""


@dataclass(frozen=True, slots=True)
class ProbePorts:
    """The ports other than the REST port; None if unknown."""

    grpc: int | None = None
    peers: tuple[str, ...] | None = None
    """`host:port`; empty without peers."""
    metrics: int | None = None


def probe_server(
    endpoint: Endpoint,
    ports: ProbePorts,
    read_only_key: str | None,
    report_progress: Callable[[str], None],
) -> ServerExposure:
    """Send every probe. A probe without a response does not raise; its result states the reason."""
    url, random_key = endpoint.url, secrets.token_urlsafe(32)
    secure = url.startswith("https:")
    report_progress("sending requests without a key, with an empty key and with a wrong key")
    root_result = probe_rest(url, "GET", "/", "without a key")
    trusted = probe_tls(url, endpoint.tls.ca_file, PROBE_SECONDS) if secure else None
    # A token signed with a random key: the response shows whether the server checks tokens.
    forged = encode_token({"access": "r"}, secrets.token_urlsafe(32))
    bearer = {"authorization": f"Bearer {forged}"}
    return ServerExposure(
        url=url,
        version=_parse_version(root_result),
        tls=trusted,
        plain_http=tuple(_probe_plain_http(url)) if secure else (),
        no_key=probe_rest(url, "GET", "/collections", "without a key"),
        empty_key=probe_rest(url, "GET", "/collections", "with an empty key", {"api-key": ""}),
        wrong_key=probe_rest(
            url, "GET", "/collections", "with a random key", {"api-key": random_key}),
        forged_token=probe_rest(
            url, "GET", "/collections", "with a forged token", bearer),
        dashboard=probe_rest(url, "GET", "/dashboard", "without a key"),
        cors=probe_rest(
            url, "OPTIONS", "/collections", f"from the origin {ORIGIN}",
            {"origin": ORIGIN, "access-control-request-method": "GET",
             "access-control-request-headers": "api-key"}),
        metrics=tuple(_probe_metrics(url, ports.metrics)),
        grpc=_probe_grpc_port(endpoint, ports.grpc, random_key) if ports.grpc else None,
        peers=_probe_peer_ports(ports.peers),
        own_key=None if read_only_key else _probe_write_access(
            endpoint, endpoint.api_key, "the key in use"),
        read_only_key=_probe_write_access(endpoint, read_only_key, "the read-only key"),
    )  # fmt: skip


def _parse_version(root_result: ProbeResult) -> Version | None:
    try:
        return Version.parse(str(json.loads(root_result.said)["version"]))
    except (ValueError, LookupError, TypeError):
        return None


def _probe_plain_http(url: str) -> list[ProbeResult]:
    """Unencrypted requests without a key to a server that is reached over https."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0]
    ports = dict.fromkeys((parts.port, port_or_default(url, None, REST_PORT)))
    urls = [f"http://{host}:{port}" for port in ports if port]
    return [
        probe_rest(plain_url + parts.path, "GET", "/", f"on {plain_url}, without a key")
        for plain_url in urls
    ]


def _probe_metrics(url: str, port: int | None) -> list[ProbeResult]:
    result = [probe_rest(url, "GET", "/metrics", "without a key")]
    if port:
        metrics_url = f"http://{urlsplit(url).netloc.rpartition(':')[0]}:{port}"
        result.append(
            probe_rest(metrics_url, "GET", "/metrics", f"on {metrics_url}, without a key")
        )
    return result


def _probe_grpc_port(endpoint: Endpoint, port: int, wrong_key: str) -> GrpcExposure:
    """Request the list of collections, as `GET /collections` does."""
    address = f"{urlsplit(endpoint.url).netloc.rpartition(':')[0]}:{port}"
    secure = endpoint.url.startswith("https:")
    roots = load_roots(endpoint.tls.ca_file) if secure else None
    plain = grpc.probe_grpc(address, grpc.LIST, "without TLS and without a key")
    encrypted = grpc.probe_grpc(address, grpc.LIST, "without a key", roots=roots)
    if not plain.code and not encrypted.code:  # each further try might wait as long
        return GrpcExposure(address, plain, encrypted, encrypted, encrypted)
    empty = grpc.probe_grpc(address, grpc.LIST, "with an empty key", "", roots=roots)
    random = grpc.probe_grpc(address, grpc.LIST, "with a random key", wrong_key, roots=roots)
    return GrpcExposure(address, plain, encrypted, empty, random)


def _probe_peer_ports(addresses: tuple[str, ...] | None) -> tuple[ProbeResult, ...] | None:
    if addresses is None:
        return None
    return tuple(grpc.probe_grpc(address, grpc.PEER, "without a key") for address in addresses)


def _probe_write_access(endpoint: Endpoint, key: str | None, key_name: str) -> ProbeResult | None:
    """Test whether a key may write, on a collection that does not exist."""
    if key is None:
        return None
    path = f"/collections/__qctl_{secrets.token_hex(12)}__"
    request = f"PATCH of a collection that does not exist, with {key_name}"
    connection = endpoint.connection(key, PROBE_SECONDS)
    try:
        answer = connection.send("PATCH", path, b'{"optimizers_config":{}}', writes=True)
    except ConnectionFailed as error:
        return ProbeResult(request, said=f"{error.what}: {error.why}")
    except ResponseLost as error:
        return ProbeResult(request, said=error.why)
    finally:
        connection.close()
    return ProbeResult(request, str(answer.status))
