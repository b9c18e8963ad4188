"""The example of tenants with keys, in production, on a server that takes tokens."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from qdrantctl.cli.main import run
from tests.keys.project import KEY, asked

EXAMPLE = Path(__file__).parents[2] / "examples" / "multi-tenant"
URL = "url: https://qdrant.example.com:6333"


@pytest.fixture
def production(taking_tokens, tmp_path, monkeypatch):
    project = tmp_path / "multi-tenant"
    shutil.copytree(EXAMPLE, project)
    file = project / "qdrantctl.yaml"
    text = file.read_text()
    assert text.count(URL) == text.count("replicas: 2") == 1
    text = text.replace(URL, "url: {env: EXAMPLE_URL}").replace("replicas: 2", "replicas: 1")
    file.write_text(text)
    taking_tokens.wipe()
    monkeypatch.setenv("EXAMPLE_URL", taking_tokens.url)
    monkeypatch.setenv("QDRANT_API_KEY", KEY)
    monkeypatch.setenv("QDRANTCTL_ENV", "prod")
    monkeypatch.chdir(project)
    yield project
    taking_tokens.wipe()


def test_each_tenant_gets_a_key_to_its_own_collection(production, taking_tokens, capsys):
    assert run(["apply", "--auto-approve"]) == 0, capsys.readouterr()
    assert run(["plan", "--detailed-exitcode"]) == 0, capsys.readouterr()
    assert run(["keys", "issue", "--all"]) == 0, capsys.readouterr()
    token = (production / "secrets" / "tenant-acme.token").read_text().strip()
    assert asked(taking_tokens, token, path="/collections/tenant-acme") == 200
    for other in ("tenant-globex", "documents", "documents-1"):
        assert asked(taking_tokens, token, path=f"/collections/{other}") == 403
    name, _, application = (
        (production / "secrets" / "application.env").read_text().strip().partition("=")
    )
    assert name == "QDRANT_API_KEY"
    path = "/collections/documents/points/count"
    assert asked(taking_tokens, application, "POST", path, {"exact": False}) == 200
    assert asked(taking_tokens, application, path="/collections/tenant-acme") == 403

    file = production / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("[acme, globex, initech]", "[globex, initech]"))
    capsys.readouterr()
    assert run(["plan", "--detailed-exitcode"]) == 3
    shown = capsys.readouterr().out
    assert "- access_key/tenant-acme" in shown
    assert "deleting collection/tenant-acme destroys" in shown
