"""Templates: what they see, what they may not do, and where it went wrong."""

from __future__ import annotations

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests import templates
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import ABSENT
from tests.support.cli import run_cli
from tests.support.manifests import HEAD, loaded, place, violations

FILE = "a.yaml.j2"
VARS = {"dimensions": 4, "names": ["a", "b", None], "deep": {"er": 1, "none": None}, "none": None}


VALUES = {
    "list": ["it's", 'a "b"', "x\ny", "é\U0001f680", None, True, 7, 0.1, "null"],
    "flag": True, "small": 1e-07, "big": 2**64 - 1, "none": None,
}  # fmt: skip


def broken(text, folder, **variables):
    return violations(text, folder, FILE, env="prod", **(variables or VARS))


ERRORS = [
    # text; rule, line; words of message and hint
    ("a\n{{ vars.dimension }}", "QC021", 2, "has no attribute 'dimension'", "vars.dimensions?"),
    ("a\n\n{{ envv }}", "QC021", 3, "'envv' is undefined", "Did you mean env?"),
    ("{{ dimensions }}", "QC021", 1, "'dimensions' is undefined", "Did you mean vars.dimensions?"),
    ("\n{{ vars.none }}", "QC021", 2, "vars.none is null", "default('…', true)"),
    ("a-{{ 'b' ~ vars.deep.none }}", "QC021", 1, "vars.deep.none is null", "tojson"),
    ("{{ vars.names | join(',') }}", "QC021", 1, "vars.names[2] is null", "tojson"),
    ("{{ '%s' | format(vars.none) }}", "QC021", 1, "vars.none is null", "tojson"),
    ("{{ vars.none | upper }}", "QC021", 1, "vars.none is null", "tojson"),
    ("{{ none }}", "QC021", 1, "the value of this expression is null", "tojson"),
    ("{{ vars.none.zzz }}", "QC021", 1, "'null object' has no", "vars"),
    ("{{ zzz }}", "QC021", 1, "'zzz' is undefined", "Known here: env, vars."),
    (
        "{{ vars.zzz }}",
        "QC021",
        1,
        "'zzz'",
        "vars.deep, vars.dimensions, vars.names, vars.none.",
    ),
    ("{{ vars.deep.zzz }}", "QC021", 1, "'zzz'", "vars"),
    ("{{ vars.zzz.zzz }}", "QC021", 1, "'zzz'", "vars"),
    ("{% for n in vars.nope %}{% endfor %}", "QC021", 1, "'nope'", "vars"),
    ("{% if nope %}{% endif %}", "QC021", 1, "'nope' is undefined", "env"),
    ("a\n{% if x %}\nb", "QC020", 2, "endif", "Correct it"),
    ("a\n{{ x", "QC020", 2, "template:", "Correct it"),
    ("{% nope %}", "QC020", 1, "unknown tag 'nope'", "Correct it"),
    ("{{ 1|nope }}", "QC020", 1, "No filter named 'nope'", "Correct it"),
    ("\n{{ 1 // 0 }}", "QC020", 2, "zero", "types"),
    ("\n{{ 1 + 'a' }}", "QC020", 2, "unsupported operand", "types"),
    ("{{ vars.names + 1 }}", "QC020", 1, "can only concatenate", "types"),
    ("{{ '\\ud800' }}", "QC004", 1, "lone surrogate", "whole"),
]


@pytest.mark.parametrize(("text", "rule", "line", "said", "hint"), ERRORS)
def test_errors_stand_at_the_template_s_line(text, rule, line, said, hint, tmp_path):
    [found] = broken(text, tmp_path)
    assert (found.rule, found.origin.line) == (rule, line)
    assert found.snippet == text.split("\n")[line - 1]
    assert said in found.message
    assert hint in found.hint


WRITTEN = [
    ("{{ vars.none | default('x', true) }}", "x"),
    ("{{ vars.none | tojson }}", None),
    ("{{ 'yes' if vars.none is none and vars.none == none and not vars.none }}", "yes"),
    ("{{ vars.value }}", VALUES),
    ("{{ vars.value | tojson }}", VALUES),
    ("{{ vars.value.list }}", VALUES["list"]),
    ("{{ vars.value.flag }}", True),
    ("{{ vars.value.small }}", 1e-07),
    ("{{ vars.value.big }}", 2**64 - 1),
]


@pytest.mark.parametrize(("text", "value"), WRITTEN)
def test_a_value_is_what_it_was(text, value):
    page = SourceText(FILE, f"a: {text}\n")
    rendered = templates.render_template(page, "prod", {"none": None, "value": VALUES}, "render")
    documents, problems = read_documents(rendered)
    assert [document.value for document in documents] == [{"a": value}]
    assert problems == []


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ env.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self.__init__ }}",
    "{{ range.__self__ }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{x.__class__.__mro__}'.format_map({'x': 1}) }}",
    "{{ (vars|items).gi_frame }}",
    "{{ lipsum.__globals__['os'] }}",
    "{% set x = vars.update({'a': 1}) %}",
    "{{ vars.names.append(1) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'base' %}",
    "{% from 'a' import b %}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_escapes_the_sandbox(text, tmp_path):
    [found] = broken("# one\n" + text, tmp_path)
    assert found.rule in ("QC021", "QC022")
    assert found.origin.line == 2
    assert found.hint


LOOPS = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    "{% for a in range(10**9) %}{% endfor %}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{{ 'x' * 10**10 }}",
    "{{ [0] * 10**10 }}",
    "{{ 'x'|center(10**10) }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ '{:9999999999}'.format(1) }}",
    "{{ 10 ** (10 ** 10) }}",
    "{{ 2 ** (3 ** 99) }}",
    "{{ (10 ** 3000) * (10 ** 3000) }}",
    "{% set n = namespace(x='x') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set l = range(99999)|list %}{{ l|select('in', l)|list|length }}",
    "{{ (range(99999)|list) * 9999 }}",
    "{{ 'a'|replace('a', 'aaaaaaaaaa')" + "|replace('a', 'aaaaaaaaaa')" * 12 + " }}",
    "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "{% if 1 %}" * 500 + "{% endif %}" * 500,
]


@pytest.mark.parametrize("text", LOOPS, ids=range(len(LOOPS)))
@pytest.mark.slow
def test_nothing_runs_away(text, tmp_path, monkeypatch):
    monkeypatch.setattr(templates, "MAX_SECONDS", 0.5)
    [found] = broken("# one\n" + text, tmp_path)
    assert found.rule in ("QC020", "QC023")
    assert found.hint


def test_a_template_may_be_long_and_slow_within_its_bounds(tmp_path):
    text = "{% for a in range(20000) %}# {{ a }} {{ env }}\n{% endfor %}" + HEAD
    assert broken(text, tmp_path) == []


LOOP = """\
{% macro index(name) -%}
{{ name }}: keywrd
{%- endmacro %}
{% for name in vars.names %}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: {{ name }}}
spec:
  vectors: {size: {{ vars.sizes[name] }}, distance: Dot}
  payload_indexes:
    {{ index(name) }}
  {% if env == "prod" %}
  hnsw_confg: {m: 3}
  {% endif %}
{% endfor %}
"""


def test_errors_in_what_a_template_made_stand_at_the_template_s_lines(tmp_path):
    found = broken(LOOP, tmp_path, names=["a", "b"], sizes={"a": 4, "b": 0})
    assert [place(v) for v in found] == [
        ("QC044", 2, None),
        ("QC044", 2, None),
        ("QC043", 10, 19),
        ("QC040", 14, 3),
    ], "one line that is wrong in each round of the loop is told once"
    assert [v.snippet for v in found] == [LOOP.splitlines()[v.origin.line - 1] for v in found]
    size = found[2]
    assert "found 0" in size.message
    assert "After the template it is `vectors: {size: 0, distance: Dot}`, line" in size.hint
    assert "`qdrantctl render --numbers -e prod -f a.yaml.j2`" in size.hint
    assert found[3].hint == "Did you mean 'hnsw_config'?"


def test_the_command_that_is_named_shows_the_line(tmp_path):
    found = broken(LOOP, tmp_path, names=["a", "b"], sizes={"a": 4, "b": 0})[2]
    number = int(found.hint.partition(", line ")[2].split()[0])
    project = "apiVersion: qdrantctl/v1\nkind: Project\nmetadata: {name: shop}\nspec:\n"
    project += "  environments: {prod: {vars: {names: [a, b], sizes: {a: 4, b: 0}}}}\n"
    (tmp_path / "qdrantctl.yaml").write_text(project)
    told = ["render", "-C", str(tmp_path), "--numbers", "-e", "prod", "-f", FILE]
    result = run_cli(*told)
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0] == "--- # a.yaml.j2"
    assert f"{number:>4} |   vectors: {{size: 0, distance: Dot}}" in lines


def test_origins_are_lines_of_the_template(tmp_path):
    text = LOOP.replace("keywrd", "keyword").replace("confg", "config")
    (tmp_path / FILE).write_text(text)
    found = loaded(tmp_path, FILE, env="prod", names=["a", "b"], sizes={"a": 4, "b": 8})
    assert not found.violations
    for name in ("a", "b"):
        resource = found.desired[Address("collection", name)]
        assert resource.origin.line == 6
        assert resource.origin_of(("vectors", "", "size")).line == 10
        assert resource.origin_of(("payload_indexes", name)).line == 2
        assert resource.origin_of(("hnsw_config", "m")).line == 14


@pytest.mark.parametrize(
    "text",
    [
        "{% set x %}a{% endset %}{% if x == 'a' %}# yes\n{% endif %}" + HEAD + "  m: 1\n",
        "# {{ range(10**5)|random }}{{ range(10**5)|random }}\n" + HEAD + "  m: 1\n",
        "# \x02" + "7\x03\n" + HEAD + "  m: 1\n"
        if False
        else "{% set a %}x{% endset %}# {{ a|length }}\n" + HEAD + "  m: 1\n",
    ],
)
def test_where_the_line_cannot_be_known_it_is_quoted(text, tmp_path):
    """The template looks at its own text, or rolls dice."""
    [found] = broken(text, tmp_path)
    assert place(found) == ("QC040", 1, None), found
    assert found.snippet is ABSENT
    assert "After the template it is `m: 1`, line 7 of `qdrantctl render" in found.hint


def test_syntax_errors_of_what_a_template_made(tmp_path):
    [found] = broken("a: 1\nb: {{ vars.names }}]\n", tmp_path)
    assert place(found)[:2] == ("QC005", 2)
    assert 'After the template it is `b: ["a", "b", null]]`, line 2' in found.hint
    [found] = broken("{% for n in vars.names %}\nx: 1\n{% endfor %}", tmp_path)
    assert place(found)[:2] == ("QC006", 2)
    assert "the first is on line 2" in found.message


def test_render_tells_violations_on_stderr_and_goes_on(tmp_path, capsys):
    (tmp_path / "a.yaml.j2").write_text("{{ nope }}")
    (tmp_path / "b.yaml.j2").write_text("# {{ env }}\n")
    assert run_cli("render", "-f", ".", project=tmp_path).code == 1
    out, err = capsys.readouterr()
    assert out == "--- # b.yaml.j2\n# -\n"
    assert "error[QC021]: template: 'nope' is undefined" in err
    assert "--> a.yaml.j2:1:1" in err
    (tmp_path / "a.yaml.j2").unlink()
    assert run_cli("render", "-f", ".", project=tmp_path).code == 0
