"""HTTPS: whether the connection to the server is encrypted and the server is authenticated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from qdrantctl.engine.audit.text import (
    Check,
    fail_verdict,
    get_exposure,
    not_applicable,
    not_visible,
    pass_verdict,
)
from qdrantctl.model.audit.evidence import Evidence, ProbeResult
from qdrantctl.model.audit.report import Verdict

SOON = timedelta(days=30)
_CLEAR = "the address is plain http (QA101)"


def https_checks(now: datetime) -> dict[str, Check]:
    """The rules of this part. A certificate's end is compared with `now`."""
    return {
        "QA101": _judge_scheme,
        "QA102": _judge_plain_http,
        "QA103": _judge_trust,
        "QA104": lambda evidence: _judge_expiry(evidence, now),
        "QA105": _judge_versions,
        "QA106": _judge_grpc_tls,
    }


def _judge_scheme(evidence: Evidence) -> Iterator[Verdict]:
    exposure = get_exposure(evidence)
    if exposure.tls is None:
        yield fail_verdict(
            "QA101",
            "the address is plain http: any host in between can read and change keys and points",
        )
    elif not exposure.tls.version:
        yield fail_verdict("QA101", f"no TLS on {exposure.url}: {exposure.tls.untrusted}")
    else:
        yield pass_verdict("QA101", f"{exposure.tls.version} on {exposure.url}")


def _judge_plain_http(evidence: Evidence) -> Iterator[Verdict]:
    exposure = get_exposure(evidence)
    if exposure.tls is None:
        yield not_applicable("QA102", _CLEAR)
    elif granted := [reply for reply in exposure.plain_http if _is_qdrant(reply)]:
        yield fail_verdict("QA102", "Qdrant answers plain HTTP as well", *granted)
    else:
        yield pass_verdict("QA102", "Qdrant does not answer plain HTTP", *exposure.plain_http)


def _is_qdrant(reply: ProbeResult) -> bool:
    """Whether the reply is from Qdrant, and not a proxy's redirect to https."""
    return reply.is_granted and '"version"' in reply.said


def _judge_trust(evidence: Evidence) -> Iterator[Verdict]:
    tls = get_exposure(evidence).tls
    if tls is None:
        yield not_applicable("QA103", _CLEAR)
    elif tls.untrusted:
        yield fail_verdict("QA103", f"the certificate is not accepted: {tls.untrusted}")
    else:
        yield pass_verdict("QA103", "the certificate is trusted and valid for this host")


def _judge_expiry(evidence: Evidence, now: datetime) -> Iterator[Verdict]:
    tls = get_exposure(evidence).tls
    if tls is None:
        yield not_applicable("QA104", _CLEAR)
    elif tls.expires is None:
        yield not_visible("QA104", f"the certificate's last day cannot be read: {tls.untrusted}")
    else:
        day = tls.expires.astimezone(UTC).date().isoformat()
        if tls.expires - now < SOON:
            yield fail_verdict("QA104", f"the certificate is valid until {day}")
        else:
            yield pass_verdict("QA104", f"the certificate is valid until {day}")


def _judge_versions(evidence: Evidence) -> Iterator[Verdict]:
    tls = get_exposure(evidence).tls
    if tls is None:
        yield not_applicable("QA105", _CLEAR)
    elif not tls.version:
        yield not_visible("QA105", f"there was no handshake: {tls.untrusted}")
    elif tls.old_versions is None:
        yield not_visible("QA105", "the OpenSSL of this machine cannot offer them")
    elif tls.old_versions:
        yield fail_verdict("QA105", f"the server accepts {' and '.join(tls.old_versions)}")
    else:
        yield pass_verdict("QA105", "only newer versions are accepted")


def _judge_grpc_tls(evidence: Evidence) -> Iterator[Verdict]:
    exposure = get_exposure(evidence)
    grpc = exposure.grpc
    if grpc is None:
        yield not_visible("QA106", NO_GRPC)
    elif grpc.plain.code:
        yield fail_verdict("QA106", f"gRPC without TLS is answered on {grpc.address}", grpc.plain)
    elif grpc.no_key.code:
        yield pass_verdict("QA106", f"gRPC on {grpc.address} requires TLS", grpc.plain, grpc.no_key)
    else:
        yield not_visible(
            "QA106", f"nothing on {grpc.address} answers gRPC: {grpc.no_key.said}", grpc.plain
        )


NO_GRPC = "the gRPC port is not known; name it with --grpc-port"
