"""What a server exposes, as facts: read by `adapters`, judged by `engine`. No key is in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from qdrantctl.model.address import Address
from qdrantctl.model.audit.report import Proof
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import Version

ORIGIN = "https://qdrantctl.invalid"
"""An origin that should not be allowed: the CORS probe claims it."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What came back of one probe."""

    request: str
    """What was sent and where, in words: `GET /collections without a key`."""
    code: str = ""
    """HTTP status or name of the gRPC status; empty where there was no answer."""
    said: str = ""
    """The beginning of the answer, or why there was none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""

    def __str__(self) -> str:
        return f"{self.request}: {self.code or 'no answer'}"

    @property
    def is_granted(self) -> bool:
        """Whether what was asked was given."""
        return self.code in ("200", "OK")

    @property
    def is_refused(self) -> bool:
        """Whether it was refused for want of a right key."""
        return self.code in ("401", "403", "UNAUTHENTICATED", "PERMISSION_DENIED")


@dataclass(frozen=True, slots=True)
class TlsExposure:
    """A handshake with the REST port."""

    version: str = ""
    """`TLSv1.3`; empty where no handshake was possible."""
    untrusted: str = ""
    """Why the certificate is not trusted; empty where it is."""
    expires: datetime | None = None
    old_versions: tuple[str, ...] | None = None
    """Which of TLS 1.0 and 1.1 it takes; None where this machine cannot offer them."""


@dataclass(frozen=True, slots=True)
class GrpcExposure:
    """The gRPC port."""

    address: str
    plain: ProbeResult
    """Without TLS and without a key."""
    no_key: ProbeResult
    empty_key: ProbeResult
    wrong_key: ProbeResult
    """These over TLS where the REST port speaks it."""


@dataclass(frozen=True, slots=True)
class ServerExposure:
    """What everybody sees who can reach the server."""

    url: str
    version: Version | None
    tls: TlsExposure | None
    """None where the address is plain http."""
    plain_http: tuple[ProbeResult, ...]
    """Where the address is https: plain requests to its port and to Qdrant's usual one."""
    no_key: ProbeResult
    empty_key: ProbeResult
    wrong_key: ProbeResult
    forged_token: ProbeResult
    """A JWT with a forged signature."""
    dashboard: ProbeResult
    cors: ProbeResult
    metrics: tuple[ProbeResult, ...]
    grpc: GrpcExposure | None = None
    """None where its port is not known."""
    peers: tuple[ProbeResult, ...] | None = None
    """The ports of the nodes among each other, asked without a key; None where not known."""
    own_key: ProbeResult | None = None
    """A change of a collection that is not there, tried with the key in use; None with one of
    those below."""
    read_only_key: ProbeResult | None = None
    """The same with the read-only key, where one was named."""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What the server tells who has a key."""

    now: datetime
    """The server's clock."""
    distributed: bool
    live: Inventory
    telemetry: Mapping[str, Json]
    """Read before any probe was sent, so that its counters do not hold them."""
    snapshots: Mapping[str, datetime | None]
    """The newest snapshot of each collection whose list could be read; None where it is empty."""
    kept: Mapping[str, datetime] = field(default_factory=dict)
    """The newest whole set of each collection that policies have put away."""
    tried: Mapping[str, tuple[datetime, bool]] = field(default_factory=dict)
    """When a set of a collection was last restored to be verified, and whether it was good."""


@dataclass(frozen=True, slots=True)
class LeakedSecret:
    """A secret in a file. What it is stays there."""

    file: str
    line: int
    what: str
    """`looks like an API key`, and the like."""
    sink: str = ""
    """The access key whose tokens are put in this file; empty where it is no sink."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that an audit judges. What could not be read is None, or says why."""

    desired: Inventory
    posture: ServerExposure | None
    inside: ServerReport | None
    unseen: str = ""
    """Why `inside` is None."""
    proofs: tuple[Proof, ...] | None = None
    """None without --prove, or where it was not possible."""
    leaks: tuple[LeakedSecret, ...] | None = None
    """None where there are no files to look at."""
    files: int = 0
    """How many files were looked at."""
    profile: Mapping[Address, Mapping[str, Json]] | None = None
    """The caps that profiles ask of each collection that they cover; None where none was named."""
