"""`upgrade-check`: what a newer Qdrant changes, for manifests, ledger, cluster and snapshots."""

from __future__ import annotations

import pytest

from tests.e2e.project.test_json_schemas import errors
from tests.support.cli import run_cli
from tests.support.project import Project, asked

VECTOR = {"size": 4, "distance": "Dot"}
TARGET = "1.20.0"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def check(project, *words, url="http://127.0.0.1:1", to=TARGET):
    return run_cli(
        "upgrade-check", "--to", to, *words, project=project.folder, env={"FLOWS_URL": url}
    )


def findings(result, topic):
    return [f for f in result.document["findings"] if f["topic"] == topic]


def test_manifests_alone_need_no_server(project):
    project.states({"products": {"vectors": VECTOR | {"on_disk": True}}})
    result = check(project, "--from", "1.18.3", "--format", "json", to="1.19.0")
    assert result.code == 0
    assert result.document["examined"] == {
        "manifests": 1, "live": 0, "recorded": 0, "snapshots": 0}  # fmt: skip
    (deprecated, _) = findings(result, "deprecated")
    (subject,) = deprecated["subjects"]
    assert (subject["path"], subject["origin"]["line"]) == (["vectors", "", "on_disk"], 1)
    assert check(project, "--from", "1.18.3", "--fail-on", "note").code == 2
    text = check(project, "--from", "1.16.3", to="1.19.0")
    assert (text.code, text.out.splitlines()[1]) == (
        2, "Steps: 1.16.3 -> 1.17.1 -> 1.18.3 -> 1.19.0")  # fmt: skip
    assert check(project, "--from", "1.19.0", to="1.19").out.endswith("\nNothing to do.\n")


@pytest.mark.parametrize(
    ("words", "to", "message"),
    [
        (("--from", "1.19.0"), "1.18.3", "older than the server"),
        (("--from", "1.19.0"), "1.21.0", "knows 1.17 to 1.20"),
        (("--from", "1.16.3"), "1.16.3", "knows 1.17 to 1.20"),
        (("--from", "new"), "1.19.0", "not a version"),
        ((), "latest", "not a version"),
        (("--from", "1.16.3", "--url", "http://localhost:1"), "1.19.0", "does not go with --url"),
    ],
)
def test_versions_that_make_no_sense(project, words, to, message):
    result = check(project, *words, to=to)
    assert (result.code, message in result.err) == (64, True), result.err


def test_a_cluster_with_its_ledger_and_snapshots(project, empty_qdrant):
    project.states({"products": {"vectors": VECTOR}, "gone": {"vectors": VECTOR}})
    project.done(empty_qdrant)
    asked(empty_qdrant, "PUT", "/collections/gone/points?wait=true",
          {"points": [{"id": 1, "vector": [1, 0, 0, 0]}]})  # fmt: skip
    asked(empty_qdrant, "PUT", "/collections/unmanaged", {"vectors": VECTOR})
    project.states({"products": {"vectors": VECTOR}})
    project.done(empty_qdrant, "--allow-delete", "collection/gone")
    result = check(project, "--format", "json", url=empty_qdrant.url)
    report = result.document
    assert errors("upgrade", report) == []
    assert report["url"] == empty_qdrant.url
    assert report["current"] == asked_version(empty_qdrant)
    assert report["examined"] == {"manifests": 1, "live": 2, "recorded": 1, "snapshots": 1}
    assert report["steps"][-1] == TARGET
    old = findings(result, "snapshots")
    assert [s["address"].partition("@")[0] for f in old for s in f["subjects"]] == (
        ["collection/gone"] if len(report["steps"]) > 1 else [])  # fmt: skip
    shards = next(f for f in findings(result, "meaning") if f["since"] == "1.20.0")
    assert [s["address"] for s in shards["subjects"]] == ["collection/products"]


def asked_version(node):
    return node.request("GET", "/")[1]["version"]
