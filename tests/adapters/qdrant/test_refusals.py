"""Errors keep the words of the response, and name a cause only if it establishes one."""

from __future__ import annotations

import json

import pytest

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.jwt_tokens import encode_token
from qdrantctl.model.client import get_or_none
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Call
from tests.support.proxy import answer, proxied

KEY = "a-key-that-is-long-enough-for-tokens"
PAGE = b"<!DOCTYPE html><html><head><style>b{}</style><title>%d No</title></head><h1>edge-7</h1>"
WRITE = Call(method="PATCH", path="/collections/c", body={"hnsw_config": {"m": 32}})
READ = Call(method="GET", path="/collections/c")


def failure(url, call=READ, **endpoint) -> ClusterError:
    with RestClient(Endpoint(url=url, **endpoint)) as client, pytest.raises(ClusterError) as caught:
        client.request(call)
    return caught.value


@pytest.mark.parametrize(
    ("status", "cause", "maybe_applied"),
    [
        (401, "credentials of its own", False),
        (403, "does not let this request pass", False),
        (404, "does not know this path", False),
        (408, "waited too long", True),
        (413, "takes no body of 26 bytes", False),
        (421, "does not serve this host name", False),
        (429, "limits the rate; try again in 7 seconds", True),
        (502, "does not reach the server", True),
        (503, "has no server to pass the request to", True),
        (504, "does not wait longer for the server", True),
        (507, "has no room for the body", False),
    ],
)
def test_a_page_of_a_proxy_is_no_answer_of_qdrant(
    qdrant, status, cause, maybe_applied, monkeypatch
):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.REPEATED_WITHIN", -1.0)  # else a minute
    page = answer(status, PAGE % status, "retry-after: 7")
    with proxied(qdrant.http_port, lambda *_: page) as proxy:
        error = failure(proxy.url, WRITE, api_key=KEY)
    assert f"answered {status}, with an HTML page" in error.what
    assert (error.why, error.status) == (f"{status} No edge-7", status)
    assert "Something other than Qdrant" in error.hint
    assert cause in error.hint
    assert error.maybe_applied is maybe_applied
    established = (error.not_found, error.conflict, error.forbidden, error.unauthorized)
    assert not any(established)
    assert "API key" not in error.line


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"404 page not found",
        b'{"message":"no Route matched with those values"}',
        b'{"status":{"error":"Not found: Collection `other` doesn\'t exist!"},"time":0.1}',
        b'{"status":{"error":"Not found: Collection `c` doesn\'t exist!"}}',
        PAGE % 404,
    ],
)
def test_absence_is_said_by_qdrant_of_that_very_path(qdrant, body):
    with (
        proxied(qdrant.http_port, lambda *_: answer(404, body)) as proxy,
        RestClient(Endpoint(url=proxy.url)) as client,
        pytest.raises(ClusterError) as caught,
    ):
        get_or_none(client, READ)
    assert "Whether the resource exists is not known" in caught.value.hint
    assert not caught.value.not_found


def test_qdrants_own_absence(empty_qdrant):
    with RestClient(Endpoint(url=empty_qdrant.url)) as client:
        for path in ("/collections/c", "/collections/%C3%A4%20b", "/collections/c/snapshots"):
            assert get_or_none(client, Call(method="GET", path=path)) is None
        with pytest.raises(ClusterError) as caught:
            list(client.download(Call(method="GET", path="/collections/c/snapshots/none")))
        assert caught.value.not_found


def test_why_a_key_or_a_token_is_refused(fresh_qdrant):
    node = fresh_qdrant(api_key=KEY, environ={"QDRANT__SERVICE__JWT_RBAC": "true"})
    exists = {"collection": "registry", "matches": [{"key": "id", "value": "x"}]}
    claims = {
        "expired, at 1970-01-01T00:00:01Z": ({"access": "m", "exp": 1}, KEY),
        "signed with another API key": ({"access": "m"}, "the-key-that-was-replaced-since-then"),
        "registry that the token depends on": ({"access": "m", "value_exists": exists}, KEY),
        "rejects the token": ({"access": "everything"}, KEY),
    }
    for cause, (claim, secret) in claims.items():
        error = failure(node.url, api_key=encode_token(claim, secret), key_hint="From QDRANT_KEY.")
        assert cause in error.what
        assert error.why
        assert "From QDRANT_KEY." in error.hint
    node.request("PUT", "/collections/registry", {"vectors": {}}, key=KEY)
    token = encode_token({"access": "m", "value_exists": exists}, KEY)
    assert "was revoked" in failure(node.url, api_key=token).what
    token = encode_token({"access": [{"collection": "a", "access": "r"}]}, KEY)
    assert "scope of the key" in failure(node.url, api_key=token).hint
    assert "part of the cluster" in failure(node.url, WRITE, api_key=token).hint

    def without_key(_, head):
        return answer(401, b"Must provide an API key or an Authorization bearer token")

    with proxied(node.http_port, without_key) as proxy:
        error = failure(proxy.url, api_key=KEY)
    assert "the API key does not reach the server" in error.what


def test_limits_of_the_server_itself(fresh_qdrant):
    environ = {
        "QDRANT__SERVICE__MAX_REQUEST_SIZE_MB": "1",
        "QDRANT__STORAGE__MAX_COLLECTIONS": "1",
    }
    node = fresh_qdrant(environ=environ)
    node.request("PUT", "/collections/c", {"vectors": {}})
    large = Call(method="PATCH", path="/collections/c", body={"metadata": {"a": "x" * 1_100_000}})
    assert "service.max_request_size_mb" in failure(node.url, large).hint
    another = Call(method="PUT", path="/collections/d", body={"vectors": {}})
    assert "the ledger, and a lease" in failure(node.url, another).hint
    full = b'{"status":{"error":"Insufficient storage: disk"},"time":0.1}'
    with proxied(node.http_port, lambda *_: answer(507, full)) as proxy:
        error = failure(proxy.url, WRITE)
    assert ("/quotas" in error.hint, error.maybe_applied) == (True, False)
    alone = b'{"status":{"error":"Qdrant is running in standalone mode"},"time":0.1}'
    with proxied(node.http_port, lambda *_: answer(405, alone)) as proxy:
        error = failure(proxy.url, WRITE)
    assert ("Nothing was done" in error.hint, error.maybe_applied) == (True, False)
    assert "standalone mode" in error.why


@pytest.mark.parametrize(
    ("path", "result"),
    [
        ("/telemetry", {}),
        ("/telemetry", {"collections": {"number_of_collections": 3}}),
        ("/telemetry", {"collections": {"collections": [{"id": "c"}]}}),
        ("/aliases", {"aliases": [{"alias_name": "a"}]}),
        ("/aliases", []),
        ("/collections", {"collections": {"c": {}}}),
        ("/collections/c/exists", {}),
        ("/collections/c", {"status": "green"}),
        ("/collections/c", None),
        ("/cluster", {}),
    ],
)
def test_a_result_without_what_it_should_hold_is_an_error(qdrant, path, result):
    body = json.dumps({"result": result, "status": "ok", "time": 0.1}).encode()
    with proxied(qdrant.http_port, lambda *_: answer(200, body)) as proxy:
        error = failure(proxy.url, Call(method="GET", path=path))
    assert "has not the form that Qdrant gives it" in error.what


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", PAGE % 200])
def test_a_write_is_not_taken_for_done_without_qdrants_answer(qdrant, body):
    with proxied(qdrant.http_port, lambda *_: answer(200, body)) as proxy:
        assert failure(proxy.url, WRITE).maybe_applied


@pytest.mark.parametrize(
    "headers",
    [
        ("date: yesterday",),
        ("date: Mon, 30 Nov 2026 08:46:36 GMT", "date: Mon, 30 Nov 2026 08:46:36 GMT"),
        ("date: Mon, 30 Nov 2026 08:46:36 -0000",),
        ("date: \xe4",),
        ("retry-after: nan", "retry-after: 7"),
        ("content-type: x", "content-type: y", "x: \x01"),
    ],
)
def test_odd_and_repeated_headers(qdrant, headers):
    body = b'{"result":{"collections":[]},"status":"ok","time":0.1}'
    whole = answer(200, body, *headers)
    with (
        proxied(qdrant.http_port, lambda *_: whole) as proxy,
        RestClient(Endpoint(url=proxy.url)) as client,
    ):
        client.request(Call(method="GET", path="/collections"))
        try:
            assert client.server_time.tzinfo is not None
        except ClusterError as error:
            assert "Date header" in error.what
