"""One request to an unknown REST port, without any key of the user."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from qdrantctl.model.audit.evidence import ProbeResult

REST_SECONDS = 5.0
MAX_BODY_BYTES = 4096
"""Bytes of a response that are read."""


def probe_rest(
    url: str, method: str, path: str, how: str, headers: Mapping[str, str] | None = None
) -> ProbeResult:
    """The response, or why there was none. `how` describes the request in reports.

    The certificate is not checked: the request contains no secret, and `probe_tls` checks it.
    """
    parts = urlsplit(url)
    request = f"{method} {path} {how}"
    connection = _open_unverified(parts.scheme, parts.hostname or "", parts.port)
    try:
        connection.request(method, parts.path.rstrip("/") + path, None, dict(headers or {}))
        response = connection.getresponse()
        body = response.read(MAX_BODY_BYTES).decode("utf-8", "replace")
        response_headers = {name.lower(): value for name, value in response.getheaders()}
        return ProbeResult(request, str(response.status), body, response_headers)
    except (OSError, http.client.HTTPException) as error:
        return ProbeResult(request, said=_explain_failure(error))
    finally:
        connection.close()


def _open_unverified(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=REST_SECONDS)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=REST_SECONDS, context=context)


def _explain_failure(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {REST_SECONDS:.0f} seconds"
    if isinstance(error, http.client.BadStatusLine):
        return "the answer is not HTTP"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
