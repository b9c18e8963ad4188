"""Templates of generated files: complete, strict, and without any effect on foreign notation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from qdrantctl.adapters.artifacts import environment
from qdrantctl.adapters.artifacts.environment import render_template
from qdrantctl.adapters.artifacts.pipelines import PIPELINE_FILES, Target, render_pipeline
from qdrantctl.adapters.artifacts.scheduled_jobs import SCHEDULERS, SnapshotJobs, render_jobs
from qdrantctl.adapters.artifacts.starter_project import PROFILES, render_profile
from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents

TEMPLATES = Path(environment.__file__).parent / "templates"
JOBS = SnapshotJobs(
    name="qdrantctl-shop-prod",
    project="shop",
    environment="prod",
    folder="/srv/my shop%h",
    variables={"url": "QDRANT_URL", "api_key": "PROD_KEY"},
    program=("/home/ada/.local/bin/qdrantctl",),
    run=("snapshots", "run", "-e", "prod"),
    verify=("snapshots", "verify", "-e", "prod"),
)
TARGETS = (
    Target("staging", "staging", approved=False, variables={"url": "QDRANT_URL"}),
    Target("2nd-eu", '"2nd-eu"', approved=True, variables={"url": "EU_URL", "api_key": "EU_KEY"}),
)


def value_of(text: str) -> dict:
    documents, problems = read_documents(SourceText("made.yaml", text))
    assert not problems, problems
    return documents[0].value


def test_every_template_is_used_and_none_is_missing():
    source = "".join(path.read_text() for path in TEMPLATES.parent.glob("*.py"))
    names = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.j2")}
    assert names >= {f"{scheduler}.j2" for scheduler in SCHEDULERS}
    assert names >= {f"{ci}_pipeline.yml.j2" for ci in PIPELINE_FILES}
    included = re.findall(r"include '(.+?)'", "".join((TEMPLATES / n).read_text() for n in names))
    for name in names - {f"{ci}_pipeline.yml.j2" for ci in PIPELINE_FILES} - set(included):
        assert f'"{name.removesuffix(".j2")}"' in source


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="with_clusters"):
        render_template("starter/project.yaml", name="shop")


@pytest.mark.parametrize("folder", [".", "deploy/qdrant"])
@pytest.mark.parametrize("ci", PIPELINE_FILES)
def test_pipelines_are_yaml_and_keep_the_notation_of_their_ci(ci, folder):
    text = render_pipeline(ci, TARGETS, folder)
    assert "<<" not in text
    assert "<%" not in text
    assert "\n\n\n" not in text
    value = value_of(text)
    assert "# 2nd-eu states url: {env: EU_URL} and api_key: {env: EU_KEY} instead" in text
    if ci == "github":
        environments = value["jobs"]["plan"]["strategy"]["matrix"]["include"]
        assert [each["environment"] for each in environments] == ["staging", "2nd-eu"]
        assert value["jobs"]["plan"]["env"]["QDRANTCTL_ENV"] == "${{ matrix.environment }}"
        assert value["jobs"]["plan-2nd-eu"]["needs"] == "apply-staging"
        assert ("defaults" in value) == (folder != ".")
    else:
        assert value["plan to apply 2nd-eu"]["needs"] == ["apply staging"]
        assert 'id=$(notes "$request/notes' in text


def test_jobs_of_this_machine_call_the_program_by_its_path():
    program = shlex.join(JOBS.program)
    cron, systemd = (render_jobs(scheduler, JOBS) for scheduler in ("cron", "systemd"))
    assert f"&& {program} snapshots run -e prod -C '/srv/my shop\\%h'\n" in cron
    assert f"ExecStart=/usr/bin/env {program} snapshots run -e prod\n" in systemd
    assert "WorkingDirectory=/srv/my shop%%h\n" in systemd


def test_jobs_elsewhere_call_the_program_by_its_name():
    for scheduler in ("k8s-cronjob", "github-actions"):
        assert "/home/ada" not in render_jobs(scheduler, JOBS)
    workflow = value_of(render_jobs("github-actions", JOBS))
    assert workflow["jobs"]["run"]["env"]["QDRANT_URL"] == "${{ vars.QDRANT_URL }}"
    assert workflow["jobs"]["run"]["env"]["PROD_KEY"] == "${{ secrets.PROD_KEY }}"


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_are_manifests(profile):
    value = value_of(render_profile(profile))
    assert value["metadata"]["name"] == profile
    assert value["spec"]["config"]["max_timeout"] == PROFILES[profile]["timeout"]
