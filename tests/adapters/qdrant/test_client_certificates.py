"""A server that asks its clients for a certificate: it is shown one, or the error says so."""

from __future__ import annotations

import json

import pytest
import trustme

from qdrantctl.cli.main import run
from tests.adapters.qdrant.test_http_proxy import _Proxy, proxy  # noqa: F401

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    bare: {url: "URL", tls: {ca_file: ca.pem}}
    dev: {url: "URL", tls: {ca_file: ca.pem, cert_file: client.pem, key_file: client.key}}
    mixed: {url: "URL", tls: {ca_file: ca.pem, cert_file: client.pem, key_file: ca.pem}}
"""


@pytest.fixture
def server(fresh_qdrant, tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    for name in ("server", "client"):
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    node = fresh_qdrant(
        cluster=False,
        scheme="https",
        environ={
            "QDRANT__SERVICE__ENABLE_TLS": "true",
            "QDRANT__SERVICE__VERIFY_HTTPS_CLIENT_CERTIFICATE": "true",
            "QDRANT__TLS__CERT": str(tmp_path / "server.pem"),
            "QDRANT__TLS__KEY": str(tmp_path / "server.key"),
            "QDRANT__TLS__CA_CERT": str(tmp_path / "ca.pem"),
        },
    )
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT.replace("URL", node.url))
    (tmp_path / "manifests").mkdir()
    return node


def plan(folder, environment):
    return run(["plan", "-C", str(folder), "-e", environment, "--format", "json"])


def test_with_and_without_one(server, tmp_path, capsys, monkeypatch, proxy):  # noqa: F811
    for _ in range(50):  # until it takes connections
        if (code := plan(tmp_path, "dev")) == 0:
            break
        capsys.readouterr()
    assert code == 0
    assert json.loads(capsys.readouterr().out)["server"]["url"] == server.url
    assert plan(tmp_path, "bare") == 1
    error = capsys.readouterr().err
    assert "the server requires a client certificate" in error
    assert "cert_file" in error
    assert plan(tmp_path, "mixed") == 1
    assert "cannot be used" in capsys.readouterr().err
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.server_address[1]}")
    assert plan(tmp_path, "dev") == 0, "through a tunnel as well"
    assert proxy.requests[-1][0] == "CONNECT"
