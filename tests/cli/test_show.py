"""What is recorded and live of one resource, saved plans, and who applied what."""

import json

import pytest

from qdrantctl.cli.main import run
from tests.cli.test_saved_plans import CHANGED, MANIFEST, PROJECT


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
    assert run(["apply", "--auto-approve"]) == 0
    return tmp_path


def test_both_worlds_of_a_resource(project, empty_qdrant, capsys):
    empty_qdrant.request("PATCH", "/collections/products", {"hnsw_config": {"m": 24}})
    capsys.readouterr()
    assert run(["show", "collection/products"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "collection/products: managed by shop/dev, schema version 1"
    assert lines[1] == "green, 0 points"
    assert lines[2] == "aliases: live"
    cells = {tuple(line.split()) for line in lines}
    assert ("!", "hnsw_config.m", "16", "24") in cells
    assert ("vectors.size", "4", "4") in cells
    assert ("hnsw_config.ef_construct", "100") in cells
    assert "create collection/products, schema version 1, by ada at c0ffeec0ffee" in lines[-1]
    assert run(["show", "collection/products", "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["recorded"]["hnsw_config"], shown["live"]["hnsw_config"]["m"]) == ({"m": 16}, 24)
    assert run(["show", "alias/live", "--format", "markdown"]) == 0
    assert "managed by shop/dev" in capsys.readouterr().out


def test_what_nobody_manages_and_what_is_not_there(project, empty_qdrant, capsys):
    body = {"vectors": {"size": 4, "distance": "Dot"}}
    empty_qdrant.request("PUT", "/collections/theirs", body)
    assert run(["show", "collection/theirs"]) == 0
    assert "collection/theirs: not managed" in capsys.readouterr().out
    assert run(["show", "collection/nowhere"]) == 1
    assert "neither on" in capsys.readouterr().err
    assert run(["show", "collection/.."]) == 64
    assert run(["show", "products"]) == 64


def test_a_saved_plan_needs_no_server(project, monkeypatch, capsys):
    (project / "manifests" / "all.yaml").write_text(CHANGED)
    capsys.readouterr()
    assert run(["plan", "--out", "plan.json"]) == 0
    planned = capsys.readouterr().out
    monkeypatch.setenv("CLUSTER_URL", "http://127.0.0.1:1")
    assert run(["show", "plan.json"]) == 0
    assert capsys.readouterr().out == planned
    assert run(["show", "plan.json", "--format", "json"]) == 0
    assert capsys.readouterr().out == (project / "plan.json").read_text()
    assert run(["show", "plan.json", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("<!-- qdrantctl plan project=shop environment=dev")


def test_who_applied_what(project, monkeypatch, capsys):
    monkeypatch.setenv("QDRANTCTL_ACTOR", "grace")
    (project / "manifests" / "all.yaml").write_text(CHANGED)
    assert run(["apply", "--auto-approve"]) == 0
    capsys.readouterr()
    assert run(["history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert sum("by grace" in line for line in lines) == 2
    assert any("delete collection/old" in line for line in lines)
    assert run(["history", "collection/products", "--format", "json"]) == 0
    events = json.loads(capsys.readouterr().out)["events"]
    assert {e["action"] for e in events} == {"create", "update"}
    assert run(["history", "-e", "prod"]) == 0
    assert capsys.readouterr().out == "Nothing was applied yet.\n"
    assert run(["history", "-e", "prod", "--all-owners"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
