"""Templates of generated files: complete, strict, and without any effect on foreign notation."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from qdrantctl.adapters.artifacts import environment
from qdrantctl.adapters.artifacts.environment import render_template
from qdrantctl.adapters.artifacts.pipelines import (
    FOLDERS,
    PipelineKey,
    PipelineProject,
    Target,
    render_pipelines,
)
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
    Target("staging", "staging", False, "<!-- a -->", url_variable="URL", url_name="URL_STAGING"),
    Target(
        "2nd-eu",
        '"2nd-eu"',
        True,
        "<!-- b -->",
        url_variable="EU_URL",
        url_name="EU_URL",
        key=PipelineKey("EU_KEY", write_name="EU_KEY", read_name="EU_KEY_READ_ONLY"),
        has_policies=True,
    ),
)


def value_of(text: str) -> dict:
    documents, problems = read_documents(SourceText("made.yaml", text))
    assert not problems, problems
    return documents[0].value


def test_every_template_is_used_and_none_is_missing():
    source = "".join(path.read_text() for path in TEMPLATES.parent.glob("*.py"))
    names = {path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.j2")}
    assert names >= {f"{scheduler}.j2" for scheduler in SCHEDULERS}
    included = re.findall(r"include '(.+?)'", "".join((TEMPLATES / n).read_text() for n in names))
    for name in names - set(included):
        assert f'"{name.removesuffix(".j2")}"' in source


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError, match="with_clusters"):
        render_template("starter/project.yaml", name="shop")


@pytest.mark.parametrize("folder", [".", "deploy/qdrant"])
@pytest.mark.parametrize("ci", FOLDERS)
def test_pipelines_are_yaml_and_keep_the_notation_of_their_ci(ci, folder):
    texts = render_pipelines(ci, PipelineProject("shop", folder, "main"), TARGETS)
    assert len(texts) == (3 if ci == "github" else 1)
    for text in texts.values():
        assert "<%" not in text
        assert re.findall("<<.*>>", text) == []
        assert "\n\n\n" not in text
    value = value_of(next(iter(texts.values())))
    if ci == "github":
        assert value["jobs"]["plan-2nd-eu"]["needs"] == ["check", "apply-staging"]
        assert ("working-directory" in value["defaults"]["run"]) == (folder != ".")
        assert list(value_of(list(texts.values())[2])["jobs"]) == ["run-2nd-eu", "verify-2nd-eu"]
    else:
        assert value["plan to apply 2nd-eu"]["needs"] == ["apply staging"]
        assert "<<'EOF'" in value["comment"]["script"][0]


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
