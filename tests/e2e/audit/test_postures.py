"""Real servers in the postures that matter, each with the verdicts that it must get."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from qdrantctl.adapters.probes.probe import ProbePorts, probe_server
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.server import Version
from tests.e2e.audit.conftest import answers, held
from tests.support.cli import run_cli
from tests.support.servers import Node, server_version

KEY, READ_ONLY = "a-key-for-tests-5e0b91", "a-key-that-only-reads-77"
WITH_READ_ONLY = {"QDRANT__SERVICE__READ_ONLY_API_KEY": READ_ONLY}
WITH_TOKENS = {"QDRANT__SERVICE__JWT_RBAC": "true"}
CLOSED = "1"
"""A port at which nobody listens."""
PASS, FAIL, IDLE, UNSEEN = "pass", "fail", "not_applicable", "cannot_be_seen"
ACCESS = ("QA201", "QA202", "QA203", "QA204", "QA206")


def ports(node: Node) -> tuple[str, ...]:
    return "--url", node.url, "--grpc-port", str(node.grpc_port)


def some(report: dict[str, str], *rules: str) -> tuple[str, ...]:
    return tuple(report[rule] for rule in rules)


def messages(report, rule):
    return " ".join(verdict["message"] for verdict in report["verdicts"] if verdict["rule"] == rule)


def filled(node: Node, name: str = "products", **spec: object) -> None:
    body = {"vectors": {"size": 2, "distance": "Dot"}, **spec}
    assert node.request("PUT", f"/collections/{name}", body)[0] == 200
    points = [{"id": i, "vector": [i, 1], "payload": {"n": i}} for i in range(3)]
    path = f"/collections/{name}/points?wait=true"
    assert node.request("PUT", path, {"points": points})[0] == 200


def test_an_open_cluster(empty_qdrant, audited):
    node = empty_qdrant
    filled(node)
    before = held(node)
    report = audited(*ports(node))
    found = answers(report)
    assert found.keys() == AUDIT_RULES.keys()
    assert some(found, *ACCESS) == (FAIL,) * 5
    assert some(found, "QA101", "QA102", "QA106", "QA205") == (FAIL, IDLE, FAIL, IDLE)
    assert some(found, "QA401", "QA501", "QA602", "QA604") == (FAIL,) * 4
    # 1.16.3 as it is fetched for tests comes without the files of the dashboard.
    newest = server_version() >= Version(1, 19, 0)  # no known holes, and an audit log that is off
    is_old = (PASS, FAIL, IDLE)
    assert some(found, "QA603", "QA701", "QA702") == ((PASS, PASS, FAIL) if newest else is_old)
    # The port for peers, which the cluster tells itself.
    [verdict] = [v for v in report["verdicts"] if v["rule"] == "QA601"]
    assert verdict["answer"] == FAIL
    assert f"127.0.0.1:{node.p2p_port}: OK" in verdict["requests"][0]
    assert report["server"] == {"url": node.url, "version": str(server_version())}
    assert held(node) == before


def test_a_port_for_peers_that_is_closed(qdrant, audited):
    assert answers(audited(*ports(qdrant), "--p2p-port", CLOSED))["QA601"] == PASS


def test_ports_that_nobody_knows_are_not_guessed(qdrant, audited):
    """Beside an unusual REST port 6334 may be anybody's."""
    found = answers(audited("--url", qdrant.url))
    assert some(found, "QA106", "QA204") == (UNSEEN, UNSEEN)
    found = answers(audited("--url", qdrant.url, "--grpc-port", CLOSED))
    assert some(found, "QA106", "QA204") == (UNSEEN, UNSEEN)


def test_a_key_alone(fresh_qdrant, audited, monkeypatch):
    """And a snapshot, which is of today."""
    node = fresh_qdrant(api_key=KEY, cluster=False)
    filled(node)
    assert node.request("POST", "/collections/products/snapshots")[0] == 200
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    before = held(node)
    first = answers(audited(*ports(node)))
    assert some(first, *ACCESS) == (PASS, PASS, PASS, PASS, FAIL)
    # From 1.17 on there may be a port for metrics alone.
    metrics = UNSEEN if server_version() >= Version(1, 17, 0) else PASS
    assert some(first, "QA205", "QA601", "QA602", "QA501") == (UNSEEN, IDLE, metrics, PASS)
    assert first["QA703"] == PASS
    assert held(node) == before
    # What the first audit tried is seen by the second.
    second = audited(*ports(node))
    assert answers(second)["QA703"] == FAIL
    assert "of 401" in messages(second, "QA703")


def test_without_the_key_what_is_inside_cannot_be_seen(fresh_qdrant, audited, monkeypatch):
    node = fresh_qdrant(api_key=KEY, cluster=False)
    for key, why in ((None, "requires an API key"), ("wrong", "rejects the API key")):
        if key:
            monkeypatch.setenv("QDRANT_API_KEY", key)
        report = audited(*ports(node), "--fail-on", "warning")
        found = answers(report)
        assert some(found, "QA201", "QA401", "QA408", "QA501", "QA601") == (PASS, *[UNSEEN] * 4)
        assert why in messages(report, "QA401")


def test_a_read_only_key(fresh_qdrant, audited, monkeypatch):
    node = fresh_qdrant(api_key=KEY, cluster=False, environ=WITH_READ_ONLY)
    filled(node)
    monkeypatch.setenv("RO", READ_ONLY)
    monkeypatch.setenv("RW", KEY)
    # As the key of the environment it is enough to see everything.
    monkeypatch.setenv("QDRANT_API_KEY", READ_ONLY)
    before = held(node)
    found = answers(audited(*ports(node), "--prove"))
    assert some(found, "QA205", "QA401", "QA408", "QA501") == (PASS, FAIL, IDLE, FAIL)
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    assert answers(audited(*ports(node), "--read-only-key-env", "RO"))["QA205"] == PASS
    assert answers(audited(*ports(node), "--read-only-key-env", "RW"))["QA205"] == FAIL
    assert held(node) == before


def test_tokens(fresh_qdrant, audited, monkeypatch):
    node = fresh_qdrant(api_key=KEY, cluster=False, environ=WITH_TOKENS)
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    found = answers(audited(*ports(node), code=2))
    assert some(found, *ACCESS) == (PASS,) * 5


def test_an_empty_key(fresh_qdrant, audited):
    """Set and empty: with an empty one everybody gets in; from 1.19 on without a key, too."""
    environ = {"QDRANT__SERVICE__API_KEY": ""}
    node = fresh_qdrant(cluster=False, environ=environ, scheme="https")
    _until_it_listens(node.http_port)
    url = node.url.replace("https", "http")
    report = audited("--url", url, "--grpc-port", str(node.grpc_port))
    as_unset = server_version() >= Version(1, 19, 0)
    expected = (FAIL,) * 4 if as_unset else (PASS, FAIL, PASS, FAIL)
    assert some(answers(report), "QA201", "QA202", "QA203", "QA204") == expected


def _until_it_listens(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            with socket.create_connection(("127.0.0.1", port), 1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nobody listens")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class TestTls:
    def server(self, fresh_qdrant, authority, folder: Path, **words: object) -> Node:
        leaf = authority.issue_cert("127.0.0.1", **words)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
        leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        environ = {
            "QDRANT__SERVICE__ENABLE_TLS": "true",
            "QDRANT__TLS__CERT": str(folder / "cert.pem"),
            "QDRANT__TLS__KEY": str(folder / "key.pem"),
            "QDRANT__TLS__CA_CERT": str(folder / "ca.pem"),
            "QDRANT__SERVICE__ENABLE_CORS": "false",
            "QDRANT__STORAGE__QUOTAS__ENABLED": "true",  # ignored before 1.19
            "QDRANT__STORAGE__QUOTAS__MAX_DISK_USAGE_PERCENT": "99",
            "QDRANT__AUDIT__ENABLED": "true",  # ignored before 1.17
            **WITH_TOKENS,
            **WITH_READ_ONLY,
        }
        node = fresh_qdrant(scheme="https", cluster=False, api_key=KEY, environ=environ)
        _until_it_listens(node.http_port)
        (folder / "qdrantctl.yaml").write_text(
            "apiVersion: qdrantctl/v1\nkind: Project\nmetadata: {name: shop}\nspec:\n"
            f"  environments:\n    prod:\n      url: {node.url}\n      api_key: {{env: RO}}\n"
            f"      tls: {{ca_file: ca.pem}}\n"
        )
        (folder / "manifests").mkdir()
        return node

    def test_a_hardened_server(self, fresh_qdrant, authority, audited, tmp_path, monkeypatch):
        node = self.server(fresh_qdrant, authority, tmp_path)
        monkeypatch.setenv("RO", READ_ONLY)
        words = ("-C", str(tmp_path), "--grpc-port", str(node.grpc_port))
        found = answers(audited(*words, code=0))
        assert FAIL not in {answer for rule, answer in found.items() if rule != "QA701"}
        assert some(found, *(f"QA10{n}" for n in range(1, 7))) == (PASS,) * 6
        assert some(found, *(f"QA20{n}" for n in range(1, 7))) == (PASS,) * 6
        assert some(found, "QA208", "QA604") == (PASS, PASS)
        # An authority that nobody knows: what needs no key is seen all the same.
        monkeypatch.setenv("QDRANT_API_KEY", READ_ONLY)
        report = audited(*ports(node))
        found = answers(report)
        assert some(found, "QA101", "QA103", "QA104", "QA201") == (PASS, FAIL, PASS, PASS)
        assert some(found, "QA401", "QA204", "QA205") == (UNSEEN,) * 3
        assert "certificate is not trusted" in messages(report, "QA401")

    def test_a_certificate_that_ends_soon(
        self, fresh_qdrant, authority, audited, tmp_path, monkeypatch
    ):
        soon = datetime.now(UTC) + timedelta(days=7)
        node = self.server(fresh_qdrant, authority, tmp_path, not_after=soon)
        monkeypatch.setenv("RO", READ_ONLY)
        words = ("-C", str(tmp_path), "--grpc-port", str(node.grpc_port), "--fail-on", "warning")
        report = audited(*words)
        assert answers(report)["QA104"] == FAIL
        assert soon.date().isoformat() in messages(report, "QA104")


def test_nobody_answers(tmp_path):
    result = run_cli("audit", "--url", "http://127.0.0.1:1")
    assert result.code == 1
    assert "cannot be reached" in result.err


def test_a_key_is_sent_to_nobody_who_cannot_show_who_he_is():
    """A listener that is no server takes down whatever comes: handshakes, and plain requests."""
    came: list[bytes] = []

    def listen(listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with client:
                client.settimeout(0.2)
                try:
                    came.append(client.recv(65536))
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=listen, args=(listening,), daemon=True).start()
        port = listening.getsockname()[1]
        endpoint = Endpoint(f"https://127.0.0.1:{port}", KEY)
        probe_server(
            endpoint, ProbePorts(grpc=port, peers=(f"127.0.0.1:{port}",)), READ_ONLY, lambda _: None
        )
    assert any(b"GET / " in sent for sent in came)
    assert not any(KEY.encode() in sent or READ_ONLY.encode() in sent for sent in came)


def test_the_read_only_key_goes_only_where_keys_may_go(qdrant, monkeypatch):
    monkeypatch.setenv("RO", READ_ONLY)
    monkeypatch.setenv("QDRANTCTL_ALLOWED_HOSTS", "other.example.com")
    result = run_cli("audit", "--url", qdrant.url, "--read-only-key-env", "RO")
    assert result.code == 1
    assert "may not be sent to 127.0.0.1" in result.err
    monkeypatch.delenv("QDRANTCTL_ALLOWED_HOSTS")
    result = run_cli("audit", "--url", "http://192.0.2.1", "--read-only-key-env", "RO")
    assert result.code == 64
    assert "in the clear" in result.err
