"""Probes of a TLS port: whether its certificate is trusted, its expiry, and the TLS versions."""

from __future__ import annotations

import socket
import ssl
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from qdrantctl.model.audit.evidence import TlsExposure

_OLD_VERSIONS = ((ssl.TLSVersion.TLSv1, "TLS 1.0"), (ssl.TLSVersion.TLSv1_1, "TLS 1.1"))


def probe_tls(url: str, ca_file: Path | None, seconds: float) -> TlsExposure:
    """Perform handshakes as a current and as an outdated client. No data is sent."""
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
        with _shake_hands(unchecked, host, port, seconds) as connection:
            version, certificate = (
                connection.version() or "",
                connection.getpeercert(binary_form=True),
            )
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
    """The expiry of a certificate; None if it cannot be read.

    Python decodes only a certificate that was verified, so it is verified against itself.
    """
    if not certificate:
        return None
    context = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(certificate))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    with suppress(OSError), _shake_hands(context, host, port, seconds) as connection:
        not_after = (connection.getpeercert() or {}).get("notAfter")
        if isinstance(not_after, str):
            return datetime.fromtimestamp(ssl.cert_time_to_seconds(not_after), UTC)
    return None


def _probe_old_versions(host: str, port: int, seconds: float) -> tuple[str, ...] | None:
    """The old versions that the server accepts; None if the local OpenSSL lacks them."""
    accepted = []
    for version, name in _OLD_VERSIONS:
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
                accepted.append(name)
        except ssl.SSLError as error:
            if error.reason == "NO_PROTOCOLS_AVAILABLE":
                return None
        except OSError:
            continue
    return tuple(accepted)
