"""Files read part by part mean what they mean when each is read as a whole."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.blocks import BlockReader
from qdrantctl.adapters.yaml.documents import read_documents

PARTS = st.sampled_from(
    [
        *("a: x\n", "b: {y: 2}\n", "c:\n  d: e\n", "i: |\n  text\n", "j: |+\n\n", "a: &x 1\n"),
        *(
            "spec:\n  a: 1\n",
            "spec:\n- a\n",
            "spec: 'q\n",
            "'\n",
            "# c\n",
            "\n",
            "  x: y\n",
            "---\n",
        ),
        *("metadata: {name: a}\n", "metadata: {name: bc}\n", "metadata: {name: true}\n"),
        *("metadata: {name: q}\r\n", "metadata: {name: q }}\n", "metadata: {name: q} #x\n"),
        *("metadata:\n  name: z1\n  labels: {name: q}\n", "metadata: {name: q\n  r}\n"),
        *("metadata:\n  labels: {name: q}\n  name: zz\n", "metadata: name: q\n"),
        *("metadata: |\n  name: q\n", 'metadata: "{name: q}\n"\n', "metadata: [name: q]\n"),
        *("metadata:\n - name: q\n", "metadata:\n  name: q\n    r\n", "metadata: {name: q"),
        *("metadata:\n  name: u\n  name: v\n", "metadata: {x: {name: q}\n}\n"),
        *("metadata:\n  # name: q\n  name: r\n", "metadata:\n  # name: qqqq\n  name: s\n"),
        *("metadata: {a: 'x name: q\n', name: 'u'}\n", "metadata: {a: 'x name: r\n', name: 'u'}\n"),
        *("{", "}", "*x", "\t", "\x85", "%YAML 1.1\n", "? a\n", "metadata :\n", "a:", "é: ü\n"),
    ]
)
TEXTS = st.lists(PARTS, max_size=6).map("".join)
SHARED = BlockReader()
"""Keeps the parts of all examples."""


def paths_of(marks, above=()):
    for step, place in (marks or {}).items():
        yield (*above, step)
        yield from paths_of(place.below, (*above, step))


@settings(max_examples=2000, deadline=None)
@given(TEXTS)
@example("metadata: {name: q\n  r}\n")
@example("# one\n\na: x\nmetadata: {name: long-name}\n")
def test_a_file_means_the_same_in_parts(text):
    page = SourceText("a.yaml", text)
    expected, expected_problems = read_documents(page)
    for reader in (SHARED, BlockReader()):
        documents, problems = reader.read_file(page)
        assert problems == expected_problems
        for document, other in zip(documents, expected, strict=True):
            assert (document.value, document.line) == (other.value, other.line)
            assert [*document.lines_with_keys()] == [*other.lines_with_keys()]
            for path in paths_of(other.marks):
                for key in (True, False):
                    assert document.position_of(path, key=key) == other.position_of(path, key=key)


def test_equal_parts_are_one_value():
    first, second = (
        SHARED.read_file(SourceText("a.yaml", f"metadata: {{name: {name}}}\nspec: {{a: [1]}}\n"))[0]
        for name in ("one", "another")
    )
    assert first[0].value["metadata"] == {"name": "one"}
    assert second[0].value["metadata"] == {"name": "another"}
    assert first[0].value["spec"] is second[0].value["spec"]
