"""What is recorded and live of one resource, saved plans, and who applied what."""

import json

import pytest

from tests.e2e.planning.test_saved_plan import CHANGED, MANIFEST, PROJECT
from tests.support.cli import run_cli


@pytest.fixture
def project(tmp_path, monkeypatch, empty_qdrant):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    monkeypatch.setenv("QDRANTCTL_ENV", "dev")
    monkeypatch.setenv("QDRANTCTL_ACTOR", "ada")
    monkeypatch.setenv("QDRANTCTL_COMMIT", "c0ffee" * 6)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT.replace("NAME", "shop"))
    (tmp_path / "manifests" / "all.yaml").write_text(MANIFEST)
    assert run_cli("apply", "--auto-approve").code == 0
    return tmp_path


def test_both_worlds_of_a_resource(project, empty_qdrant, capsys):
    empty_qdrant.request("PATCH", "/collections/products", {"hnsw_config": {"m": 24}})
    capsys.readouterr()
    result = run_cli("show", "collection/products")
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "collection/products: managed by shop/dev, schema version 1"
    assert lines[1] == "green, 0 points"
    assert "aliases: live" in lines[2:4]  # its size comes first, from 1.18 on
    cells = {tuple(line.split()) for line in lines}
    assert ("!", "hnsw_config.m", "16", "24") in cells
    assert ("vectors.size", "4", "4") in cells
    assert ("hnsw_config.ef_construct", "100") in cells
    assert "create collection/products, schema version 1, by ada at c0ffeec0ffee" in lines[-1]
    result = run_cli("show", "collection/products", "--format", "json")
    assert result.code == 0
    shown = json.loads(result.out)
    assert (shown["recorded"]["hnsw_config"], shown["live"]["hnsw_config"]["m"]) == ({"m": 16}, 24)
    result = run_cli("show", "alias/live", "--format", "markdown")
    assert result.code == 0
    assert "managed by shop/dev" in result.out


def test_a_saved_plan_needs_no_server(project, monkeypatch, capsys):
    (project / "manifests" / "all.yaml").write_text(CHANGED)
    capsys.readouterr()
    result = run_cli("plan", "--out", "plan.json")
    assert result.code == 0
    planned = result.out
    monkeypatch.setenv("CLUSTER_URL", "http://127.0.0.1:1")
    result = run_cli("show", "plan.json")
    assert result.code == 0
    assert result.out == planned
    result = run_cli("show", "plan.json", "--format", "json")
    assert result.code == 0
    assert result.out == (project / "plan.json").read_text()
    result = run_cli("show", "plan.json", "--format", "markdown")
    assert result.code == 0
    assert result.out.startswith("<!-- qdrantctl plan project=shop environment=dev")


def test_who_applied_what(project, monkeypatch, capsys):
    monkeypatch.setenv("QDRANTCTL_ACTOR", "grace")
    (project / "manifests" / "all.yaml").write_text(CHANGED)
    assert run_cli("apply", "--auto-approve").code == 0
    capsys.readouterr()
    result = run_cli("history")
    assert result.code == 0
    lines = result.out.splitlines()
    assert len(lines) == 5
    assert sum("by grace" in line for line in lines) == 2
    assert any("delete collection/old" in line for line in lines)
    result = run_cli("history", "collection/products", "--format", "json")
    assert result.code == 0
    events = json.loads(result.out)["events"]
    assert {e["action"] for e in events} == {"create", "update"}
    result = run_cli("history", "-e", "prod")
    assert result.code == 0
    assert result.out == "Nothing was applied yet.\n"
    result = run_cli("history", "-e", "prod", "--all-owners")
    assert result.code == 0
    assert len(result.out.splitlines()) == 5
