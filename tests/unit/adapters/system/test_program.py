"""How generated jobs call this program: by a path that is the same after an update."""

from __future__ import annotations

import sys

import pytest

from qdrantctl.adapters.system.program import find_program


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "venv" / "qdrantctl"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_a_link_is_not_followed(script, tmp_path, monkeypatch):
    link = tmp_path / "qdrantctl"
    link.symlink_to(script)
    monkeypatch.setattr(sys, "argv", [str(link), "generate", "cron"])
    assert find_program() == (str(link),)


def test_a_path_from_here_becomes_absolute(script, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["venv/qdrantctl"])
    assert find_program() == (str(script),)


def test_a_name_is_looked_up(script, monkeypatch):
    monkeypatch.setenv("PATH", str(script.parent))
    monkeypatch.setattr(sys, "argv", ["qdrantctl"])
    assert find_program() == (str(script),)


def test_a_module_is_called_by_the_script_beside_its_interpreter(script, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/somewhere/qdrantctl/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    assert find_program() == (str(script),)
    script.unlink()
    assert find_program() == (str(script.with_name("python")), "-m", "qdrantctl")
