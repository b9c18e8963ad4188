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


def test_makes_a_folder_with_a_project(tmp_path, capsys):
    folder = tmp_path / "new" / "shop"
    assert run_cli("init", str(folder)).code == 0
    found = files(folder)
    assert found.keys() == WRITTEN
    assert "name: shop" in found["qdrantctl.yaml"]
    assert found[".gitignore"] == ".qdrantctl/\n"
    out = capsys.readouterr().out
    for words in (*WRITTEN, f"cd {folder}", "qdrantctl dev up", "qdrantctl plan"):
        assert words in out


def test_what_it_makes_is_valid(tmp_path):
    assert run_cli("init", str(tmp_path / "shop")).code == 0
    result = run_cli("validate", project=tmp_path / "shop")
    assert result.code == 0
    assert "2 resources are valid" in result.out


def test_here_is_the_default(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run_cli("init").code == 0
    assert files(tmp_path).keys() == WRITTEN
    assert "cd " not in capsys.readouterr().out


def test_refuses_a_project_that_exists(tmp_path, capsys):
    (tmp_path / "qdrantctl.yaml").write_text("mine")
    assert run_cli("init", str(tmp_path)).code == 1
    captured = capsys.readouterr()
    assert "qdrantctl.yaml exists already; nothing was changed" in captured.err
    assert captured.out == ""
    assert files(tmp_path) == {"qdrantctl.yaml": "mine"}


def test_keeps_what_is_there(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "products.yaml").write_text("mine")
    (tmp_path / ".gitignore").write_text("dist/")
    assert run_cli("init", str(tmp_path)).code == 0
    found = files(tmp_path)
    assert found["manifests/products.yaml"] == "mine"
    assert found[".gitignore"] == "dist/\n.qdrantctl/\n"


def test_does_not_ignore_twice(tmp_path):
    (tmp_path / ".gitignore").write_text(".qdrantctl/\n")
    assert run_cli("init", str(tmp_path)).code == 0
    assert files(tmp_path)[".gitignore"] == ".qdrantctl/\n"


def test_says_so_when_it_cannot_write(tmp_path):
    (tmp_path / "file").write_text("")
    result = run_cli("init", str(tmp_path / "file" / "shop"))
    assert result.code == 1
    assert "cannot be written" in result.err


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert run_cli("init", str(tmp_path / "file")).code == 64


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


@pytest.mark.parametrize("profile", ["production", "development"])
def test_a_profile_to_begin_with(profile, tmp_path, capsys):
    assert run_cli("init", str(tmp_path), "--profile", profile).code == 0
    capsys.readouterr()
    result = run_cli("validate", project=tmp_path)
    assert result.code == 0
    told = result.out
    assert "QC105" in told  # a count is exact by default, which nobody should learn from an outage
    assert "error" not in told
    strict = (tmp_path / "manifests" / "strict-mode.yaml").read_text()
    assert f"{{name: {profile}}}" in strict
