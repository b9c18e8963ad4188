"""What a server shows of itself to everybody who can reach it. Nothing that is sent changes data.

Requests that are to be refused carry no key, an empty one or a random one. The real keys go over a
checked connection only, and only where `adapters/project/connection.py` lets them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from qdrantctl.adapters.probes import grpc
from qdrantctl.adapters.probes.rest import ask
from qdrantctl.adapters.probes.tls import handshake
from qdrantctl.adapters.qdrant.client import Endpoint
from qdrantctl.adapters.qdrant.http import Cut, Unreachable
from qdrantctl.adapters.qdrant.jwt_tokens import encode_token
from qdrantctl.model.audit.evidence import ORIGIN, Grpc, Posture, Reply
from qdrantctl.model.server import Version

SECONDS = 5.0
"""How long one probe may take."""
USUAL = (6333, 443, 80)
"""REST ports beside which Qdrant's other ports are probably the usual ones."""
REST_PORT, GRPC_PORT, PEER_PORT = 6333, 6334, 6335


@dataclass(frozen=True, slots=True)
class Ports:
    """Where to look beside the REST port; None where nobody knows."""

    grpc: int | None = None
    peers: tuple[str, ...] | None = None
    """`host:port`; empty where there are no peers."""
    metrics: int | None = None


def usual(url: str, stated: int | None, port: int) -> int | None:
    """A port that was stated, or Qdrant's own where the REST port is usual, too."""
    return stated or (port if urlsplit(url).port in USUAL else None)


def look(
    endpoint: Endpoint, ports: Ports, read_only_key: str | None, tell: Callable[[str], None]
) -> Posture:
    """Send every probe. None of them raises: what got no answer says so."""
    url, wrong = endpoint.url, secrets.token_urlsafe(32)
    secure = url.startswith("https:")
    tell("asking without a key, with an empty and a wrong one")
    about = ask(url, "GET", "/", "without a key")
    trusted = handshake(url, endpoint.tls.ca_file, SECONDS) if secure else None
    # A token signed with a random key: the server says whether it looks at tokens at all.
    forged = encode_token({"access": "r"}, secrets.token_urlsafe(32))
    bearer = {"authorization": f"Bearer {forged}"}
    return Posture(
        url=url,
        version=_version(about),
        tls=trusted,
        plain_http=tuple(_plain(url)) if secure else (),
        no_key=ask(url, "GET", "/collections", "without a key"),
        empty_key=ask(url, "GET", "/collections", "with an empty key", {"api-key": ""}),
        wrong_key=ask(url, "GET", "/collections", "with a random key", {"api-key": wrong}),
        forged_token=ask(url, "GET", "/collections", "with a token that nobody signed", bearer),
        dashboard=ask(url, "GET", "/dashboard", "without a key"),
        cors=ask(
            url, "OPTIONS", "/collections", f"from the origin {ORIGIN}",
            {"origin": ORIGIN, "access-control-request-method": "GET",
             "access-control-request-headers": "api-key"}),
        metrics=tuple(_metrics(url, ports.metrics)),
        grpc=_grpc(endpoint, ports.grpc, wrong) if ports.grpc else None,
        peers=_peers(ports.peers),
        own_key=None if read_only_key else _change(endpoint, endpoint.api_key, "the key in use"),
        read_only_key=_change(endpoint, read_only_key, "the read-only key"),
    )  # fmt: skip


def _version(about: Reply) -> Version | None:
    try:
        return Version.parse(str(json.loads(about.said)["version"]))
    except (ValueError, LookupError, TypeError):
        return None


def _plain(url: str) -> list[Reply]:
    """Plain requests to a server that is reached over https; they carry no key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition(":")[0]
    ports = dict.fromkeys((parts.port, usual(url, None, REST_PORT)))
    places = [f"http://{host}:{port}" for port in ports if port]
    return [ask(place + parts.path, "GET", "/", f"on {place}, without a key") for place in places]


def _metrics(url: str, port: int | None) -> list[Reply]:
    found = [ask(url, "GET", "/metrics", "without a key")]
    if port:
        other = f"http://{urlsplit(url).netloc.rpartition(':')[0]}:{port}"
        found.append(ask(other, "GET", "/metrics", f"on {other}, without a key"))
    return found


def _grpc(endpoint: Endpoint, port: int, wrong: str) -> Grpc:
    """Asks for the list of collections, as `GET /collections` does."""
    address = f"{urlsplit(endpoint.url).netloc.rpartition(':')[0]}:{port}"
    secure = endpoint.url.startswith("https:")
    roots = grpc.roots(endpoint.tls.ca_file) if secure else None
    plain = grpc.ask(address, grpc.LIST, "without TLS and without a key")
    first = grpc.ask(address, grpc.LIST, "without a key", roots=roots)
    if not plain.code and not first.code:  # each further try might wait as long
        return Grpc(address, plain, first, first, first)
    empty = grpc.ask(address, grpc.LIST, "with an empty key", "", roots=roots)
    random = grpc.ask(address, grpc.LIST, "with a random key", wrong, roots=roots)
    return Grpc(address, plain, first, empty, random)


def _peers(addresses: tuple[str, ...] | None) -> tuple[Reply, ...] | None:
    if addresses is None:
        return None
    return tuple(grpc.ask(address, grpc.PEER, "without a key") for address in addresses)


def _change(endpoint: Endpoint, key: str | None, whose: str) -> Reply | None:
    """Tries a key's right to change, on a collection that is not there."""
    if key is None:
        return None
    path = f"/collections/__qctl_{secrets.token_hex(12)}__"
    request = f"PATCH of a collection that is not there, with {whose}"
    wire = endpoint.connection(key, SECONDS)
    try:
        answer = wire.send("PATCH", path, b'{"optimizers_config":{}}', writes=True)
    except Unreachable as error:
        return Reply(request, said=f"{error.what}: {error.why}")
    except Cut as error:
        return Reply(request, said=error.why)
    finally:
        wire.close()
    return Reply(request, str(answer.status))
