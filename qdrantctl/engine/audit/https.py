"""HTTPS: whether what travels to the server is encrypted, and whether it is that server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from qdrantctl.engine.audit.text import Check, failed, idle, met, passed, unseen
from qdrantctl.model.audit.evidence import Evidence, Reply
from qdrantctl.model.audit.report import Verdict

SOON = timedelta(days=30)
_CLEAR = "the address is plain http (QA101)"


def checks(now: datetime) -> dict[str, Check]:
    """The rules of this part. `now` is what a certificate's end is compared with."""
    return {
        "QA101": _scheme,
        "QA102": _plain_http,
        "QA103": _trusted,
        "QA104": lambda evidence: _expiry(evidence, now),
        "QA105": _versions,
        "QA106": _grpc,
    }


def _scheme(evidence: Evidence) -> Iterator[Verdict]:
    seen = met(evidence)
    if seen.tls is None:
        yield failed(
            "QA101",
            "the address is plain http: whoever is between reads keys and points, and changes them",
        )
    elif not seen.tls.version:
        yield failed("QA101", f"no TLS on {seen.url}: {seen.tls.untrusted}")
    else:
        yield passed("QA101", f"{seen.tls.version} on {seen.url}")


def _plain_http(evidence: Evidence) -> Iterator[Verdict]:
    seen = met(evidence)
    if seen.tls is None:
        yield idle("QA102", _CLEAR)
    elif open_ones := [reply for reply in seen.plain_http if _serves(reply)]:
        yield failed("QA102", "Qdrant answers plain HTTP as well", *open_ones)
    else:
        yield passed("QA102", "nothing of Qdrant answers plain HTTP", *seen.plain_http)


def _serves(reply: Reply) -> bool:
    """Whether it is Qdrant that answers, and not a proxy that sends one on to https."""
    return reply.welcome and '"version"' in reply.said


def _trusted(evidence: Evidence) -> Iterator[Verdict]:
    tls = met(evidence).tls
    if tls is None:
        yield idle("QA103", _CLEAR)
    elif tls.untrusted:
        yield failed("QA103", f"the certificate is not accepted: {tls.untrusted}")
    else:
        yield passed("QA103", "the certificate is trusted and made for this host")


def _expiry(evidence: Evidence, now: datetime) -> Iterator[Verdict]:
    tls = met(evidence).tls
    if tls is None:
        yield idle("QA104", _CLEAR)
    elif tls.expires is None:
        yield unseen("QA104", f"the certificate's last day cannot be read: {tls.untrusted}")
    else:
        day = tls.expires.astimezone(UTC).date().isoformat()
        if tls.expires - now < SOON:
            yield failed("QA104", f"the certificate is valid until {day}")
        else:
            yield passed("QA104", f"the certificate is valid until {day}")


def _versions(evidence: Evidence) -> Iterator[Verdict]:
    tls = met(evidence).tls
    if tls is None:
        yield idle("QA105", _CLEAR)
    elif not tls.version:
        yield unseen("QA105", f"there was no handshake: {tls.untrusted}")
    elif tls.old_versions is None:
        yield unseen("QA105", "the OpenSSL of this machine cannot offer them")
    elif tls.old_versions:
        yield failed("QA105", f"the server takes {' and '.join(tls.old_versions)}")
    else:
        yield passed("QA105", "only newer versions are taken")


def _grpc(evidence: Evidence) -> Iterator[Verdict]:
    seen = met(evidence)
    grpc = seen.grpc
    if grpc is None:
        yield unseen("QA106", NO_GRPC)
    elif grpc.plain.code:
        yield failed("QA106", f"gRPC without TLS is answered on {grpc.address}", grpc.plain)
    elif grpc.no_key.code:
        yield passed("QA106", f"gRPC on {grpc.address} wants TLS", grpc.plain, grpc.no_key)
    else:
        yield unseen(
            "QA106", f"nothing on {grpc.address} answers gRPC: {grpc.no_key.said}", grpc.plain
        )


NO_GRPC = "the gRPC port is not known; name it with --grpc-port"
