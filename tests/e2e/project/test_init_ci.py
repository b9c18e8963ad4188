"""`init --ci`: pipelines that their own tools accept, written from the project file."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import CommandResult, run_cli
from tests.support.forge import BIN, read_pipeline

PACKAGE = "git+https://git.example.com/qdrantctl@" + "0123456789" * 4
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
    prod-eu:
      {url: {env: EU_URL}, api_key: {env: EU_KEY}, protected: true, fail_on: [loosening],
       require: [strict_mode], min_server_version: "1.16"}
    prod_us: {url: "https://us.example.com", api_key: {file: keys/us}, protected: true}
    "on": {url: {env: URL}, api_key: {command: [/usr/bin/vault, kv, get]}}
    "7": {url: {env: URL}}
"""
POLICY = """\
apiVersion: qdrantctl/v1
kind: SnapshotPolicy
metadata: {name: nightly}
spec: {collections: ["*"], schedule: "0 3 * * *", destination: "s3://backups/qdrant",
       retention: {keep_last: 2}}
"""


def init(folder: Path, ci: str, *words: str) -> CommandResult:
    return run_cli("init", str(folder), "--ci", ci, "--package", PACKAGE, *words)


def make_project(folder: Path, text: str = PROJECT, policy: str = POLICY) -> Path:
    (folder / "manifests").mkdir(parents=True)
    (folder / "qdrantctl.yaml").write_text(text)
    (folder / "manifests" / "policy.yaml").write_text(policy)
    return folder


def pipelines(folder: Path, ci: str) -> list[Path]:
    return sorted((folder / ".github/workflows").glob("*")) if ci == "github" else [
        folder / ".gitlab-ci.yml"
    ]  # fmt: skip


def check_schema(ci: str, *paths: Path) -> None:
    check(BIN / "check-jsonschema", "--builtin-schema", *SCHEMAS[ci], *paths)


def check(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_new_project(tmp_path):
    result = init(tmp_path, "github")
    assert result.code == 0
    assert f"wrote {tmp_path / FILES['github']}\n" in result.out
    for words in ("qdrantctl plan -e dev ", "qdrantctl apply -e dev ", "qdrantctl lock "):
        assert f"  {words}" in result.out
    for name in ("dev", "staging", "production"):
        assert run_cli("validate", "-e", name, project=tmp_path).code == 0
    assert run_cli("lock", project=tmp_path).code == 0
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"staging", "production"}


def test_workflows_pass_the_checks_of_github(tmp_path):
    """The schema, actionlint with shellcheck, and zizmor with no finding suppressed but one.

    Secrets of the repository are read outside of an environment: those of plans only read.
    """
    folder = make_project(tmp_path)
    assert init(folder, "github").code == 0
    paths = pipelines(folder, "github")
    assert len(paths) == 3
    check_schema("github", *paths)
    check(BIN / "actionlint", "-shellcheck", BIN / "shellcheck", "-pyflakes=", *paths)
    check(BIN / "zizmor", "--offline", "--no-progress", "--persona=pedantic", folder / ".github")
    text = "".join(path.read_text() for path in paths)
    assert "pull_request_target" not in text
    pinned = re.findall(r"uses: \S+@[0-9a-f]{40} # v\d+\.\d+\.\d+\n", text)
    assert len(pinned) == text.count("uses: ") > 20
    for path in paths:
        made = read_pipeline(path)
        assert made["permissions"] == {}
        for name, job in made["jobs"].items():
            assert job["concurrency"]["group"], name
            writes = {right for right, level in job["permissions"].items() if level == "write"}
            assert writes <= {"pull-requests", "issues", "security-events"}
            secrets = "secrets." in str(job["steps"])
            assert not (secrets and writes - {"security-events"}), name


def test_the_pipeline_passes_the_check_of_gitlab(tmp_path):
    folder = make_project(tmp_path)
    assert init(folder, "gitlab").code == 0
    check_schema("gitlab", folder / FILES["gitlab"])
    scripts = []
    for name, job in read_pipeline(folder / FILES["gitlab"]).items():
        lines = job.get("script", []) if isinstance(job, dict) else []
        if lines:
            scripts.append(folder / f"{name.replace(' ', '-')}.sh")
            scripts[-1].write_text("\n".join(["#!/bin/bash", *lines, ""]))
    assert len(scripts) > 20
    check(BIN / "shellcheck", "--exclude=SC2154", *scripts)  # GitLab sets variables in capitals


@pytest.mark.parametrize("ci", FILES)
def test_names_and_keys_are_those_of_the_project_file(ci, tmp_path):
    folder = make_project(tmp_path)
    assert init(folder, ci).code == 0
    text = (folder / FILES[ci]).read_text()
    made = read_pipeline(folder / FILES[ci])
    jobs = made["jobs"] if ci == "github" else made
    applying = [name[6:] for name in jobs if re.match("apply[- ]", name)]
    assert applying == ["on", "7", "prod-eu", "prod_us"]
    if ci == "github":
        plan, apply = (jobs[f"{verb}-prod-eu"]["steps"] for verb in ("plan", "apply"))
        env = next(step["env"] for step in plan if step.get("id") == "plan")
        assert env == {
            "QDRANTCTL_ENV": "prod-eu",
            "EU_URL": "${{ vars.EU_URL }}",
            "EU_KEY": "${{ secrets.EU_KEY_READ_ONLY }}",
        }
        assert "${{ secrets.EU_KEY }}" in str(apply)
        assert "EU_KEY " not in str(plan)
        assert jobs["apply-7"]["environment"] == "7"
        assert "${{ vars.URL_ON }}" in text
        assert "${{ vars.URL_7 }}" in text
        assert "KEY: ${{ secrets.QDRANT_API_KEY_READ_ONLY }}\n" in text
    else:
        assert 'export EU_KEY="$EU_KEY_READ_ONLY"' in made["plan prod-eu"]["script"][0]
        assert "EU_KEY" not in made["apply prod-eu"]["script"][0]
        assert 'export URL="$URL_7"' in made["apply 7"]["script"][0]
        assert made["apply prod-eu"]["rules"][0]["when"] == "manual"
        assert "rules" not in made["apply 7"]
    assert "keys/us\n" in text
    assert '# vault login -no-print -method=jwt role=ROLE jwt="$ID_TOKEN"\n' in text
    gates = "no loosening without a consent, strict mode, Qdrant 1.16.0 or newer"
    assert f"gates, from the project file: {gates}\n" in text


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("op", "pass OP_SERVICE_ACCOUNT_TOKEN, from a secret, to this job."),
        ("aws", 'export AWS_ROLE_ARN=ROLE AWS_WEB_IDENTITY_TOKEN_FILE="$HOME/id-token"'),
        ("./key.sh", "`key.sh`. Log in to its secret manager here, if it needs a login."),
    ],
)
def test_the_login_is_that_of_the_secret_manager(program, line, tmp_path):
    folder = make_project(tmp_path, PROJECT.replace("/usr/bin/vault", program))
    for ci in FILES:
        assert init(folder, ci).code == 0
        assert line in (folder / FILES[ci]).read_text()


def test_snapshots_run_where_a_policy_needs_it(tmp_path):
    without = make_project(tmp_path / "without", policy="")
    with_policy = make_project(tmp_path / "with")
    workflow = ".github/workflows/qdrantctl-snapshots.yml"
    for ci in FILES:
        assert init(without, ci).code == init(with_policy, ci).code == 0
    assert not (without / workflow).exists()
    assert "snapshots run" not in (without / FILES["gitlab"]).read_text()
    job = read_pipeline(with_policy / workflow)["jobs"]["run-prod-eu"]
    assert job["environment"] == "prod-eu-snapshots"
    assert "AWS_SECRET_ACCESS_KEY" in str(job)
    gitlab = read_pipeline(with_policy / FILES["gitlab"])
    assert "QDRANTCTL_SCHEDULE" in str(gitlab["snapshots verify 7"]["rules"])
    (with_policy / "manifests/policy.yaml").write_text(POLICY.replace("s3://", "file:///"))
    signing = "  snapshot_signing: {key: {env: SIGN}, previous_keys: [{file: old}]}\n"
    (with_policy / "qdrantctl.yaml").write_text(PROJECT + signing)
    result = init(with_policy, "github")
    assert "SIGN: ${{ secrets.SIGN }}" in (with_policy / workflow).read_text()
    assert "a key that signs snapshots comes from a file or a command" in result.err
    assert "file:///backups/qdrant, which in a pipeline is on the runner's own disk" in result.err


@pytest.mark.parametrize("ci", FILES)
def test_a_project_below_the_root_of_its_repository(ci, tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet", "-b", "trunk", tmp_path], check=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", tmp_path]
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "x"], check=True)
    monkeypatch.chdir(tmp_path)
    result = init(Path("services/search"), ci)
    assert result.code == 0
    assert f"wrote {FILES[ci]}\n" in result.out
    made = read_pipeline(tmp_path / FILES[ci])
    if ci == "github":
        assert made["on"]["push"]["branches"] == ["trunk"]
        assert made["defaults"]["run"]["working-directory"] == "services/search"
        uploads = [
            s for s in made["jobs"]["plan-production"]["steps"] if "path" in s.get("with", {})
        ]
        assert uploads[0]["with"]["path"].split()[0] == "services/search/plan-production.json"
    else:
        assert made[".qdrantctl"]["before_script"][-1] == "cd services/search"
        artifacts = made["plan to apply production"]["artifacts"]
        assert artifacts["paths"] == ["services/search/plan-production.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("prod_us:", "PROD-EU:"), "shares the name PROD_EU with another one"),
        (("env: EU_KEY", 'env: "EU KEY"'), "names a variable that a pipeline cannot have"),
    ],
)
def test_what_a_pipeline_cannot_contain(change, message, tmp_path):
    folder = make_project(tmp_path, PROJECT.replace(*change))
    result = init(folder, "github")
    assert result.code == 1
    assert message in result.err
    assert not (folder / ".github").exists()


def test_a_project_without_a_cluster(tmp_path):
    assert run_cli("init", str(tmp_path)).code == 0
    result = init(tmp_path, "github")
    assert result.code == 1
    assert "names no environment that a pipeline could apply to" in result.err
    assert not (tmp_path / ".github").exists()
