"""The names of the package keep the bounds of docs/STYLE.md."""

from __future__ import annotations

import pytest

from tools.name_statistics import count_names


@pytest.mark.slow
def test_most_functions_are_verb_and_object_and_a_name_has_one_meaning(tmp_path):
    counts = count_names()
    assert counts.functions > 1000
    assert counts.one_word <= 0.5 * counts.functions
    assert counts.shared <= 0.05 * counts.definitions, counts.most_shared


def test_what_is_counted(tmp_path):
    (tmp_path / "a.py").write_text("X = 1\ndef read(): ...\ndef read_file(): ...\n")
    (tmp_path / "b.py").write_text("X: int = 2\nclass B:\n    def __init__(self): ...\n")
    counts = count_names(tmp_path)
    assert (counts.functions, counts.one_word) == (2, 1)
    assert (counts.definitions, counts.shared) == (5, 2)
    assert counts.most_shared == (("X", 2),)
