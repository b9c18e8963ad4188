"""`qdrantctl init` makes a project that validates, and overwrites nothing."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from qdrantctl.flows.project.init import project_name
from qdrantctl.model.project import ProjectName
from tests.support.cli import run_cli

WRITTEN = {"qdrantctl.yaml", "manifests/products.yaml", ".gitignore"}


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_here_is_the_default(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_cli("init").code == 0
    assert files(tmp_path).keys() == WRITTEN
    assert "cd " not in capsys.readouterr().out


def test_does_not_ignore_twice(tmp_path):
    (tmp_path / ".gitignore").write_text(".qdrantctl/\n")
    assert run_cli("init", str(tmp_path)).code == 0
    assert files(tmp_path)[".gitignore"] == ".qdrantctl/\n"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("shop", "shop"),
        ("Mon Café", "Mon-Cafe"),
        ("search.v2_api", "search.v2_api"),
        ("..hidden", "hidden"),
        ("_private", "private"),
        ("日本", "project"),
        ("", "project"),
        ("a" * 80, "a" * 64),
        ("a&b; c", "a-b-c"),
        ("trailing...", "trailing"),
        ("007", "007"),
        ("1.0", "1.0"),
        ("null", "null"),
    ],
)
def test_the_name_comes_from_the_folder(folder, name):
    assert project_name(folder) == name
    TypeAdapter(ProjectName).validate_python(name)


@pytest.mark.parametrize("folder", ["007", "1.0", "null", "true", "0x1f"])
def test_a_name_that_looks_like_something_else_is_text(folder, tmp_path):
    assert run_cli("init", str(tmp_path / folder)).code == 0
    assert run_cli("validate", project=tmp_path / folder).code == 0
