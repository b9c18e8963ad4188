"""A plan saved is a plan applied, exactly; whatever moved since is named, and nothing is done."""

import json

import pytest

from qdrantctl.model.resource import json_digest
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
        ({"environment": "prod"}, "digest does not match"),
        ({"changes": []}, "digest does not match"),
    ):
        (project / "plan.json").write_text(json.dumps(document | change))
        refused(capsys, word)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"a": 1}', "\x00"])
def test_what_is_no_plan(project, capsys, text):
    (project / "plan.json").write_text(text)
    assert run_cli("apply", "plan.json").code in (1, 4)
    assert "Traceback" not in capsys.readouterr().err


def test_a_skipped_snapshot_is_no_consent_to_points_that_came(project, empty_qdrant, capsys):
    skip = ["--no-safety-snapshot", "collection/*"]
    assert run_cli("plan", "-e", "dev", "--out", "plan.json", *skip).code == 0
    points = {"points": [{"id": 1, "vector": [1, 0, 0, 0]}]}
    by_hand(empty_qdrant, "PUT", "/collections/old/points?wait=true", points)
    refused(capsys, "collection/old: points were added since: 1")


def test_a_plan_keeps_its_options(project):
    flags = ["--target", "*/*", "--exclude", "collection/o*", "--revert-drift", "collection/x",
             "--no-safety-snapshot", "collection/y", "--allow-older", "collection/z"]  # fmt: skip
    assert run_cli("plan", "-e", "dev", "--out", "plan.json", *flags).code == 0
    assert json.loads((project / "plan.json").read_text())["options"] == {
        "target": ["*/*"],
        "exclude": ["collection/o*"],
        "revert_drift": ["collection/x"],
        "no_snapshot": ["collection/y"],
        "removed": [],
        "allow_older": ["collection/z"],
    }
    assert run_cli("apply", "plan.json").code == 0


def test_a_target_that_needs_no_change_is_no_obstacle(project):
    targets = ["--target", "alias/live", "--target", "collection/products"]
    assert run_cli("plan", "-e", "dev", "--out", "plan.json", *targets).code == 0
    assert run_cli("apply", "plan.json").code == 0


@pytest.mark.parametrize("still", [True, False], ids=["as it was", "edited since"])
def test_what_was_removed_when_it_was_planned_is_forgotten(project, empty_qdrant, still):
    file = project / "qdrantctl.yaml"
    text = file.read_text()
    file.write_text(text + "  removed: [{address: collection/old}]\n")
    assert run_cli("plan", "-e", "dev", "--out", "plan.json").code == 0
    if not still:
        file.write_text(text)
    assert run_cli("apply", "plan.json").code == 0
    assert empty_qdrant.request("GET", "/collections/old")[0] == 200


def as_format_1_0(path):
    """The plan as it was saved before plans kept their options."""
    document = json.loads(path.read_text()) | {"format_version": "1.0"}
    for word in ("options", "digest"):
        del document[word]
    for change in document["changes"]:
        for field in change["fields"]:
            field.pop("destroys_data", None)
    document["digest"] = json_digest(document)
    path.write_text(json.dumps(document))
    return document["digest"]


def test_a_plan_of_format_1_0_is_applied(project):
    saved = as_format_1_0(project / "plan.json")
    assert run_cli("apply", "plan.json", "--receipt", "receipt.json").code == 0
    assert json.loads((project / "receipt.json").read_text())["plan_digest"] == saved
    assert run_cli("plan", "-e", "dev", "--detailed-exitcode").code == 0


def test_a_plan_of_format_1_0_is_refused_as_any_other(project, empty_qdrant, capsys):
    as_format_1_0(project / "plan.json")
    by_hand(empty_qdrant, "PATCH", "/collections/products", {"hnsw_config": {"m": 24}})
    refused(capsys, "collection/products hnsw_config.m: live was 16, is now 24")
