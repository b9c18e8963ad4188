"""What a TLS port shows: whether its certificate is trusted, until when, and which versions."""

from __future__ import annotations

import socket
import ssl
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from qdrantctl.model.audit.evidence import TlsExposure

_OLD = ((ssl.TLSVersion.TLSv1, "TLS 1.0"), (ssl.TLSVersion.TLSv1_1, "TLS 1.1"))


def probe_tls(url: str, ca_file: Path | None, seconds: float) -> TlsExposure:
    """Shake hands as any client would, then as an old one. Nothing else is sent."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    untrusted = ""
    try:
        checked = ssl.create_default_context(cafile=ca_file)
        with _shake_hands(checked, host, port, seconds):
            pass
    except ssl.SSLCertVerificationError as error:
        untrusted = error.verify_message or "not trusted"
    except (OSError, ssl.SSLError) as error:
        untrusted = str(error.strerror or error)
    unchecked = ssl.create_default_context()
    unchecked.check_hostname = False
    unchecked.verify_mode = ssl.CERT_NONE
    try:
        with _shake_hands(unchecked, host, port, seconds) as met:
            version, certificate = met.version() or "", met.getpeercert(binary_form=True)
    except OSError:
        return TlsExposure(untrusted=untrusted)
    return TlsExposure(
        version,
        untrusted,
        _read_expiry(certificate, host, port, seconds),
        _probe_old_versions(host, port, seconds),
    )


def _shake_hands(context: ssl.SSLContext, host: str, port: int, seconds: float) -> ssl.SSLSocket:
    """A connection with TLS. Raises OSError."""
    raw = socket.create_connection((host, port), seconds)
    try:
        return context.wrap_socket(raw, server_hostname=host)
    except BaseException:
        raw.close()
        raise


def _read_expiry(
    certificate: bytes | None, host: str, port: int, seconds: float
) -> datetime | None:
    """The last moment of a certificate. Only one that was checked is told in full.

    So it is checked against itself.
    """
    if not certificate:
        return None
    itself = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(certificate))
    itself.check_hostname = False
    itself.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with suppress(OSError), _shake_hands(itself, host, port, seconds) as met:
        told = (met.getpeercert() or {}).get("notAfter")
        if isinstance(told, str):
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(told), UTC)
    return None


def _probe_old_versions(host: str, port: int, seconds: float) -> tuple[str, ...] | None:
    """The old versions that are taken; None where OpenSSL here was built without them."""
    taken = []
    for version, name in _OLD:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                context.set_ciphers("ALL:@SECLEVEL=0")
                context.minimum_version = context.maximum_version = version
        except (ValueError, ssl.SSLError):
            return None
        try:
            with _shake_hands(context, host, port, seconds):
                taken.append(name)
        except ssl.SSLError as error:
            if error.reason == "NO_PROTOCOLS_AVAILABLE":
                return None
        except OSError:
            continue
    return tuple(taken)
