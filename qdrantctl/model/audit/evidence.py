"""Facts on what a server exposes: read by `adapters`, judged by `engine`. They hold no key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from qdrantctl.model.address import Address
from qdrantctl.model.audit.report import Proof
from qdrantctl.model.field_rule import Json
from qdrantctl.model.quota import QuotaStatus
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Version

ORIGIN = "https://qdrantctl.invalid"
"""An origin that should not be allowed: the CORS probe claims it."""

AUDIT_LOG_READ_SINCE, AUDIT_LOG_REPORTED_SINCE = Version(1, 17, 1), Version(1, 18, 0)
"""The first versions that let the audit log be read, and that report in telemetry that it is on."""
AUDIT_LOG_OFF = "Audit logging is not configured"
"""Qdrant's words when the audit log cannot be read because it is off."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of one probe."""

    request: str
    """Description of the request: `GET /collections without a key`."""
    code: str = ""
    """HTTP status or name of the gRPC status; empty if there was no response."""
    said: str = ""
    """The beginning of the response, or why there was none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    def __str__(self) -> str:
        return f"{self.request}: {self.code or 'no answer'}"

    @property
    def is_granted(self) -> bool:
        """Whether the server answered the request."""
        return self.code in ("200", "OK")

    @property
    def is_refused(self) -> bool:
        """Whether the server refused it for lack of a valid key."""
        return self.code in ("401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED")


@dataclass(frozen=True, slots=True)
class TlsExposure:
    """The TLS handshake with the REST port."""

    version: str = ""
    """`TLSv1.3`; empty if no handshake was possible."""
    untrusted: str = ""
    """Why the certificate is not trusted; empty if it is."""
    expires: datetime | None = None
    old_versions: tuple[str, ...] | None = None
    """Which of TLS 1.0 and 1.1 it accepts; None if this machine cannot offer them."""


@dataclass(frozen=True, slots=True)
class GrpcExposure:
    """The gRPC port."""

    address: str
    plain: ProbeResult
    """Without TLS and without a key."""
    no_key: ProbeResult
    empty_key: ProbeResult
    wrong_key: ProbeResult
    """The last three over TLS if the REST port uses it."""


@dataclass(frozen=True, slots=True)
class ServerExposure:
    """What the server exposes to every client that can reach it."""

    url: str
    version: Version | None
    tls: TlsExposure | None
    """None if the URL is plain http."""
    plain_http: tuple[ProbeResult, ...]
    """If the URL is https: plain http requests to its port and to Qdrant's default port."""
    no_key: ProbeResult
    empty_key: ProbeResult
    wrong_key: ProbeResult
    forged_token: ProbeResult
    """A JWT with a forged signature."""
    dashboard: ProbeResult
    cors: ProbeResult
    metrics: tuple[ProbeResult, ...]
    grpc: GrpcExposure | None = None
    """None if its port is unknown."""
    peers: tuple[ProbeResult, ...] | None = None
    """The internal ports of the nodes, probed without a key; None if they are unknown."""
    own_key: ProbeResult | None = None
    """A change of a collection that does not exist, sent with the key in use; None if a read-only
    key is given."""
    read_only_key: ProbeResult | None = None
    """The same with the read-only key, if one is given."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What the server reports to a client with a valid key."""

    now: datetime
    """The server's clock."""
    distributed: bool
    live: Inventory
    telemetry: Mapping[str, Json]
    """Read before any probe was sent, so that its counters do not include the probes."""
    snapshots: Mapping[str, datetime | None]
    """The newest snapshot of each collection whose list could be read; None if it is empty."""
    kept: Mapping[str, datetime] = field(default_factory=dict)
    """The newest complete set of each collection at the destinations of policies."""
    tried: Mapping[str, tuple[datetime, bool]] = field(default_factory=dict)
    """When a set of a collection was last verified, and whether it was good."""
    audit_log: bool | None = None
    """Whether the audit log is on, as `POST /audit/logs` shows; None if it was not asked, or told.
    """
    quota: QuotaStatus | None = None
    """None before Qdrant 1.19, which has none."""


@dataclass(frozen=True, slots=True)
class LeakedSecret:
    """A secret in a file, without its value."""

    file: str
    line: int
    what: str
    """A description such as `looks like an API key`."""
    sink: str = ""
    """The access key whose tokens are written to this file; empty if it is not a sink."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The input of an audit. Parts that could not be read are None."""

    desired: Inventory
    posture: ServerExposure | None
    inside: ServerReport | None
    unseen: str = ""
    """Why `inside` is None."""
    proofs: tuple[Proof, ...] | None = None
    """None without --prove, or if it was not possible."""
    leaks: tuple[LeakedSecret, ...] | None = None
    """None if there are no files to check."""
    files: int = 0
    """Number of files that were checked."""
    profile: Mapping[Address, Mapping[str, Json]] | None = None
    """The limits that profiles require of each collection they cover; None without a profile."""
