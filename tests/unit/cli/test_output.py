"""The one look-up of renderers: a format is a file of `render/` that defines the function."""

import json

import pytest

from qdrantctl import render as renderers
from qdrantctl.cli.options import OutputArgs
from qdrantctl.cli.output import _renderer_sources, formats_of, render
from qdrantctl.model.violation import Severity, Violation


def args(**more):
    return OutputArgs(**{"format": "text", "no_color": True, "verbose": 0, **more})


@pytest.mark.parametrize(
    ("what", "formats"),
    [
        ("plan", ("text", "json", "markdown")),
        ("report", ("text", "json", "markdown")),
        ("drift", ("text", "json", "markdown", "prometheus")),
        ("audit", ("text", "json", "junit", "markdown", "sarif")),
        ("resource", ("text", "json", "markdown")),
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
