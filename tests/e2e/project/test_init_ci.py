"""`init --ci`: pipelines that their own tools take, and whose commands do what they are for."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents
from tests.support.cli import run_cli

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
FILES = {"github": ".github/workflows/qdrantctl.yml", "gitlab": ".gitlab-ci.yml"}
SCHEMAS = {
    "github": ("vendor.github-workflows",),
    "gitlab": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: embedded}
    prod-eu: {url: "https://eu.example.com", protected: true}
    prod_us: {url: "https://us.example.com", protected: true}
    "on": {url: "https://on.example.com"}
    "7": {url: {env: URL}}
"""


def pipeline(path: Path) -> dict[str, Any]:
    (document,), problems = read_documents(SourceText(path.name, path.read_text()))
    assert not problems
    return document.value


def valid(ci: str, *paths: Path) -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", *SCHEMAS[ci], *paths],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("ci", FILES)
def test_its_own_tool_takes_it(ci, tmp_path, capsys):
    new, old = tmp_path / "new", tmp_path / "old"
    result = run_cli("init", str(new), "--ci", ci)
    assert result.code == 0
    told = result.out
    assert f"wrote {new / FILES[ci]}" in told
    for words in ("qdrantctl plan -e dev ", "qdrantctl apply -e dev ", "qdrantctl lock "):
        assert f"  {words}" in told
    assert run_cli("validate", "-e", "dev", project=new).code == 0
    capsys.readouterr()
    old.mkdir()
    (old / "qdrantctl.yaml").write_text(PROJECT)
    result = run_cli("init", str(old), "--ci", ci)
    assert result.code == 0
    assert result.out.count("wrote ") == 1
    valid(ci, new / FILES[ci], old / FILES[ci])
    text = (old / FILES[ci]).read_text()
    assert text.count("pip install") == text.count("if not on PyPI: a wheel, or git+https://HOST")
    made = pipeline(old / FILES[ci])
    jobs = made["jobs"] if ci == "github" else made
    applying = [name for name in jobs if name.startswith(("apply-", "apply "))]
    assert [name[6:] for name in applying] == ["on", "7", "prod-eu", "prod_us"]
    result = run_cli("init", str(old), "--ci", ci)
    assert result.code == 1
    assert "exists already; nothing was changed" in result.err


@pytest.mark.parametrize("ci", FILES)
def test_the_head_tells_of_environments_that_name_other_variables(ci, tmp_path):
    stated = "url: {env: EU_URL}, api_key: {env: EU_KEY}"
    text = PROJECT.replace('url: "https://eu.example.com"', stated)
    text = text.replace(
        'url: "https://us.example.com"', "api_key: {env: QDRANT_API_KEY}, url: {env: U}"
    )
    (tmp_path / "qdrantctl.yaml").write_text(text)
    assert run_cli("init", str(tmp_path), "--ci", ci).code == 0
    head = (tmp_path / FILES[ci]).read_text().split("\n\n")[0]
    assert "# prod-eu states url: {env: EU_URL} and api_key: {env: EU_KEY} instead: " in head
    assert "# prod_us states url: {env: U} instead: " in head
    assert "on states" not in head
    valid(ci, tmp_path / FILES[ci])


def test_a_new_project_with_pipelines_is_valid(tmp_path):
    assert run_cli("init", str(tmp_path / "shop"), "--ci", "github").code == 0
    for name in ("dev", "staging", "production"):
        assert run_cli("validate", "-e", name, project=tmp_path / "shop").code == 0
    assert run_cli("lock", project=tmp_path / "shop").code == 0
    assert {path.name for path in (tmp_path / "shop" / "state").iterdir()} == {
        "staging",
        "production",
    }


@pytest.mark.parametrize("ci", FILES)
def test_a_project_below_the_root_of_its_repository(ci, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    result = run_cli("init", "services/search", "--ci", ci)
    assert result.code == 0
    assert f"wrote {FILES[ci]}\n" in result.out
    valid(ci, tmp_path / FILES[ci])
    made = pipeline(tmp_path / FILES[ci])
    if ci == "github":
        assert made["defaults"]["run"]["working-directory"] == "services/search"
        steps = made["jobs"]["plan-production"]["steps"]
        assert steps[-1]["with"]["path"] == "services/search/plan.json"
    else:
        assert made["default"]["before_script"][-1] == "cd services/search"
        artifacts = made["plan to apply production"]["artifacts"]
        assert artifacts["paths"] == ["services/search/plan.json"]


def test_a_project_without_a_cluster(tmp_path):
    assert run_cli("init", str(tmp_path)).code == 0
    result = run_cli("init", str(tmp_path), "--ci", "github")
    assert result.code == 1
    assert "names no environment that a pipeline could apply to" in result.err
    assert not (tmp_path / ".github").exists()


def test_the_hooks_for_pre_commit():
    hooks = ROOT / ".pre-commit-hooks.yaml"
    subprocess.run([BIN / "pre-commit", "validate-manifest", hooks], check=True)


GH = """\
#!/usr/bin/env bash
echo "$*" >> gh.log
case "$*" in *--paginate*) cat comments.json ;; esac
"""


class Runner:
    """Runs the shell of a job as the CI does, beside a real cluster."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.summary = folder / "summary.md"
        self.output = folder / "output"
        (folder / "gh").write_text(GH)
        (folder / "gh").chmod(stat.S_IRWXU)
        self.environ = {
            **os.environ,
            "PATH": f"{folder}:{BIN}:{os.environ['PATH']}",
            "QDRANT_URL": url,
            "QDRANT_API_KEY": "a-key-that-nobody-checks",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_REPOSITORY": "acme/shop",
            "PULL_REQUEST": "7",
        }

    def shell(self, script: str, environment: str, code: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**self.environ, "QDRANTCTL_ENV": environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def job(self, job: dict[str, Any], environment: str, code: int = 0) -> None:
        scripts = [step["run"] for step in job["steps"] if "run" in step]
        for script in scripts:
            if not script.startswith("pip "):
                self.shell(script, environment, code)


@pytest.fixture
def shop(tmp_path, empty_qdrant):
    """A new project with pipelines, committed twice; its second commit changes a cap."""
    folder = tmp_path / "shop"
    for ci in FILES:
        assert run_cli("init", str(folder), "--ci", ci).code == 0
    git = ["git", "-C", str(folder), "-c", "user.name=ada", "-c", "user.email=ada@example.com"]
    manifest = folder / "manifests" / "products.yaml"
    for text in (manifest.read_text(), manifest.read_text().replace("1000", "500")):
        manifest.write_text(text)
        assert run_cli("lock", project=folder).code == 0
        subprocess.run([*git, "init", "--quiet"], check=True)
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", "Change"], check=True)
    return Runner(folder, empty_qdrant.url)


def test_the_workflow_does_what_it_is_for(shop, empty_qdrant):
    jobs = pipeline(shop.folder / FILES["github"])["jobs"]
    shop.job(jobs["check"], "")
    assert shop.summary.read_text().count("not with a cluster") == 2
    shop.job(jobs["apply-staging"], "staging")
    assert "Apply complete! 2 added" in shop.summary.read_text()
    empty_qdrant.wipe()
    shop.job(jobs["plan-production"], "production")
    assert shop.output.read_text() == "code=2\n"
    shop.job(jobs["apply-production"], "production")
    change = {"strict_mode_config": {"enabled": True, "max_query_limit": 7}}
    assert empty_qdrant.request("PATCH", "/collections/products", change)[0] == 200
    shop.job(jobs["drift"], "production", code=2)
    assert "max_query_limit" in shop.summary.read_text()


@pytest.mark.skipif(not shutil.which("jq"), reason="the job calls jq, as GitHub's runners have it")
def test_the_plan_is_one_comment_for_each_environment(shop):
    job = pipeline(shop.folder / FILES["github"])["jobs"]["plan"]
    comments = shop.folder / "comments.json"
    comments.write_text("[]")
    shop.job(job, "staging")
    log = (shop.folder / "gh.log").read_text().splitlines()
    assert log[-1] == "api --silent repos/acme/shop/issues/7/comments --field body=@plan.md"
    marker = (shop.folder / "plan.md").read_text().splitlines()[0]
    comments.write_text(
        f'[{{"id": 1, "user": {{"type": "User"}}, "body": "{marker}"}},'
        f' {{"id": 2, "user": {{"type": "Bot"}}, "body": "{marker} x"}}]'
    )
    shop.job(job, "staging")
    log = (shop.folder / "gh.log").read_text().splitlines()
    assert "--method PATCH repos/acme/shop/issues/comments/2 " in log[-1]


def test_the_jobs_of_gitlab_do_what_they_are_for(shop):
    jobs = pipeline(shop.folder / FILES["gitlab"])
    for name in ("plan to apply production", "apply production"):
        shop.shell("\n".join(jobs[name]["script"]), "production")
    assert "No drift" in shop.shell("\n".join(jobs[".drift"]["script"]), "production")
    shop.environ["CI_MERGE_REQUEST_DIFF_BASE_SHA"] = "HEAD^1"
    assert "max_query_limit : 1000 -> 500" in shop.shell(jobs["offline plan"]["script"][0], "")
    subprocess.run(["bash", "-n", "-c", "\n".join(jobs[".plan"]["script"])], check=True)
