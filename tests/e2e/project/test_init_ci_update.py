"""`init --ci` again: it updates what it generated, and keeps what was edited, or says so."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.e2e.project.test_init_ci import PACKAGE, POLICY, init, make_project
from tests.support.forge import read_pipeline

WORKFLOW = Path(".github/workflows/qdrantctl.yml")
BASE = Path(".github/qdrantctl/base")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = make_project(tmp_path)
    assert init(folder, "github").code == 0
    return folder


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def add_environment(project: Path) -> None:
    new = '    new: {url: "https://new.example.com"}\n'
    edit(project / "qdrantctl.yaml", "    dev: ", f"{new}    dev: ")


def test_nothing_changes_where_the_project_has_not_changed(project):
    before = {p: p.read_bytes() for p in project.rglob("*") if p.is_file()}
    result = init(project, "github")
    assert result.code == 0
    assert result.out.count(": up to date\n") == 4
    assert {p: p.read_bytes() for p in project.rglob("*") if p.is_file()} == before


def test_what_was_not_edited_is_written_anew(project):
    add_environment(project)
    result = init(project, "github")
    assert result.code == 0
    assert f"updated {project / WORKFLOW}\n" in result.out
    assert "apply-new" in read_pipeline(project / WORKFLOW)["jobs"]
    assert (project / BASE / "qdrantctl.yml").read_text() == (project / WORKFLOW).read_text()


def test_edits_are_kept_twice(project):
    edit(project / WORKFLOW, "  push:\n", "  workflow_dispatch:\n  push:\n")
    assert init(project, "github").out.count(": up to date\n") == 4
    add_environment(project)
    result = init(project, "github")
    assert result.code == 0
    assert f"updated {project / WORKFLOW}, with your edits\n" in result.out
    made = read_pipeline(project / WORKFLOW)
    assert "workflow_dispatch" in made["on"]
    assert "apply-new" in made["jobs"]
    edit(project / "qdrantctl.yaml", 'min_server_version: "1.16"', 'min_server_version: "1.17"')
    assert "with your edits" in init(project, "github").out
    text = (project / WORKFLOW).read_text()
    assert "  workflow_dispatch:\n" in text
    assert "Qdrant 1.17.0 or newer" in text


def test_a_contradicting_edit_stays_and_is_reported(project):
    edit(project / WORKFLOW, "          EU_URL: ${{ vars.EU_URL }}", "          EU_URL: mine")
    before = (project / WORKFLOW).read_text()
    edit(project / "qdrantctl.yaml", "env: EU_URL", "env: EU_ADDRESS")
    result = init(project, "github")
    assert result.code == 2
    assert f"{project / WORKFLOW}: not updated\n" in result.out
    assert "has edits that contradict what is generated now; it was not changed" in result.err
    assert "-          EU_URL: ${{ vars.EU_URL }}" in result.err
    assert "+          EU_ADDRESS: ${{ vars.EU_ADDRESS }}" in result.err
    assert (project / WORKFLOW).read_text() == before
    edit(
        project / WORKFLOW, "          EU_URL: mine", "          EU_ADDRESS: ${{ vars.EU_ADDRESS }}"
    )
    assert init(project, "github").code == 0
    assert "EU_URL" not in (project / WORKFLOW).read_text()


def test_a_file_that_was_not_generated_is_not_touched(project, tmp_path):
    (project / ".gitlab-ci.yml").write_text("build: {script: [make]}\n")
    result = init(project, "gitlab")
    assert result.code == 2
    assert "has no record of its generation; it was not changed" in result.err
    assert (project / ".gitlab-ci.yml").read_text() == "build: {script: [make]}\n"


def test_a_removed_file_stays_removed(project):
    nightly = project / ".github/workflows/qdrantctl-nightly.yml"
    nightly.unlink()
    result = init(project, "github")
    assert f"{nightly}: left out, since it was removed\n" in result.out
    assert not nightly.exists()


def test_what_is_not_needed_any_longer_is_removed_unless_it_was_edited(project):
    snapshots, policy = (
        project / ".github/workflows/qdrantctl-snapshots.yml",
        project / "manifests/policy.yaml",
    )
    policy.write_text("")
    assert f"removed {snapshots}\n" in init(project, "github").out
    assert not snapshots.exists()
    policy.write_text(POLICY)
    assert f"wrote {snapshots}\n" in init(project, "github").out
    snapshots.write_text(snapshots.read_text() + "# mine\n")
    policy.write_text("")
    assert init(project, "github").code == 2
    assert snapshots.read_text().endswith("# mine\n")


def test_updates_of_the_lock_are_kept(project):
    """Dependabot changes a version and its hashes; another package changes the first lines."""
    lock = project / ".github/qdrantctl/requirements.txt"
    edit(lock, "idna==3", "idna==99")
    other = PACKAGE.replace("01234", "99999")
    assert init(project, "github", "--package", other).code == 0
    text = lock.read_text()
    assert other in text
    assert "idna==99" in text


def test_another_project_of_the_repository_does_not_replace_them(project):
    other = make_project(project / "services" / "other")
    subprocess.run(["git", "init", "--quiet", project], check=True)
    before = (project / WORKFLOW).read_text()
    result = init(other, "github")
    assert result.code == 1
    assert "the pipelines of this repository are those of the project in .\n" in result.err
    assert (project / WORKFLOW).read_text() == before
