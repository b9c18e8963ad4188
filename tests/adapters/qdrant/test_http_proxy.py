"""The proxy that the environment names, as curl would take it, and requests through a real one."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

import pytest

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.http_proxy import find_proxy
from qdrantctl.model.errors import ClusterError, SettingsError
from qdrantctl.model.step import Call

PASSWORD = "the-password-of-the-proxy"


@pytest.mark.parametrize(
    ("url", "environ", "address"),
    [
        ("http://q:6333", {}, None),
        ("http://q:6333", {"http_proxy": "http://p:3128"}, ("p", 3128)),
        ("http://q:6333", {"HTTP_PROXY": "http://p:3128"}, ("p", 3128)),
        ("http://q:6333", {"HTTP_PROXY": "http://p:3128", "REQUEST_METHOD": "GET"}, None),
        ("http://q:6333", {"http_proxy": "http://a:1", "HTTP_PROXY": "http://b:2"}, ("a", 1)),
        ("https://q:6333", {"http_proxy": "http://p:3128"}, None),
        ("https://q:6333", {"HTTPS_PROXY": "p:3128"}, ("p", 3128)),
        ("https://q:6333", {"all_proxy": "http://p"}, ("p", 1080)),
        ("http://q:6333", {"http_proxy": ""}, None),
        ("http://q:6333", {"http_proxy": "http://p:1", "no_proxy": "*"}, None),
        ("http://a.example.com:6333", {"http_proxy": "p:1", "no_proxy": "example.com"}, None),
        ("http://a.example.com:6333", {"http_proxy": "p:1", "NO_PROXY": ".example.com"}, None),
        ("http://notexample.com:6333", {"http_proxy": "p:1", "NO_PROXY": "example.com"}, ("p", 1)),
        ("http://10.1.2.3:6333", {"http_proxy": "p:1", "NO_PROXY": "b, 10.0.0.0/8"}, None),
        ("http://[::1]:6333", {"http_proxy": "p:1", "NO_PROXY": "::1"}, None),
        ("http://q:6333", {"http_proxy": "p:1", "NO_PROXY": "q:6333"}, None),
        ("http://q:6333", {"http_proxy": "p:1", "NO_PROXY": "q:443"}, ("p", 1)),
    ],
)
def test_which_proxy(url, environ, address):
    proxy = find_proxy(url, environ)
    assert (proxy and (proxy.host, proxy.port)) == address


@pytest.mark.parametrize(
    "text", [f"socks5://u:{PASSWORD}@p:1", f"http://u:{PASSWORD}@:x", "http://"]
)
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(text):
    with pytest.raises(SettingsError) as caught:
        find_proxy("http://q:6333", {"http_proxy": text})
    assert "http_proxy" in caught.value.what
    assert PASSWORD not in caught.value.line


class _Proxy(BaseHTTPRequestHandler):
    """Passes on whole URLs and tunnels; knows one host name that no resolver does."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers["proxy-authorization"]))
        parts = urlsplit(self.path)
        target = http.client.HTTPConnection("127.0.0.1", parts.port)
        target.request("GET", parts.path)
        answer = target.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_CONNECT(self) -> None:
        self.server.requests.append((self.command, self.path, self.headers["proxy-authorization"]))
        port = int(self.path.rpartition(":")[2])
        try:
            other = socket.create_connection(("127.0.0.1", port))
        except OSError:
            self.send_error(502)
            return
        self.send_response(200)
        self.end_headers()
        pair = {self.connection: other, other: self.connection}
        while True:
            for ready in select.select(list(pair), [], [])[0]:
                data = ready.recv(65536)
                if not data:
                    return
                pair[ready].sendall(data)


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.daemon_threads = True
    server.requests = []
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_requests_go_through_it_and_its_password_is_nowhere(qdrant, proxy):
    port = proxy.server_address[1]
    variables = {"http_proxy": f"http://user:{PASSWORD}@127.0.0.1:{port}"}
    endpoint = Endpoint(f"http://qdrant.invalid:{qdrant.http_port}", proxies=variables)
    with RestClient(endpoint) as cluster:
        assert cluster.server.version.major == 1
        cluster.request(Call(method="GET", path="/collections"))
    command, path, authorization = proxy.requests[0]
    assert (command, path) == ("GET", f"http://qdrant.invalid:{qdrant.http_port}/")
    assert authorization.startswith("Basic ")
    assert PASSWORD not in repr(endpoint)


def test_a_proxy_that_is_not_there_is_named(proxy):
    proxy.server_close()
    port = proxy.server_address[1]
    endpoint = Endpoint("http://q.invalid:6333", proxies={"HTTP_PROXY": f"http://127.0.0.1:{port}"})
    with RestClient(endpoint) as cluster, pytest.raises(ClusterError) as caught:
        cluster.request(Call(method="GET", path="/"))
    assert f"no connection through the proxy 127.0.0.1:{port} (HTTP_PROXY)" in caught.value.what
