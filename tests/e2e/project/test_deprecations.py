"""Deprecated fields in `validate` and offline plans, which know a version that is stated."""

from __future__ import annotations

import pytest

from tests.support.cli import run_cli
from tests.support.git_repo import commit_all

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {{name: shop}}
spec:
  environments:
    dev: {{url: "http://127.0.0.1:1", min_server_version: "{version}"}}
  rules: {{{rules}}}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  on_disk_payload: true
"""


@pytest.fixture
def project(tmp_path):
    """Makes the project for a stated version, committed."""

    def make(version, rules=""):
        (tmp_path / "qdrantctl.yaml").write_text(PROJECT.format(version=version, rules=rules))
        (tmp_path / "manifests").mkdir()
        (tmp_path / "manifests" / "products.yaml").write_text(MANIFEST)
        assert run_cli("lock", project=tmp_path).code == 0
        commit_all(tmp_path)
        return tmp_path

    return make


@pytest.mark.parametrize("words", [("validate",), ("plan", "--offline", "-e", "dev")])
@pytest.mark.parametrize(("version", "count"), [("1.16", 0), ("1.19", 1)])
def test_a_stated_version_decides(project, words, version, count):
    result = run_cli(*words, "--format", "json", project=project(version))
    notes = [v for v in result.document["violations"] if v["rule"] == "QC245"]
    assert (result.code, len(notes)) == (0, count)
    for note in notes:
        assert (note["severity"], note["origin"]["line"], note["column"]) == ("note", 6, 20)
        assert note["hint"].startswith("Write payload: {memory: cold} for true")


def test_the_project_may_turn_the_notes_off(project):
    result = run_cli("validate", "--format", "json", project=project("1.19", "QC245: off"))
    assert (result.code, result.document["violations"]) == (0, [])
