"""One HTTP connection, kept alive: bytes, statuses and sockets. Independent of Qdrant."""

from __future__ import annotations

import http.client
import math
import socket
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from qdrantctl.adapters.qdrant.endpoint import TlsFiles
from qdrantctl.adapters.qdrant.http_proxy import Proxy
from qdrantctl.model.frozen import frozen

IDLE_SECONDS = 2.0
"""Seconds after which a write gets a new connection: servers close idle ones without notice."""
CHUNK_SIZE = 1 << 20
"""Bytes of a file that are in memory at once."""
ALERT_SECONDS = 2.0
"""How long a server may take to send the reason for closing a connection."""
HEADERS = {"accept": "application/json", "content-type": "application/json"}


@frozen
class HttpResponse:
    """A complete response."""

    status: int
    body: bytes
    retry_after: float = 0.0
    """Seconds to wait before a retry."""
    date: str = ""
    """The `Date` header, the server's clock; empty without one."""


@frozen
class StreamedResponse:
    """A response whose body is still being received."""

    status: int
    etag: str
    pieces: Iterator[bytes]


class ConnectionFailed(Exception):
    """Nothing was sent."""

    def __init__(self, what: str, why: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.why, self.hint = what, why, hint


class ResponseLost(Exception):
    """A request was sent, and no complete response arrived: its outcome is unknown."""

    def __init__(self, why: str, *, slow: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.slow = slow
        """Whether the request timed out."""


class HttpConnection:
    """Sends requests to one server, one after the other."""

    def __init__(
        self,
        url: str,
        api_key: str | None,
        timeout: float,
        *,
        tls: TlsFiles | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or 6333
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._tls = tls or TlsFiles()
        self._proxy = proxy
        self._headers = dict(HEADERS)
        if proxy and not self._secure:  # the proxy needs the whole URL to forward the request
            self._prefix = f"http://{parts.netloc}{self._prefix}"
            if proxy.authorization:
                self._headers["proxy-authorization"] = proxy.authorization
        if api_key is not None:
            self._headers["api-key"] = api_key
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def send(self, method: str, target: str, body: bytes, *, writes: bool) -> HttpResponse:
        """Send a request and receive its response. Raises ConnectionFailed or ResponseLost."""
        if writes and time.monotonic() - self._used > IDLE_SECONDS:
            self.close()
        fresh = self._connection is None
        connection = self._connection or self._open()
        try:
            # A server that rejects a large body may not read all of it, but it sends a response.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self._prefix + target, body or None, self._headers)
            response = connection.getresponse()
            answer = _read_response(response)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if fresh and self._needs_client_certificate(error):
                raise self._client_certificate_missing() from None
            if isinstance(error, ssl.SSLError):
                raise ResponseLost(f"TLS failed: {error.reason or error}") from None
            # The server had closed the kept-alive connection: a read can be sent again.
            if not fresh and not writes and not isinstance(error, TimeoutError):
                return self.send(method, target, body, writes=writes)
            raise self._response_lost(error) from None
        if response.will_close:
            self.close()
        self._used = time.monotonic()
        return answer

    @property
    def is_open(self) -> bool:
        """Whether the next request needs no new connection."""
        return self._connection is not None

    def send_read(self, method: str, target: str, body: bytes) -> bool:
        """Send a read without waiting for its response; False if it could not be sent."""
        try:
            connection = self._connection or self._open()
            connection.request(method, self._prefix + target, body or None, self._headers)
        except (ConnectionFailed, OSError, http.client.HTTPException):
            return False
        return True

    def receive(self) -> HttpResponse | None:
        """The response to `send_read`; None if no complete response arrived."""
        if self._connection is None:
            return None
        try:
            response = self._connection.getresponse()
            answer = _read_response(response)
        except (OSError, http.client.HTTPException):
            self.close()
            return None
        if response.will_close:
            self.close()
        return answer

    def stream(self, target: str, begin: int = 0, etag: str = "") -> StreamedResponse:
        """The response to a GET, piece by piece.

        The standard library requests only the encoding `identity`, so the pieces are those of the
        file. With `begin` only the rest is requested, of a file with the same `etag`. Raises
        ConnectionFailed or ResponseLost, also while the pieces are read.
        """
        headers = self._headers | ({"range": f"bytes={begin}-"} if begin else {})
        headers |= {"if-range": etag} if begin and etag else {}
        connection = self._open()
        try:
            connection.request("GET", self._prefix + target, None, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._response_lost(error) from None
        return StreamedResponse(
            response.status, _first_header(response, "etag"), self._read_chunks(response)
        )

    def _read_chunks(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        try:
            while piece := response.read(CHUNK_SIZE):
                yield piece
            if response.length:  # read() does not report a body that ends too early
                raise http.client.IncompleteRead(b"", response.length)
        except (OSError, http.client.HTTPException) as error:
            raise self._response_lost(error) from None

    def upload(self, target: str, pieces: Iterable[bytes], length: int, kind: str) -> HttpResponse:
        """POST a body of `length` bytes in pieces. Raises ConnectionFailed or ResponseLost."""
        headers = self._headers | {"content-type": kind, "content-length": str(length)}
        connection = self._open()
        try:
            # A server that rejects the request may not read all of it, but it sends a response.
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", self._prefix + target, pieces, headers)
            response = connection.getresponse()
            return _read_response(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._response_lost(error) from None

    def _response_lost(self, error: Exception) -> ResponseLost:
        reason = _describe_failure(error, self._timeout, secure=self._secure)
        return ResponseLost(reason, slow=isinstance(error, TimeoutError))

    def _needs_client_certificate(self, error: Exception) -> bool:
        """Whether the server closed the connection because the client sent no certificate.

        With TLS 1.3 the alert follows the handshake. It is lost if the request was already being
        sent, so a second connection that sends nothing waits for the alert.
        """
        if not self._secure or self._tls.cert_file:
            return False
        if isinstance(error, ConnectionError):
            try:
                connection = self._new_connection()
                connection.connect()
                connection.sock.settimeout(ALERT_SECONDS)
                with connection.sock:
                    connection.sock.recv(1)
            except (ConnectionFailed, OSError, http.client.HTTPException) as alert:
                error = alert
        return isinstance(error, ssl.SSLError) and "CERTIFICATE_REQUIRED" in (error.reason or "")

    def _client_certificate_missing(self) -> ConnectionFailed:
        return ConnectionFailed(
            "the server requires a client certificate",
            "It ended the connection: certificate required",
            "State one in the environment: tls: {cert_file: …, key_file: …}.",
        )

    def _open(self) -> http.client.HTTPConnection:
        where = f"{self._host}:{self._port}"
        connection = self._new_connection()
        try:
            connection.connect()
        except UnicodeError:  # an empty label, or one of more than 63 characters
            name = self._proxy.shown if self._proxy else f"the host {self._host}"
            raise ConnectionFailed(f"{name} is not valid", "", "Is the name right?") from None
        except OSError as error:
            if self._proxy and not isinstance(error, ssl.SSLError):
                raise self._proxy_failed(error) from None
            raise self._connection_failed(error, where) from None
        assert connection.sock is not None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        return connection

    def _proxy_failed(self, error: OSError) -> ConnectionFailed:
        assert self._proxy is not None
        return ConnectionFailed(
            f"no connection through {self._proxy.shown}",
            str(error.strerror or error),
            f"Correct {self._proxy.variable}, or name the server in NO_PROXY.",
        )

    def _connection_failed(self, error: OSError, where: str) -> ConnectionFailed:
        """Explain why no connection could be opened."""
        match error:
            case ssl.SSLCertVerificationError():
                return ConnectionFailed(
                    "its certificate is not trusted",
                    error.verify_message,
                    "State the authority that signed it: tls: {ca_file: …}.",
                )
            case ssl.SSLError() if "CERTIFICATE_REQUIRED" in (error.reason or ""):
                return self._client_certificate_missing()
            case ssl.SSLError():
                return ConnectionFailed(
                    "TLS failed",
                    str(error.reason or error),
                    "Does the server speak TLS on this port? If not, write http://.",
                )
            case socket.gaierror():
                what = f"the host {self._host} is not known"
                return ConnectionFailed(what, str(error.strerror), "Is the name right?")
            case TimeoutError():
                what = f"{where} does not answer"
                return ConnectionFailed(
                    what, "the connection timed out", "Is there a firewall in between?"
                )
            case _:
                why = str(error.strerror or error)
                return ConnectionFailed("cannot be reached", why, "Is Qdrant running there?")

    def _new_connection(self) -> http.client.HTTPConnection:
        host, port = self._host, self._port
        if self._proxy:
            host, port = self._proxy.host, self._proxy.port
        if not self._secure and not (self._proxy and self._proxy.is_secure):
            return http.client.HTTPConnection(host, port, timeout=self._timeout)
        connection = http.client.HTTPSConnection(
            host, port, timeout=self._timeout, context=self._tls_context()
        )
        if self._proxy and self._secure:
            authorization = self._proxy.authorization
            headers = {"proxy-authorization": authorization} if authorization else {}
            name = f"[{self._host}]" if ":" in self._host else self._host
            connection.set_tunnel(name, self._port, headers)
        return connection

    def _tls_context(self) -> ssl.SSLContext:
        """The TLS settings of a connection. Raises ConnectionFailed."""
        files = self._tls
        used = files.ca_file
        try:
            context = ssl.create_default_context(cafile=files.ca_file)
            if files.cert_file:
                used = files.key_file or files.cert_file
                # Without a password function OpenSSL would prompt at the terminal.
                context.load_cert_chain(files.cert_file, files.key_file, password=lambda: b"")
        except (OSError, ValueError) as error:
            raise ConnectionFailed(
                f"the certificate file {used} cannot be used",
                str(getattr(error, "strerror", None) or error),
                "It must hold PEM: certificates in ca_file and cert_file, a key without a "
                "password in key_file.",
            ) from None
        return context


def _read_response(response: http.client.HTTPResponse) -> HttpResponse:
    return HttpResponse(
        response.status, response.read(), _retry_after(response), _first_header(response, "date")
    )


def _first_header(response: http.client.HTTPResponse, name: str) -> str:
    """A header's value, the first if proxies repeat it; empty if it cannot be sent back."""
    value = next(iter(response.headers.get_all(name) or ()), "")
    return value if value.isascii() and value.isprintable() else ""


def _retry_after(response: http.client.HTTPResponse) -> float:
    try:
        seconds = float(_first_header(response, "retry-after") or 0)
    except ValueError:
        return 0.0
    return seconds if seconds > 0 and math.isfinite(seconds) else 0.0


def _describe_failure(error: Exception, timeout: float, *, secure: bool) -> str:
    """Explain why there is no response."""
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout:.0f} seconds"
    if isinstance(error, http.client.BadStatusLine) and not isinstance(
        error, http.client.RemoteDisconnected
    ):
        return "the answer is not HTTP" + ("" if secure else "; does the server require https://?")
    if isinstance(error, ConnectionError | http.client.IncompleteRead):
        return "the connection was cut" + ("" if secure else " (does the server require https://?)")
    return str(error) or type(error).__name__
