"""The one look-up of renderers: a format is a file of `render/` that defines the function."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from qdrantctl import render as renderers
from qdrantctl.cli.options import OutputArgs
from qdrantctl.cli.output import _renderer_sources, formats_of, render, wants_colour
from qdrantctl.model.violation import Severity, Violation
from tests.support.terminal import on_terminal


def args(**more):
    return OutputArgs(**{"format": "text", "no_color": True, "verbose": 0, **more})


@pytest.mark.parametrize(
    ("what", "formats"),
    [
        ("plan", ("text", "json", "html", "jsonl", "markdown")),
        ("report", ("text", "json", "html", "jsonl", "markdown")),
        ("drift", ("text", "json", "html", "markdown", "prometheus")),
        ("audit", ("text", "json", "html", "junit", "markdown", "sarif")),
        ("resource", ("text", "json", "html", "markdown")),
        ("history", ("text", "json")),
        ("nothing", ()),
    ],
)
def test_formats_are_those_that_define_the_function(what, formats):
    assert formats_of(what) == formats


def test_a_new_format_is_one_file(tmp_path, monkeypatch):
    (tmp_path / "loud.py").write_text(
        "def violations(made, style):\n    return f'{len(made)} VIOLATIONS'\n"
    )
    monkeypatch.setattr(renderers, "__path__", [*renderers.__path__, str(tmp_path)])
    _renderer_sources.cache_clear()
    assert formats_of("violations") == ("text", "json", "loud")
    assert render("violations", (), args(format="loud")) == "0 VIOLATIONS"
    monkeypatch.undo()
    _renderer_sources.cache_clear()


def test_a_value_is_rendered_in_the_format_of_the_arguments(monkeypatch):
    broken = (Violation(rule="QC043", severity=Severity.ERROR, message="too small"),)
    assert json.loads(render("violations", broken, args(format="json")))["error_count"] == 1
    assert render("violations", broken, args()).startswith("error[QC043]: too small")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in render("violations", broken, args(no_color=False))
    assert "\x1b[" not in render("violations", broken, args())


@pytest.mark.parametrize(
    ("environ", "no_color", "colour"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_who_switches_colour_off(monkeypatch, environ, no_color, colour):
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", **environ}.items():
        monkeypatch.setenv(name, value)
    stream = SimpleNamespace(isatty=lambda: True)
    assert wants_colour(stream, no_color=no_color) is colour


@pytest.mark.parametrize(
    ("environ", "flags"), [({"TERM": "xterm"}, ["--no-color"]), ({"TERM": "dumb"}, [])]
)
def test_no_colour_in_errors_and_progress(tmp_path, monkeypatch, environ, flags):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    (tmp_path / "m").mkdir()
    _, shown = on_terminal(tmp_path, "plan", "-f", "m", "--url", "http://127.0.0.1:9", *flags)
    assert "Error: " in shown
    assert not re.search(r"\x1b\[[0-9;]*m", shown)
    assert ("\x1b" in shown) is (environ["TERM"] != "dumb")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_what_a_terminal_cannot_show_has_a_substitute(tmp_path, monkeypatch, encoding):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    (tmp_path / "m").mkdir()
    spec = "{vectors: {size: 4, distance: Dot}, metadata: {a: Größe…, b: ☃}}"
    head = "apiVersion: qdrantctl/v1\nkind: Collection\nmetadata: {name: a}\n"
    (tmp_path / "m" / "a.yaml").write_text(f"{head}spec: {spec}\n", encoding="utf-8")
    code, shown = on_terminal(tmp_path, "render", "-f", "m", encoding=encoding)
    assert code == 0, shown
    assert ("..., b: ?" in shown, "bug" in shown) == (True, False)
    command = [sys.executable, "-m", "qdrantctl", "render", "-f", "m"]
    piped = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert spec in piped.stdout.decode("utf-8")
