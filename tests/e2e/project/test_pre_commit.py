"""The hooks for pre-commit, run by pre-commit from a clone of this repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import run_cli
from tests.support.forge import BIN, ROOT

CONFIG = """\
repos:
  - repo: {hooks}
    rev: {commit}
    hooks:
      # language: system takes the program of PATH; without it pre-commit installs the repository.
      - {{id: qdrantctl-lock, language: system}}
      - {{id: qdrantctl-validate, language: system}}
      - {{id: qdrantctl-audit, language: system, args: [-e, dev]}}
      - {{id: qdrantctl-plan, language: system, args: [-e, prod]}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    hooks, folder = tmp_path / "hooks", tmp_path / "shop"
    assert run_cli("init", folder).code == 0
    (folder / "qdrantctl.yaml").write_text(
        "apiVersion: qdrantctl/v1\nkind: Project\nmetadata: {name: shop}\n"
        'spec: {environments: {dev: {url: embedded}, prod: {url: "https://q.example.com"}}}\n'
    )
    for repository in (hooks, folder):
        repository.mkdir(exist_ok=True)
        git(repository, "init", "--quiet")
    (hooks / ".pre-commit-hooks.yaml").write_text((ROOT / ".pre-commit-hooks.yaml").read_text())
    git(hooks, "add", "--all")
    git(hooks, "commit", "--quiet", "--message", "Hooks")
    commit = git(hooks, "rev-parse", "HEAD").strip()
    config = CONFIG.format(hooks=hooks, commit=commit)
    (folder / ".pre-commit-config.yaml").write_text(config)
    return folder


def git(folder: Path, *words: str) -> str:
    user = ["-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    return subprocess.run(
        ["git", *user, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def run_hooks(project: Path, stage: str = "pre-commit") -> tuple[int, str]:
    git(project, "add", "--all")
    done = subprocess.run(
        [BIN / "pre-commit", "run", "--hook-stage", stage, "--color=never", "--all-files"],
        cwd=project,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}",
             "PRE_COMMIT_HOME": str(project.parent / "cache")},
        capture_output=True,
        text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_hooks_find_what_they_are_for(project):
    code, log = run_hooks(project)
    assert code == 0, log
    assert log.count("Passed") == 3
    assert (project / "state" / "prod").exists()
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Project")
    assert run_hooks(project, "pre-push")[0] == 0
    manifest = project / "manifests" / "products.yaml"
    manifest.write_text(manifest.read_text().replace("1000", "500"))
    code, log = run_hooks(project)
    assert code == 1
    assert "files were modified by this hook" in log
    manifest.write_text(manifest.read_text().replace("768", "many"))
    code, log = run_hooks(project)
    assert code == 1
    assert "manifests/products.yaml" in log
    manifest.write_text("")
    code, log = run_hooks(project, "pre-push")
    assert code == 1, log
    assert "qdrantctl plan" in log


def test_the_manifest_is_valid():
    subprocess.run(
        [BIN / "pre-commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"], check=True
    )
