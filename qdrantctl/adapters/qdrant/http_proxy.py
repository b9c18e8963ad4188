"""The proxy that the environment names for a URL: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

The variables mean what they mean to curl, with one difference: HTTP_PROXY in capitals counts, too,
except in a CGI program (REQUEST_METHOD is set), where a client of the web server could set it.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from urllib.parse import unquote, urlsplit

from qdrantctl.model.errors import SettingsError
from qdrantctl.model.frozen import frozen

DEFAULT_PORTS = {"http": 1080, "https": 443}
"""For a proxy that is named without a port, as in curl."""


@frozen
class Proxy:
    """A proxy that requests are sent through."""

    host: str
    port: int
    variable: str
    """The environment variable that names it."""
    is_secure: bool = False
    """Whether the proxy itself is reached over TLS."""
    authorization: str = field(default="", repr=False)
    """The value of Proxy-Authorization; empty where the proxy needs none."""

    @property
    def shown(self) -> str:
        """The proxy for output, without its password."""
        return f"the proxy {self.host}:{self.port} ({self.variable})"


def find_proxy(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for a normal URL, None where it is reached directly. Raises SettingsError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if _is_excluded(host, port, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    for variable in _proxy_names(parts.scheme, environ):
        if environ.get(variable):
            return _parse_proxy(environ[variable], variable, parts.scheme)
    return None


def _proxy_names(scheme: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that may name the proxy, by precedence."""
    if scheme == "http" and environ.get("REQUEST_METHOD"):
        return ("http_proxy", "all_proxy", "ALL_PROXY")
    return (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")


def _is_excluded(host: str, port: int | None, patterns: str) -> bool:
    """Whether NO_PROXY names the host: by name, by a domain above it, by network, or by `*`."""
    for pattern in patterns.replace(",", " ").split():
        name, _, only = pattern.rpartition(":")
        if name and only.isdigit() and ":" not in name:
            if str(port) != only:
                continue
            pattern = name
        if pattern == "*" or _is_in_network(host, pattern.strip("[]")):
            return True
        domain = pattern.lower().strip(".")
        if domain and (host == domain or host.endswith("." + domain)):
            return True
    return False


def _is_in_network(host: str, pattern: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(pattern, strict=False)
    return False


def _parse_proxy(text: str, variable: str, scheme: str) -> Proxy:
    """The proxy that a variable names. Errors never quote its text: it may hold a password."""
    problem = SettingsError(
        f"the environment variable {variable} does not name a usable proxy",
        why="It must be http://[user:password@]host[:port], or https:// for http:// servers.",
        hint=f"Correct {variable}, or name the server in NO_PROXY to reach it directly.",
    )
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = DEFAULT_PORTS.get(parts.scheme, 0) and (parts.port or DEFAULT_PORTS[parts.scheme])
    except ValueError:
        raise problem from None
    is_secure = parts.scheme == "https"
    if not parts.hostname or not port or (is_secure and scheme == "https"):
        raise problem
    authorization = ""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = (
            "Basic " + base64.b64encode(pair.encode("utf-8", "surrogateescape")).decode()
        )
    return Proxy(parts.hostname, port, variable, is_secure, authorization)
