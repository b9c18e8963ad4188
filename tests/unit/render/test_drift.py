"""Drift reports in every format, plain and odd ones."""

from __future__ import annotations

import json as plain_json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdrantctl.model.drift import Drift, DriftedField, DriftedResource, DriftKind, LastApply
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.render import json, markdown, prometheus, text
from qdrantctl.render.shared.style import Style
from tests.support.plans import SERVER, names, origins, quickly, values, words

fields = st.builds(
    DriftedField,
    path=st.lists(words | st.integers(0, 9), min_size=1, max_size=3).map(tuple),
    before=values, now=values, because=st.just("") | words, origin=origins, known=st.booleans(),
)  # fmt: skip
moved = st.builds(
    DriftedResource,
    address=words.map("collection/{}".format),
    what=st.sampled_from(list(DriftKind)),
    because=st.just("") | words,
    fields=st.lists(fields, max_size=3).map(tuple),
    applied=st.just(ABSENT) | st.builds(LastApply, when=words, who=words, commit=words),
    known=st.booleans(),
)
blocks = st.lists(moved, max_size=3).map(tuple)
drifts = st.builds(
    Drift,
    qdrantctl_version=st.just("0"), project=names, environment=names, server=st.just(SERVER),
    recorded=st.integers(0, 9), lost=st.booleans(), strict=st.booleans(), changed=blocks,
    not_applied=st.just(ABSENT) | blocks, unmanaged=blocks, interrupted=blocks,
    notes=st.lists(words, max_size=2).map(tuple),
)  # fmt: skip

LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(rf"(qdrantctl_[a-z_]+)\{{{LABEL}(?:,{LABEL})*\}} \d+")
ABOUT = re.compile(r"# (HELP|TYPE) (qdrantctl_[a-z_]+) (.+)")


def assert_harmless(found: str) -> None:
    assert [char for char in found if not char.isprintable() and char != "\n"] == []
    assert found.endswith("\n")


@pytest.mark.slow
@quickly
@given(drifts)
def test_every_format_is_harmless_and_counts_alike(made):
    whole = text.drift(made)
    assert_harmless(whole)
    last = whole.splitlines()[-1]
    assert last.startswith(("Drift: " if made.has_drift else "No drift: ") + made.owner)
    assert_harmless(re.sub(r"\x1b\[[0-9;]*m", "", text.drift(made, Style(colour=True))))
    told = markdown.drift(made, Style(max_bytes=10**9))
    assert_harmless(told)
    assert last.rpartition(": ")[2] in told.splitlines()[1]
    document = plain_json.loads(json.drift(made))
    assert document["drift"] is made.has_drift
    assert ("not_applied" in document) is (made.not_applied is not ABSENT)


@pytest.mark.slow
@quickly
@given(drifts)
def test_prometheus_is_what_its_format_allows(made):
    found = prometheus.drift(made)
    assert_harmless(found)
    described: list[str] = []
    seen: set[str] = set()
    for line in found.splitlines():
        if about := ABOUT.fullmatch(line):
            assert about[1] == "HELP" or about[3] == "gauge"
            described += [about[2]] if about[1] == "HELP" else []
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        assert sample[1] == described[-1], "samples stand under their own HELP"
        seen.add(line)
    assert len(described) == len(set(described))


def test_samples_of_one_metric_are_told_apart():
    twice = tuple(
        DriftedResource(address=f"collection/{name}", what=DriftKind.GONE) for name in ("a", 'b"\\')
    )
    made = Drift(
        qdrantctl_version="0", project="shop", environment="prod", server=SERVER, recorded=2,
        lost=False, strict=False, changed=twice,
    )  # fmt: skip
    lines = [line for line in prometheus.drift(made).splitlines() if "address=" in line]
    owner = 'project="shop",environment="prod",block="changed"'
    assert lines == [
        f'qdrantctl_drift_changes{{{owner},address="collection/a"}} 1',
        f'qdrantctl_drift_changes{{{owner},address="collection/b\\"\\\\"}} 1',
    ]
    assert "not_applied" not in prometheus.drift(made)
