"""The example of tenants with keys, in production, on a server that takes tokens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.access_keys import asked
from tests.support.cli import run_cli
from tests.support.servers import API_KEY

EXAMPLE = Path(__file__).parents[3] / "examples" / "multi-tenant"
URL = "url: https://qdrant.example.com:6333"


@pytest.fixture
def production(token_qdrant, tmp_path, monkeypatch):
    project = tmp_path / "multi-tenant"
    shutil.copytree(EXAMPLE, project)
    file = project / "qdrantctl.yaml"
    text = file.read_text()
    assert text.count(URL) == text.count("replicas: 2") == 1
    text = text.replace(URL, "url: {env: EXAMPLE_URL}").replace("replicas: 2", "replicas: 1")
    file.write_text(text)
    token_qdrant.wipe()
    monkeypatch.setenv("EXAMPLE_URL", token_qdrant.url)
    monkeypatch.setenv("QDRANT_API_KEY", API_KEY)
    monkeypatch.setenv("QDRANTCTL_ENV", "prod")
    monkeypatch.chdir(project)
    yield project
    token_qdrant.wipe()


def test_each_tenant_gets_a_key_to_its_own_collection(production, token_qdrant, capsys):
    assert run_cli("apply", "--auto-approve").code == 0, capsys.readouterr()
    assert run_cli("plan", "--detailed-exitcode").code == 0, capsys.readouterr()
    assert run_cli("keys", "issue", "--all").code == 0, capsys.readouterr()
    token = (production / "secrets" / "tenant-acme.token").read_text().strip()
    assert asked(token_qdrant, token, path="/collections/tenant-acme") == 200
    for other in ("tenant-globex", "documents", "documents-1"):
        assert asked(token_qdrant, token, path=f"/collections/{other}") == 403
    name, _, application = (
        (production / "secrets" / "application.env").read_text().strip().partition("=")
    )
    assert name == "QDRANT_API_KEY"
    path = "/collections/documents/points/count"
    assert asked(token_qdrant, application, "POST", path, {"exact": False}) == 200
    assert asked(token_qdrant, application, path="/collections/tenant-acme") == 403

    file = production / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("[acme, globex, initech]", "[globex, initech]"))
    capsys.readouterr()
    result = run_cli("plan", "--detailed-exitcode")
    assert result.code == 3
    shown = result.out
    assert "- access_key/tenant-acme" in shown
    assert "deleting collection/tenant-acme destroys" in shown
