"""A plan saved is a plan applied, exactly; whatever moved since is named, and nothing is done."""

import json

import pytest

from tests.support.cli import run_cli

MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: 16}
  payload_indexes: {a: keyword}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: old}
spec: {vectors: {size: 4, distance: Dot}}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
"""
CHANGED = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: 32}
  payload_indexes: {b: keyword}
  strict_mode_config: {enabled: true, max_query_limit: 100}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
"""
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: NAME}
spec:
  environments:
    dev: {url: {env: CLUSTER_URL}}
    prod: {url: {env: CLUSTER_URL}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch, empty_qdrant):
    """A project applied once, with a second plan saved in `plan.json`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    (tmp_path / "manifests").mkdir()
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT.replace("NAME", "shop"))
    (tmp_path / "manifests" / "all.yaml").write_text(MANIFEST)
    assert run_cli("apply", "-e", "dev", "--auto-approve").code == 0
    (tmp_path / "manifests" / "all.yaml").write_text(CHANGED)
    assert run_cli("plan", "-e", "dev", "--out", "plan.json", "--detailed-exitcode").code == 2
    return tmp_path


def refused(capsys, *words: str, code: int = 4) -> str:
    capsys.readouterr()
    assert run_cli("apply", "plan.json").code == code
    told = capsys.readouterr().err
    for word in words:
        assert word in told
    return told


def by_hand(node, method, path, body):
    status, answer = node.request(method, path, body)
    assert status == 200, answer


def test_another_owner_cluster_or_format(project, fresh_qdrant, monkeypatch, capsys):
    (project / "qdrantctl.yaml").write_text(PROJECT.replace("NAME", "store"))
    refused(capsys, "made for shop/dev, this is store/dev")
    (project / "qdrantctl.yaml").write_text(PROJECT.replace("NAME", "shop"))
    assert run_cli("apply", "plan.json", "-e", "prod").code == 4
    monkeypatch.setenv("CLUSTER_URL", fresh_qdrant().url)
    refused(capsys, "another cluster")
    document = json.loads((project / "plan.json").read_text())
    for change, word in (
        ({"format_version": "2.0"}, "its format is 2.0"),
        ({"environment": "prod"}, "digest does not fit"),
        ({"changes": []}, "digest does not fit"),
    ):
        (project / "plan.json").write_text(json.dumps(document | change))
        refused(capsys, word)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": 1}', "\x00"])
def test_what_is_no_plan(project, capsys, text):
    (project / "plan.json").write_text(text)
    assert run_cli("apply", "plan.json").code in (1, 4)
    assert "Traceback" not in capsys.readouterr().err
