"""YAML 1.2 as people write it, and what is said where it goes wrong."""

from __future__ import annotations

import json

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml import documents as yaml_documents
from qdrantctl.adapters.yaml.documents import read_documents
from tests.support.manifests import place


def read(text):
    documents, problems = read_documents(SourceText("a.yaml", text))
    return [document.value for document in documents], problems


@pytest.fixture(params=["C", "Python"], autouse=True)
def parser(request, monkeypatch):
    """Both parsers: the C one is missing on some systems."""
    if request.param == "Python":
        monkeypatch.setattr(yaml_documents, "parse_events", yaml_documents.parse_events_slowly)
    return request.param


def test_two_escapes_of_json_are_one_character():
    assert read(r'{"icon": "\ud83d\ude80 \u00e9 \/"}') == ([{"icon": "🚀 é /"}], [])
    values, problems = read(r'{"icon": "\ud83d"}')
    assert "escape" in problems[0].message
    assert not values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Yes", "Yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("1_000", "1_000"),
        ("=", "="),
        ("~", None),
        ("null", None),
        ("True", True),
        ("FALSE", False),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("0.30000000000000004", 0.30000000000000004),
        ("0.10000000000000001", 0.1),
        ("1e23", 1e23),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">\n  a\n  b\n", "a b\n"),
        ("{a: &x 1, b: *x}", {"a": 1, "b": 1}),
        ("[https://n1.example.com:6333]", ["https://n1.example.com:6333"]),
        ("{url: http://localhost:6333}", {"url": "http://localhost:6333"}),
        ("a: {<<: {b: 1, c: 2}, b: 3}", {"a": {"b": 3, "c": 2}}),
        ("a: {<<: [{b: 1}, {b: 2, c: 2}]}", {"a": {"b": 1, "c": 2}}),
        ("# only a comment\n---\n1", 1),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_values(text, value):
    if text.startswith("\ufeff"):
        text = text[1:]  # taken off where files are read
    assert read("k: " + text if not text.startswith(("#", "a:")) else text) == (
        [{"k": value} if not text.startswith(("#", "a:")) else value],
        [],
    )


def test_documents():
    assert read("a: 1\n---\n---\n# none\n---\nb: 2\n...\n") == ([{"a": 1}, {"b": 2}], [])
    documents, _ = read_documents(SourceText("a.yaml", "# one\na: 1\n---\n\nb:\n  - c: 2\n"))
    assert [document.line for document in documents] == [2, 5]
    second = documents[1]
    assert second.position_of(("b",)) == (6, 3)
    assert second.position_of(("b",), key=True) == (5, 1)
    assert second.position_of(("b", 0, "c")) == (6, 8)
    assert second.position_of(("b", 0, "c"), key=True) == (6, 5)
    assert second.position_of(("b", 0, "d", "e")) == (6, 5)
    assert second.position_of(("q",)) == (5, 1)


PROBLEMS = [
    # text; rule, line, column; words of message and hint
    ("a: 1\na: 2", "QC006", 2, 1, "'a' is stated twice; the first is on line 1", "Keep one"),
    ("a: {b: 1, 'b': 2}", "QC006", 1, 11, "'b' is stated twice", "Keep one"),
    ("a: 0777", "QC011", 1, 4, "octal", 'Write 777, or "0777"'),
    ("a: -010", "QC011", 1, 4, "octal", "Write -10"),
    ("a: .inf", "QC011", 1, 4, "not a number", "Leave it out"),
    ("a: -.Inf", "QC011", 1, 4, "not a number", "quote"),
    ("a: 1e400", "QC011", 1, 4, "too large", "quote"),
    ("a: 18446744073709551616", "QC011", 1, 4, "beyond 64 bits", "quotes"),
    ("a: -9223372036854775809", "QC011", 1, 4, "beyond 64 bits", "smaller"),
    ("a: 0xFFFFFFFFFFFFFFFFF", "QC011", 1, 4, "beyond 64 bits", "quotes"),
    ("a: 3.14159265358979323846", "QC011", 1, 4, "no float is", "Write 3.141592653589793,"),
    ("a: 1e-400", "QC011", 1, 4, "the nearest is 0.0", "quotes"),
    ("1: a", "QC007", 1, 1, "the key 1 is not a string", 'quotes: "1"'),
    ("true: a", "QC007", 1, 1, "the key true is not a string", 'quotes: "true"'),
    ("? \n: a", "QC007", 1, None, "the key null is not a string", "before the colon"),
    ("? [a]\n: b", "QC007", 1, 3, "cannot be a key", "plain strings"),
    ("a: {{ b }}", "QC007", 1, 5, "cannot be a key", "*.yaml.j2"),
    ("a: !env B", "QC008", 1, 4, "the tag !env", "without it"),
    ("a: !!binary aGk=", "QC008", 1, 4, "the tag !!binary", "without it"),
    ("a: !!python/object:os.system {}", "QC008", 1, 4, "python/object", "without it"),
    ("a: !x [1]", "QC008", 1, 4, "the tag !x", "without it"),
    ("a: *b", "QC009", 1, 4, "*b is not defined", "Define it with &b"),
    ("a: &c 1\nb: *d", "QC009", 2, 4, "*d is not defined", "Anchors so far: c."),
    ("a: &x [*x]", "QC009", 1, 8, "inside the value", "Write it out"),
    ("a: {<<: 3}", "QC009", 1, 5, "needs a mapping", "<<: *name"),
    ("a: b: c", "QC005", 1, 5, "mapping values are not allowed", "quotes"),
    ("a: [1, 2", "QC005", 1, 9, "not valid YAML", "bracket"),
    ("a: {b: 1", "QC005", 1, 9, "not valid YAML", "brace"),
    ("a: 'b", "QC005", 1, 6, "not valid YAML", "Close the quotes"),
    ("a: 1\n\tb: 2", "QC005", 2, None, "a tab where YAML", "Indent with spaces"),
    ("a:\n\t- b", "QC005", 2, 1, "a tab where YAML", "Indent with spaces"),
    ("a: @b", "QC005", 1, 4, "cannot begin with '@'", "quotes"),
    ("a: `b`", "QC005", 1, 4, "cannot begin with '`'", "quotes"),
    ("a: %b", "QC005", 1, 4, "cannot begin with '%'", "quotes"),
    ("{% if x %}\na: 1", "QC005", 1, None, "not valid YAML", "*.yaml.j2"),
    ("a: - b", "QC005", 1, 4, "not allowed", "line of its own"),
    ("a:\n  b: 1\n c: 2", "QC005", 3, 2, "not valid YAML", "indentation"),
    ('a: "\\q"', "QC005", 1, 5, "unknown escape", "backslash"),
    ('a: "\\ud800"', "QC005", 1, None, "not valid YAML", "itself"),
    ("a: \x01", "QC005", 1, 4, "not valid YAML", "Remove the character"),
    ("a: 1\n%b\n", "QC005", None, None, "not valid YAML", ""),
]


@pytest.mark.parametrize(("text", "rule", "line", "column", "said", "hint"), PROBLEMS)
def test_problems(text, rule, line, column, said, hint, parser):
    _, [*found] = read(text)
    first = found[0]
    assert first.rule == rule
    assert said in first.message
    assert hint in first.hint
    assert first.hint
    assert line in (None, first.origin.line)
    if parser == "C" and column is not None:
        assert place(first) == (rule, line, column)
    assert first.snippet == text.splitlines()[first.origin.line - 1]


def test_many_problems_are_told_up_to_a_hundred():
    _, found = read("\n".join("0777" for _ in range(50)).replace("0777", "- 0777"))
    assert len(found) == 50
    _, found = read("\n".join("- 0777" for _ in range(5000)))
    assert len(found) == 100


def test_every_kind_of_line_break_is_counted():
    for end in ("\n", "\r\n", "\r"):
        _, [found] = read(f"a: 1{end}# x{end}b: 0777{end}")
        assert place(found) == ("QC011", 3, 4)
        assert found.snippet == "b: 0777"


def test_the_slow_parser_is_not_asked_to_read_much():
    """`{u: http://x}` is refused by the C parser alone."""
    text = "a: {u: http://x}\n"
    assert read(text)[1] == []
    _, problems = read(text + "# " + "x" * yaml_documents.MAX_REREAD)
    assert [(v.rule, v.hint) for v in problems] in ([], [("QC005", "Put the value in quotes.")])


JSON_STRINGS = [
    "\U0001f680", "a/b", "\0", "\x1b", "\x7f", "\x80", "\x85x", "\u2028x", "a\u2029b", "\ufffe",
    "\t\n  x  ",
    "\U0001f600" * 20_000, "k" * 2_000,
]  # fmt: skip


@pytest.mark.parametrize("string", JSON_STRINGS, ids=ascii)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, "\t"])
def test_json_is_read_as_json(string, ascii_only, indent):
    value = {"a": [{"b": string, string: "\\/"}, 1.5, None, True]}
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read(text) == ([value], [])
    assert read(text.replace("/", "\\/")) == ([value], [])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"a\x80": 18446744073709551616}', "QC011"),
        ('{"a\x80": 1, "a\x80": 2}', "QC005"),
        ('{"a": 1, "a": 2}', "QC006"),
        ('{"a\x80": "\\ud800"}', "QC005"),
        ('{"a\x80": NaN}', "QC005"),
        ('{"a\x80":' + "[" * 150 + "]" * 150 + "}", "QC005"),
    ],
)
def test_json_that_cannot_be_taken_as_it_is_is_refused(text, rule):
    _, problems = read_documents(SourceText("a.json", text))
    assert [problem.rule for problem in problems] == [rule]
