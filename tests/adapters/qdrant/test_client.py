import json
import ssl
import subprocess
import time
from urllib.parse import quote

import pytest

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint, TlsFiles
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.step import Call
from tests.support.proxy import answer, proxied
from tests.support.servers import free_port, server_version

KEY = "canary-key-3f9a"
GET = Call(method="GET", path="/collections")
PATCH = Call(method="PATCH", path="/collections/c", body={"hnsw_config": {"m": 32}})


def ask(url, call, **words):
    with RestClient(Endpoint(url=url, **words)) as cluster:
        return cluster.request(call)


def failure(url, call=GET, **words) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        ask(url, call, **words)
    error = caught.value
    assert url in error.what
    assert KEY not in f"{error.what}{error.why}{error.hint}{error!r}{error.__cause__!r}"
    return error


def test_the_server_is_told_apart(qdrant, fresh_qdrant):
    with RestClient(Endpoint(url=qdrant.url)) as cluster:
        assert (cluster.server.version, cluster.server.distributed) == (server_version(), True)
    with RestClient(Endpoint(url=fresh_qdrant(cluster=False).url)) as cluster:
        assert (cluster.server.distributed, cluster.server.peers) == (False, 1)


def test_keys(fresh_qdrant):
    node = fresh_qdrant(
        api_key=KEY,
        environ={
            "QDRANT__SERVICE__READ_ONLY_API_KEY": "reads-only",
            "QDRANT__SERVICE__JWT_RBAC": "true",
        },
    )
    assert ask(node.url, GET, api_key=KEY) == {"collections": []}
    assert failure(node.url).status == 401
    assert "requires an API key" in failure(node.url).what
    assert failure(node.url, api_key="wrong").status == 401
    assert ask(node.url, GET, api_key="reads-only") == {"collections": []}
    create = Call(method="PUT", path="/collections/c", body={"vectors": {}})
    refused = failure(node.url, create, api_key="reads-only")
    assert (refused.status, refused.maybe_applied) == (403, False)
    assert "read-only" in refused.hint


def test_a_key_that_sees_a_part_is_recognised(fresh_qdrant):
    import base64
    import hashlib
    import hmac
    import json

    def encoded(raw: bytes) -> bytes:
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    node = fresh_qdrant(api_key=KEY, environ={"QDRANT__SERVICE__JWT_RBAC": "true"})
    claims = {"access": [{"collection": "c", "access": "r"}], "exp": 4102444800}
    text = b".".join(
        encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)
    )
    token = text + b"." + encoded(hmac.new(KEY.encode(), text, hashlib.sha256).digest())
    door = RestClient(Endpoint(url=node.url, api_key=token.decode()))
    with door, pytest.raises(ClusterError, match="part of the cluster only") as caught:
        _ = door.server
    assert "read-only one is enough" in caught.value.hint


def test_the_servers_words_without_what_was_on_the_wire(qdrant):
    said = (
        '1 of 1 read operations failed: Tonic status error: status: Unavailable, message: "down", '
        'details: [], metadata: MetadataMap { headers: {"date": "today"} }'
    )
    body = json.dumps({"status": {"error": said}}).encode()
    with proxied(qdrant.http_port, lambda *_: answer(400, body)) as proxy:
        why = failure(proxy.url).why
    assert why.endswith('status: Unavailable, message: "down"')


def test_nobody_there():
    error = failure(f"http://127.0.0.1:{free_port()}", api_key=KEY)
    assert "cannot be reached" in error.what
    assert not error.maybe_applied


def test_no_such_host():
    assert "not known" in failure("http://no-such-host.invalid:6333").what


def test_reads_are_tried_again(qdrant):
    faults = {
        1: answer(503, b"busy"),
        2: answer(429, b"", "retry-after: 0"),
        3: "half",
    }
    with proxied(qdrant.http_port, lambda number, _: faults.get(number)) as proxy:
        assert "collections" in ask(proxy.url, GET)
    assert len(proxy.requests) == 4


def test_a_read_that_never_works_fails_and_says_so(qdrant):
    with proxied(qdrant.http_port, lambda *_: answer(500, b'{"status":{"error":"broken"}}')) as p:
        error = failure(p.url)
    assert (error.status, error.why) == (500, "broken")
    assert len(p.requests) == 2
    with proxied(qdrant.http_port, lambda *_: answer(503, b"busy")) as p:
        assert failure(p.url).status == 503
    assert len(p.requests) == 4


@pytest.mark.parametrize(
    "fault", [answer(500), answer(429), answer(502, b"<html>"), "cut", "half", "drop"]
)
def test_a_write_is_sent_once_and_may_have_been_applied(empty_qdrant, fault):
    created = {"vectors": {"size": 4, "distance": "Dot"}}
    empty_qdrant.request("PUT", "/collections/c", created)
    with proxied(empty_qdrant.http_port, lambda *_: fault) as proxy:
        assert failure(proxy.url, PATCH, api_key=KEY).maybe_applied
    assert len(proxy.requests) == 1


def test_a_write_after_an_idle_time_gets_a_fresh_connection(empty_qdrant, monkeypatch):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.http.IDLE_SECONDS", -1.0)
    empty_qdrant.request("PUT", "/collections/c", {"vectors": {"size": 4, "distance": "Dot"}})
    with RestClient(Endpoint(url=empty_qdrant.url)) as cluster:
        assert cluster.request(PATCH) is True
        assert cluster.request(PATCH) is True


def test_the_servers_own_words_are_quoted(empty_qdrant):
    wrong = Call(method="PUT", path="/collections/c", body={"vectors": {"size": 0}})
    error = failure(empty_qdrant.url, wrong)
    assert error.status == 400
    assert "VectorsConfig" in error.why
    assert not error.maybe_applied


def test_an_answer_that_is_not_qdrants(qdrant):
    with proxied(qdrant.http_port, lambda *_: answer(200, b"<html>hello</html>")) as proxy:
        assert "is an HTML page" in failure(proxy.url).what
    with proxied(qdrant.http_port, lambda *_: answer(200, b"hello")) as proxy:
        assert "is not JSON" in failure(proxy.url).what
    with proxied(qdrant.http_port, lambda *_: answer(302, b"", "location: http://x/")) as proxy:
        assert "redirected" in failure(proxy.url, api_key=KEY).what
    with proxied(qdrant.http_port, lambda *_: answer(200, b"{}")) as proxy:
        door = RestClient(Endpoint(url=proxy.url))
        with door, pytest.raises(ClusterError, match="not Q"):
            _ = door.server


@pytest.mark.parametrize(
    "spelled",
    [KEY, quote(KEY.replace("-", "%2D")), KEY.replace("-", "&#45;"), KEY.replace("-", "\\\\u002d")],
)
def test_the_key_is_taken_out_of_the_servers_words(spelled, qdrant):
    echo = answer(400, f'{{"status":{{"error":"bad {spelled} here"}}}}'.encode())
    with proxied(qdrant.http_port, lambda *_: echo) as proxy:
        assert failure(proxy.url, PATCH, api_key=KEY).why == "bad … here"


@pytest.mark.parametrize(
    "path",
    [
        "/collections/...",
        "/collections/%2E%2E%2E",
        "/collections/%2e%2E%2e",
        "/collections/%252E%252E%252E",
        "/collections/%2E%2E%2E/index",
        "/collections/",
        "/collections//points",
    ],
)
def test_a_dot_is_never_sent(empty_qdrant, path):
    call = Call(method="PUT", path=path, body={"vectors": {}})
    refused = pytest.raises(QdrantctlError, match="refused to send")
    with proxied(empty_qdrant.http_port, lambda *_: None) as proxy, refused:
        ask(proxy.url, call)
    assert proxy.requests == []


@pytest.fixture
def tls_node(fresh_qdrant, tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-keyout", str(key), "-out", str(cert), "-subj", "/CN=127.0.0.1"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(words, check=True, capture_output=True)
    environ = {
        "QDRANT__SERVICE__ENABLE_TLS": "true",
        "QDRANT__TLS__CERT": str(cert),
        "QDRANT__TLS__KEY": str(key),
    }
    node = fresh_qdrant(scheme="https", cluster=False, environ=environ)
    _until_it_listens(node.http_port)
    return node, cert


def _until_it_listens(port):
    import socket

    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as sock:
                context = ssl._create_unverified_context()
                with context.wrap_socket(sock):
                    return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("no TLS")


def test_tls(tls_node, qdrant):
    node, cert = tls_node
    assert ask(node.url, GET, tls=TlsFiles(cert)) == {"collections": []}
    untrusted = failure(node.url, api_key=KEY)
    assert "not trusted" in untrusted.what
    assert "ca_file" in untrusted.hint
    plain = failure(node.url.replace("https", "http"), api_key=KEY)
    assert "https" in plain.why
    assert "TLS failed" in failure(qdrant.url.replace("http", "https"), api_key=KEY).what


def test_a_read_that_takes_all_its_time_is_not_sent_again(qdrant):
    def stall(*_: object) -> None:
        time.sleep(1.0)

    with proxied(qdrant.http_port, stall) as proxy:
        error = failure(proxy.url, timeout=0.3)
    assert "no answer within" in error.why
    assert len(proxy.requests) == 1
    with proxied(qdrant.http_port, stall) as proxy:
        assert failure(proxy.url, PATCH, timeout=0.3).maybe_applied


def test_reads_that_are_expected_are_sent_ahead_and_answered_in_any_order(empty_qdrant):
    names = [f"c{number}" for number in range(30)]
    for name in names:
        empty_qdrant.request("PUT", f"/collections/{name}", {"vectors": {}, "shard_number": 1})
    calls = [Call(method="GET", path=f"/collections/{name}") for name in [*names, "missing"]]
    with RestClient(Endpoint(url=empty_qdrant.url)) as cluster:
        cluster.prefetch(calls)
        cluster.request(calls[20])
        assert all(cluster.request(call)["config"] for call in calls[:-1])
        with pytest.raises(ClusterError) as caught:
            cluster.request(calls[-1])
        assert caught.value.status == 404


def test_no_answer_from_before_a_write_is_given_after_it(empty_qdrant):
    patch = {"hnsw_config": {"m": 32}}
    for number in range(8):
        empty_qdrant.request("PUT", f"/collections/c{number}", {"vectors": {}, "shard_number": 1})
    calls = [Call(method="GET", path=f"/collections/c{number}") for number in range(8)]
    with RestClient(Endpoint(url=empty_qdrant.url)) as cluster:
        cluster.prefetch(calls)
        cluster.request(Call(method="PATCH", path="/collections/c0", body=patch))
        assert cluster.request(calls[0])["config"]["hnsw_config"]["m"] == 32


def test_an_expected_read_that_breaks_is_asked_for_again(empty_qdrant):
    for number in range(8):
        empty_qdrant.request("PUT", f"/collections/c{number}", {"vectors": {}, "shard_number": 1})
    calls = [Call(method="GET", path=f"/collections/c{number}") for number in range(8)]

    def twice(number, _):
        return ("drop", "half")[number % 2] if number <= 4 else None

    with (
        proxied(empty_qdrant.http_port, twice) as proxy,
        RestClient(Endpoint(url=proxy.url)) as cluster,
    ):
        cluster.prefetch(calls)
        assert all(cluster.request(call)["config"] for call in calls)
