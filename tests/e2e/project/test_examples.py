"""Every example validates everywhere, applies to a real server, and is then at rest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from qdrantctl.cli.main import COMMANDS
from tests.support.cli import run_cli

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/qdrantctl.yaml"))
COUNTS = {"shop": 4, "rag": 3, "hybrid-search": 2, "multi-tenant": 3}
IN_PRODUCTION = {**COUNTS, "multi-tenant": 9}
"""The embedded server takes no tokens, so keys are for production alone."""

each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)


def test_there_are_four():
    assert {path.name for path in EXAMPLES} == COUNTS.keys()


@each
def test_validates_in_every_environment(example):
    for environment, counts in (("dev", COUNTS), ("prod", IN_PRODUCTION)):
        result = run_cli("validate", "-e", environment, project=example)
        assert result.code == 0
        assert result.out == f"{counts[example.name]} resources are valid.\n"


@each
def test_applies_and_is_then_at_rest(example, empty_qdrant, tmp_path, monkeypatch, capsys):
    project = tmp_path / example.name
    shutil.copytree(example, project)
    file = project / "qdrantctl.yaml"
    text = file.read_text()
    assert text.count("url: embedded") == 1
    file.write_text(text.replace("url: embedded", "url: {env: EXAMPLE_URL}"))
    monkeypatch.setenv("EXAMPLE_URL", empty_qdrant.url)
    monkeypatch.setenv("QDRANTCTL_ENV", "dev")

    assert run_cli("plan", project=project).code == 0
    assert f"Plan: {COUNTS[example.name]} to add, 0 to change, 0 to destroy." in (
        capsys.readouterr().out
    )
    assert run_cli("apply", "--auto-approve", project=project).code == 0, capsys.readouterr()
    capsys.readouterr()
    assert run_cli("plan", "--detailed-exitcode", project=project).code == 0, capsys.readouterr()
    assert run_cli("drift", "--unmanaged", project=project).code == 0, capsys.readouterr()


@pytest.mark.parametrize("example", [path for path in EXAMPLES if (path / "state").exists()])
def test_committed_state_is_current(example):
    assert run_cli("lock", "--check", project=example).code == 0, "run `qdrantctl lock` there"


@each
def test_manifests_name_their_schema(example):
    files = [example / "qdrantctl.yaml", *example.rglob("manifests/*")]
    for file in files:
        first = file.read_text().splitlines()[0]
        found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert found, f"{file} does not name its schema"
        assert (file.parent / found[1]).resolve().parent == ROOT / "schemas"
        assert (file.parent / found[1]).exists()


@each
def test_the_readme_tells_the_truth(example):
    text = (example / "README.md").read_text()
    assert set(re.findall(r"`(manifests/[^`]+|qdrantctl\.yaml)`", text)) == {
        str(path.relative_to(example))
        for path in (example / "qdrantctl.yaml", *example.rglob("manifests/*"))
    }
    commands = re.findall(r"^\$ qdrantctl (\w+)", text, re.MULTILINE)
    assert commands
    assert set(commands) <= COMMANDS.keys()


@each
def test_production_is_protected_and_holds_no_key(example):
    prod = (example / "qdrantctl.yaml").read_text().partition("    prod:")[2]
    assert "url: https://qdrant.example.com:6333" in prod
    assert "api_key: {env: QDRANT_API_KEY}" in prod
    assert "protected: true" in prod
