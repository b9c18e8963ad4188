"""Whatever stands in a file, reading it ends with violations or a known error, never a traceback.

QDRANTCTL_FUZZ_EXAMPLES sets how many inputs each test tries (default 150, which CI runs), and
QDRANTCTL_FUZZ_COUNT names a file to which the number of inputs is added.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from qdrantctl.adapters.manifests.load import load_manifests
from qdrantctl.adapters.manifests.sources import Sources
from qdrantctl.adapters.project.settings import resolve_settings
from qdrantctl.kinds.catalog import KINDS
from qdrantctl.model.errors import ManifestError, QdrantctlError
from qdrantctl.model.project import Project
from qdrantctl.model.rule_catalog import RULES
from qdrantctl.model.spec import FieldTree, field_tree_of
from qdrantctl.model.violation import Violation
from qdrantctl.render import diagnostics as told
from qdrantctl.render import json as as_json
from tests.support.manifests import HEAD, linted

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
EXAMPLES = int(os.environ.get("QDRANTCTL_FUZZ_EXAMPLES", "150"))
COUNT = os.environ.get("QDRANTCTL_FUZZ_COUNT")

many = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)

MANIFESTS = [HEAD] + [
    path.read_text() for path in sorted(ROOT.glob("examples/*/manifests/*.yaml*"))
]
PROJECTS = [path.read_text() for path in sorted(ROOT.glob("examples/*/qdrantctl.yaml"))]
WORDS = [
    *(
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "? ",
        "\n",
        "\n  ",
        "\t",
        " ",
        "#",
        "&a",
        "*a",
        "<<: *a",
    ),
    *("!!str ", "!x ", "|", ">", "'", '"', "---\n", "...\n", "%YAML 1.1\n", "~", "null", "yes"),
    *("1e3", "0777", ".inf", ".nan", "2024-01-01", "-1", "0", "18446744073709551616", "9" * 500),
    *("...", "a/b", "é", "\ud7ff", "\x00", "\x85", "\u2028", "\ufeff", "\U0001f600", "\r\n"),
    *("{{ env }}", "{{ vars.x }}", "{% if x %}", "{% endif %}", "{# ", "{%- for a in vars %}"),
    *("kind: List\nitems:\n", "kind: Alias", "kind: Project", "apiVersion: v1", "spec:", "vectors"),
    *("payload_indexes", "shard_keys", "lifecycle", "ignore", "http://h", "${X}", "api_key: k"),
    *("extends: qdrantctl.yaml", "manifests: [.]", "vars_files: [v.yaml]", "url: {env: X}"),
]


@contextmanager
def counted() -> Iterator[None]:
    """Adds one to the number of inputs."""
    yield
    if COUNT:
        with Path(COUNT).open("a") as file:
            file.write(".")


@st.composite
def mutated(draw: Callable[..., Any], texts: list[str]) -> str:
    """A valid text after some strokes of a clumsy hand."""
    text = draw(st.sampled_from(texts))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 30)))
        match draw(st.sampled_from(["insert", "cut", "repeat", "swap", "char"])):
            case "insert":
                text = text[:at] + draw(st.sampled_from(WORDS)) + text[at:]
            case "cut":
                text = text[:at] + text[end:]
            case "repeat":
                text = text[:end] + text[at:end] + text[end:]
            case "swap":
                text = text[:at] + draw(st.sampled_from(WORDS)) + text[end:]
            case "char":
                text = text[:at] + draw(st.characters(codec="utf-8")) + text[at + 1 :]
    return text


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.integers(-1, 20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["...", "", "auto", "custom", "Cosine", "keyword", "int8", "text", "é" * 200]),
    st.text(st.characters(codec="utf-8"), max_size=8),
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=4),
    ),
    max_leaves=8,
)


def shaped(shape: FieldTree, depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that mostly have the shape that is asked for."""
    if shape.entries is not None:
        keys = st.one_of(st.sampled_from(["a", "b.c", "a[]", "", "."]), st.text(max_size=4))
        maps = st.dictionaries(keys, shaped(shape.entries, depth + 1), max_size=3)
        return st.one_of(maps, st.lists(shaped(shape.entries, depth + 1), max_size=2), anything)
    if shape.fields:
        known = {
            spelling: shaped(inner, depth + 1)
            for name, inner in shape.fields.items()
            for spelling in (inner.spellings or (name,))
        }
        section = st.fixed_dictionaries({}, optional=known)
        return st.one_of(section, section, section, anything)
    words = [word.strip() for word in shape.type_name.split("|")]
    return st.one_of(st.sampled_from(words), scalars, anything)


def sound(found: tuple[Violation, ...] | list[Violation], texts: dict[str, str]) -> None:
    """Violations as they should be, whatever they speak of."""
    for violation in found:
        assert violation.rule in RULES
        assert violation.message
        assert violation.hint or violation.severity != "error", violation
        if isinstance(violation.snippet, str) and violation.origin.file in texts:
            assert violation.origin.line >= 1
            assert isinstance(violation.column, int) or "After the template" in violation.hint
    json.loads(as_json.violations(found))
    told.violations_text(found, colour=True)


def loads(data: bytes, file: str = "-", **variables: Any) -> None:
    with counted(), tempfile.TemporaryDirectory() as folder:
        if file != "-":
            (Path(folder) / file).write_bytes(data)
        found = load_manifests(
            Sources(Path(folder), (file,), "prod", variables, True), KINDS, lambda: data
        )
        sound(linted(found), {file: "", "<stdin>": ""})
        for resource in found.desired.values():
            assert resource.digest
            for path in (("vectors", "", "size"), ("payload_indexes", "a"), ("shard_keys", 7)):
                assert resource.origin_of(path).line >= 1


def settles(project: bytes, values: bytes = b"x: 1\n") -> None:
    with counted(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "qdrantctl.yaml").write_bytes(project)
        (folder / "v.yaml").write_bytes(values)
        try:
            resolve_settings(
                directory=folder,
                files=(),
                url=None,
                environment=None,
                need_server=True,
                today=date(2026, 6, 1),
                environ={"QDRANTCTL_NO_COMMANDS": "1", "X": "http://localhost"},
            )
        except ManifestError as error:
            sound(error.violations, {"qdrantctl.yaml": "", "v.yaml": ""})  # type: ignore[arg-type]
        except QdrantctlError as error:
            assert error.what


@many
@given(st.binary(max_size=300))
def test_random_bytes(data):
    loads(data)
    settles(data)


@many
@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
def test_random_words(text):
    loads(text.encode())
    settles(text.encode(), text.encode())


@many
@given(mutated(MANIFESTS))
def test_mutated_manifests(text):
    loads(text.encode())


@many
@given(mutated(PROJECTS))
def test_mutated_project_files(text):
    settles(text.encode())


ENVELOPE = {"apiVersion": "qdrantctl/v1", "metadata": {"name": "x"}}
SPECS = st.one_of(
    [st.tuples(st.just(kind.manifest), shaped(field_tree_of(kind.spec))) for kind in KINDS]
)
LIFECYCLE = st.fixed_dictionaries(
    {},
    optional={
        "protect": scalars,
        "replace": st.one_of(st.sampled_from(["refuse", "recreate"]), anything),
        "exclusive": st.one_of(st.lists(st.sampled_from(["vectors", "a.b"]), max_size=2), anything),
        "ignore": st.one_of(
            st.lists(
                st.fixed_dictionaries(
                    {}, optional={"path": anything, "reason": scalars, "until": scalars}
                ),
                max_size=2,
            ),
            anything,
        ),
    },
)


@many
@given(SPECS, st.one_of(st.just({}), LIFECYCLE), st.one_of(st.just({"name": "x"}), anything))
def test_random_specs(spec, lifecycle, metadata):
    manifest = ENVELOPE | {"kind": spec[0], "spec": spec[1], "lifecycle": lifecycle}
    loads(json.dumps(manifest | {"metadata": metadata}).encode())


@pytest.mark.parametrize("field", sorted(field_tree_of(KINDS[0].spec).fields))
def test_random_values_of_every_field(field):
    shape = field_tree_of(KINDS[0].spec).fields[field]

    @settings(many, max_examples=max(20, EXAMPLES // 8))
    @given(shaped(shape))
    def each(value):
        spec = {"vectors": {"size": 4, "distance": "Dot"}, field: value}
        loads(json.dumps(ENVELOPE | {"kind": "Collection", "spec": spec}).encode())

    each()


@many
@given(shaped(field_tree_of(Project)), st.booleans())
def test_random_project_files(value, whole):
    if whole and isinstance(value, dict):
        value |= {"apiVersion": "qdrantctl/v1", "kind": "Project", "metadata": {"name": "shop"}}
    settles(json.dumps(value).encode())


PIECES = [
    *(
        "{{ ",
        " }}",
        "{% ",
        " %}",
        "{%- ",
        " -%}",
        "{# ",
        " #}",
        "env",
        "vars",
        "vars.x",
        "vars.y[0]",
    ),
    *("if x", "if vars.x", "else", "endif", "for a in vars.y", "for a in range(9)", "endfor", "a"),
    *(
        "set b = 1",
        "set b",
        "endset",
        "b",
        "macro m(a)",
        "endmacro",
        "m(1)",
        "call m(1)",
        "endcall",
    ),
    *("|upper", "|join(',')", "|tojson", "|indent(2)", "|default(1)", "|length", "|nope", "|list"),
    *(
        "filter upper",
        "endfilter",
        "raw",
        "endraw",
        "include 'a'",
        "block q",
        "endblock",
        "loop.index",
    ),
    *("(", ")", "[", "]", "'", '"', "+", "*", "**", "~", "/ 0", ".__class__", "lipsum()", "9" * 50),
    *(
        "\n",
        "\r\n",
        "  ",
        "- ",
        "a: ",
        "---\n",
        "\x02",
        "\x03",
        "\x0212\x03",
        "\u2028",
        HEAD,
        "\n  m: 1",
    ),
]


@many
@given(
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
    st.dictionaries(st.sampled_from(["x", "y"]), anything),
)
def test_random_templates(text, variables):
    loads(text.encode(), "a.yaml.j2", **variables)


EXPRESSIONS = [
    *("env", "vars.x", "vars.y", "vars.y[0]", "a", "loop.index", "m(1)", "m(vars.x)", "1", "'b'"),
    *(
        "vars.x|upper",
        "vars.y|join(',')",
        "vars.y|tojson",
        "'é\\n  z: 1'",
        "b",
        "b|length",
        "''.__class__",
    ),
]
BODIES = st.recursive(
    st.one_of(
        st.sampled_from(
            [HEAD, "\n", "  hnsw_config: {m: 1}\n", "  k: ", "# c\n", "---\n", "{# x #}"]
        ),
        st.sampled_from(EXPRESSIONS).map(lambda e: "{{ " + e + " }}"),
        st.sampled_from(EXPRESSIONS).map(lambda e: "{{- " + e + " -}}"),
    ),
    lambda inner: st.tuples(
        st.sampled_from(
            [
                ("{% if vars.x %}", "{% endif %}"),
                ("{%- if b is defined -%}", "{%- else -%}z{% endif %}"),
                ("{% for a in vars.y %}", "{% endfor %}"),
                ("{% for a in range(3) -%}", "{%- endfor %}"),
                ("{% set b %}", "{% endset %}"),
                ("{% macro m(a) %}", "{% endmacro %}"),
                ("{% filter indent(2) %}", "{% endfilter %}"),
                ("{% filter upper %}", "{% endfilter %}"),
                ("{% raw %}", "{% endraw %}"),
                ("{% call(a) m(1) %}", "{% endcall %}"),
            ]
        ),
        st.lists(inner, max_size=4).map("".join),
    ).map(lambda parts: parts[0][0] + parts[1] + parts[0][1]),
    max_leaves=12,
)


@many
@given(
    st.lists(BODIES, min_size=1, max_size=4).map("".join),
    st.fixed_dictionaries({"x": scalars, "y": st.lists(scalars, max_size=3)}),
)
def test_random_templates_that_mostly_parse(text, variables):
    loads(text.encode(), "a.yaml.j2", **variables)
