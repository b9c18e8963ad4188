"""`qdrantctl validate` checks every environment, and says which one an error is of."""

from __future__ import annotations

import io
import json
import sys

import pytest

from tests.support.cli import run_cli

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: embedded, vars: {size: 4}}
    staging: {url: "https://staging.example.com", vars: {size: none}}
    prod: {url: "https://prod.example.com", vars: {size: none}}
"""
COLLECTION = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec: {vectors: {size: SIZE, distance: Dot}}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    return tmp_path


def state(project, size: str, name="products.yaml.j2"):
    (project / "manifests" / name).write_text(COLLECTION.replace("SIZE", size))


def test_every_environment_is_checked(project):
    state(project, "4")
    result = run_cli("validate", project=project)
    assert result.code == 0
    told = result.out
    assert told == "".join(f"{name}: 1 resource is valid.\n" for name in ("dev", "staging", "prod"))
    result = run_cli("validate", "-e", "prod", project=project)
    assert result.code == 0
    assert result.out == "1 resource is valid.\n"


def test_an_error_says_of_which_environment_it_is(project, capsys):
    state(project, "{{ vars.size }}")
    words = ["validate", "-C", str(project), "--format", "json"]
    result = run_cli(*words)
    assert result.code == 1
    made = json.loads(result.out)
    assert (made["valid"], made["error_count"]) == (False, 1)
    assert made["violations"][0]["message"].startswith("in staging, prod: ")
    assert run_cli(*words, "-e", "dev").code == 0
    capsys.readouterr()
    result = run_cli(*words, "-e", "prod")
    assert result.code == 1
    assert "in prod: " not in result.out


def test_what_is_wrong_everywhere_is_told_once(project):
    state(project, "none", "products.yaml")
    result = run_cli("validate", project=project)
    assert result.code == 1
    told = result.out
    assert told.endswith("\n1 error\n")
    assert "in dev" not in told


def test_files_are_checked_for_every_environment_and_standard_input_for_one(project, monkeypatch):
    state(project, "{{ vars.size }}")
    file = str(project / "manifests" / "products.yaml.j2")
    result = run_cli("validate", "-f", file, project=project)
    assert result.code == 1
    assert "in staging, prod: " in result.out
    stdin = io.TextIOWrapper(io.BytesIO(COLLECTION.replace("SIZE", "4").encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    result = run_cli("validate", "-f", "-", project=project)
    assert result.code == 64
    assert "which environment is meant?" in result.err
    assert run_cli("validate", "-f", "-", "-e", "dev", project=project).code == 0


def test_errors_of_the_project_file_are_told(project):
    state(project, "4")
    (project / "qdrantctl.yaml").write_text(PROJECT.replace("environments", "enviroments"))
    result = run_cli("validate", project=project)
    assert result.code == 1
    assert "enviroments" in result.out


def test_what_a_template_has_wrong_everywhere_is_told_once(project):
    """Though what it advises names the environment."""
    state(project, "{{ 'none' }}")
    result = run_cli("validate", project=project)
    assert result.code == 1
    told = result.out
    assert told.endswith("\n1 error\n")
    assert "in dev" not in told
