"""Server URLs: each has one normal form, and none contains a secret."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORT = 6333
"""Of Qdrant's own clients, for https as well."""


class UrlError(ValueError):
    """A URL that cannot be used. The message never quotes more than scheme and host."""

    def __init__(self, why: str, *, hint: str = "", secret: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint
        self.secret = secret
        """Whether the URL may contain a secret and must not be shown."""


def normalize_url(text: str) -> str:
    """`https://host:port[/path]`, always with its port. Raises UrlError."""
    if not text.isprintable() or " " in text or not text.isascii():
        raise UrlError(
            "a URL must contain printable ASCII characters only, without spaces",
            hint="Write other host names in punycode (xn--…).",
            secret="@" in text,
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UrlError("not a URL: its host or port cannot be read", secret="@" in text) from None
    _refuse_secrets(parts)
    if parts.scheme not in ("http", "https"):
        raise UrlError(
            "the URL must begin with https:// or http://",
            secret="@" in text,
            hint="" if "@" in text else f"Perhaps https://{text.rpartition('//')[2]}?",
        )
    if not parts.hostname:
        raise UrlError("the URL has no host")
    if not re.fullmatch(r"[A-Za-z0-9._-]+|[0-9a-f:.]*:[0-9a-f:.]*", parts.hostname):
        raise UrlError("the URL's host contains characters that are not valid in a host name")
    labels = parts.hostname.removesuffix(".").split(".")
    if ":" not in parts.hostname and not all(0 < len(label) < 64 for label in labels):
        raise UrlError("the URL's host has an empty part, or one of more than 63 characters")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = DEFAULT_PORT if port is None else port
    if not shown:
        raise UrlError("the URL's port is 0, where nothing can listen")
    return f"{parts.scheme}://{host}:{shown}{parts.path.rstrip('/')}"


def _refuse_secrets(parts: SplitResult) -> None:
    if parts.username is not None or parts.password is not None:
        raise UrlError(
            "the URL contains a user name or password, which would be shown with it",
            hint="Remove it from the URL; Qdrant uses an API key, given by api_key.",
            secret=True,
        )
    if parts.query or parts.fragment:
        raise UrlError(
            "the URL contains a query (?…) or a fragment (#…)",
            hint="Remove it; an API key is given by api_key.",
            secret=True,
        )


def url_netloc(url: str) -> str:
    """`host:port` of a normal URL."""
    return urlsplit(url).netloc


def url_host(url: str) -> str:
    """The host alone, IPv6 in brackets."""
    return url_netloc(url).rpartition(":")[0]


def is_loopback(url: str) -> bool:
    """Whether a normal URL stays on this machine."""
    host = url_host(url).strip("[]")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False
