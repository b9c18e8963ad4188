"""Every field of a collection, and an alias: what the plan says against what the server does.

Each row of the table lives through: set at creation; and on another collection with points: set,
changed, dropped, set again, dropped again. Every state is planned, applied, and ends in an empty
plan. A field without a row fails.
"""

from __future__ import annotations

from typing import Any

import pytest

from qdrantctl.kinds.catalog import KINDS
from qdrantctl.model.change import Action
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import ABSENT, Effect, FieldRule
from qdrantctl.model.server import Version
from qdrantctl.model.spec import field_tree_of
from qdrantctl.model.step import Call, list_calls
from tests.conformance.api import illegal
from tests.conformance.bench import Bench, bench, change_of, told
from tests.conformance.evidence import NOTHING, Seen, ask, fill, look
from tests.conformance.places import SHAPE, index_fields, pattern, patterns
from tests.conformance.rows import HERE, PLAIN, ROWS, Row
from tests.support.servers import server_version

NEWER = [row for row in ROWS if row.since]
ADDRESS = "collection/grown"


def test_every_field_has_a_row():
    rows = {pattern(row.path) for row in ROWS}
    quantized = {("quantization_config", kind) for kind in ("scalar", "product", "binary", "turbo")}
    told_by_parent = {path for path in patterns(SHAPE) if path[-2:] in quantized}
    assert patterns(SHAPE) - told_by_parent == rows
    indexes = {
        (row.path[1].partition("[]")[0], *row.path[2:])
        for row in ROWS
        if row.path[0] == "payload_indexes"
    }
    assert index_fields() == indexes


def undescribed(calls: list[Call]) -> list[str]:
    """What of the requests the API of the server that runs does not describe."""
    return [words for call in calls for words in illegal(call, str(server_version()))]


def manifest(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Collection", "name": name, "spec": spec}


def rule_of(row: Row) -> FieldRule:
    """The rule that speaks of a drop: a map's own for its keys, else the field's."""
    met = [SHAPE, *SHAPE.walk(row.path)]
    return met[-2].rule if met[-2].entries is not None else met[-1].rule


@pytest.fixture
def here(qdrant):
    HERE[:] = [ask(qdrant, "GET", "/cluster")["peer_id"]]


def bounds(row: Row) -> list[pytest.MarkDecorator]:
    """The servers that a row's life is lived on."""
    marks = [pytest.mark.since(row.since, "the field is newer")] if row.since else []
    return marks + ([pytest.mark.until(row.until, "the field ended")] if row.until else [])


@pytest.mark.parametrize("row", [pytest.param(row, id=str(row), marks=bounds(row)) for row in ROWS])
def test_life(row, qdrant, here, tmp_path, request):
    allowed = (f"replace {ADDRESS}", f"delete {ADDRESS}")  # from 1.19 on a vector is made again
    with bench(qdrant, tmp_path, request.node.name, *allowed) as on:
        try:
            live(row, on)
        finally:
            on.clear("made", "grown")


def live(row: Row, on: Bench) -> None:
    made = manifest("made", row.spec(row.first))
    on.state(made, manifest("grown", row.base if row.required else row.spec()))
    on.settle()
    assert means(row, look(on.node, "made", row.path).value, row.first)
    fill(on.node, "grown")
    for value in (row.first, row.second, None, row.first, None):
        on.state(made, manifest("grown", row.spec(value)))
        if value is None and row.required:
            with pytest.raises(ManifestError):
                on.plan()
            continue
        before = look(on.node, "grown", row.path)
        planned = on.plan()
        change = change_of(planned, ADDRESS)
        effect = max((f.effect for f in change.fields), default=Effect.SAME)
        assert all(f.path[: len(row.path)] == row.path[: len(f.path)] for f in change.fields)
        if effect is Effect.REFUSED:
            assert not change.steps
            assert not planned.plan.is_applicable
        else:
            on.settle()
        after = look(on.node, "grown", row.path)
        compare(row, value, effect, before, after)
        if after.uuid != before.uuid:
            fill(on.node, "grown")
    assert undescribed(on.sent) == []


def compare(row: Row, value: Any, effect: Effect, before: Seen, after: Seen) -> None:
    """What the plan named against what the server did."""
    if effect is Effect.REPLACE:
        assert after.uuid != before.uuid
        assert after.points == 0
        return
    assert after.uuid == before.uuid
    assert after.points == before.points
    assert before.points or before.value == "custom", "without a shard key nothing can be stored"
    if effect in (Effect.KEPT, Effect.SAME, Effect.REFUSED):
        assert after == before
        assert value is None or effect is Effect.REFUSED or means(row, after.value, value)
        if value is None and row.path[0] == "strict_mode_config":
            assert rule_of(row).normalize(before.value) is ABSENT, "a cap that is dropped is lifted"
        return
    if value is None:
        assert after.value is NOTHING or rule_of(row).normalize(after.value) is ABSENT
    else:
        assert means(row, after.value, value)
    if row.path[0] == "payload_indexes":
        assert after.segments == before.segments
        assert (after.indexes - before.indexes != set()) is (effect is Effect.REBUILD)
    elif row.path[0] == "shard_keys":
        assert after.segments != before.segments
        assert after.segments >= before.segments or before.segments >= after.segments
    else:
        assert (after.segments == before.segments) is (effect is Effect.UPDATE)


def means(row: Row, shown: Any, stated: Any) -> bool:
    """Whether GET shows what was stated, in the server's own spelling."""
    if isinstance(stated, str) and row.path[0] in ("payload_indexes", "shard_keys"):
        spelled = {"en": "english"}.get(stated, stated)
        return shown in (spelled, {"languages": [spelled]}) or spelled in _values(shown)
    if isinstance(stated, int) and row.path[0] == "shard_keys" and isinstance(shown, dict):
        return bool(shown["key"] == stated)
    if isinstance(stated, float) and row.path[-1] == "quantile":
        return abs(shown - stated) < 1e-7
    if isinstance(stated, list):
        spelled = {"en": "english", "es": "spanish"}
        return shown == sorted({spelled.get(word, word) for word in stated})
    if isinstance(stated, dict):
        return isinstance(shown, dict) and all(
            shown.get(key) is inner is None or means(row, shown.get(key), inner)
            for key, inner in stated.items()
        )
    return bool(shown == stated) or (stated == "auto" and shown is NOTHING)


def _values(shown: Any) -> list[Any]:
    return list(shown.values()) if isinstance(shown, dict) else []


def before(version: str) -> str:
    """A version that came just before."""
    major, minor, patch = Version.parse(version)
    return f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}.99"


@pytest.mark.parametrize("row", NEWER, ids=str)
def test_newer_fields_are_refused_with_the_version_they_need(row, qdrant, tmp_path, request):
    with bench(qdrant, tmp_path, request.node.name, f"replace {ADDRESS}") as on:
        on.state(manifest("grown", row.base if row.required else row.spec()))
        try:
            versions = [before(row.since)]
            if server_version() >= Version.parse(row.since):
                on.settle()
            elif (
                on.plan().plan.is_applicable
            ):  # else the field stands in a section that is newer too
                on.settle()
                versions.append("")
            on.state(manifest("grown", row.spec(row.first)))
            for version in versions:
                change = change_of(on.plan(version), ADDRESS)
                assert change.action is Action.REFUSED
                assert not change.steps
                assert row.since in change.because
                assert f"this server is {version or server_version()}" in change.because
            planned = on.plan(row.since)
            assert planned.plan.is_applicable, told(planned)
            sent = list_calls(change_of(planned, ADDRESS).steps)
            assert sent
            assert [words for call in sent for words in illegal(call, row.since)] == []
            if row.until:
                change = change_of(on.plan("1.19.0"), ADDRESS)
                assert change.action is Action.REFUSED
                assert f"ended with Qdrant {row.until}" in change.because
        finally:
            on.clear("grown")


def since(row: Row) -> str:
    """The version that the field needs, and what is stated below it."""
    met = list(SHAPE.walk(row.path))
    below = row.first if isinstance(row.first, dict) else {}
    gates = [shape.rule.gate.since for shape in met]
    gates += [shape.rule.gate.since for name, shape in met[-1].fields.items() if name in below]
    return max(filter(None, gates), key=Version.parse, default="")


GATED = [row for row in ROWS if since(row) and not row.since]


@pytest.mark.parametrize("row", GATED, ids=str)
def test_older_servers_are_told_which_version_a_field_needs(row, qdrant, here, tmp_path, request):
    needed = since(row)
    with bench(qdrant, tmp_path, request.node.name) as on:
        on.state(manifest("grown", row.spec(row.first)))
        change = change_of(on.plan(before(needed)), ADDRESS)
        assert change.action is Action.REFUSED
        assert f"needs Qdrant {needed} or newer" in change.because
        planned = on.plan(needed)
        assert planned.plan.is_applicable, told(planned)
        sent = list_calls(change_of(planned, ADDRESS).steps)
        assert [words for call in sent for words in illegal(call, needed)] == []


@pytest.mark.parametrize("kind", ["vectors", "sparse_vectors"])
def test_vector_names_come_in_place_from_1_18_and_go_from_1_19_on(kind, qdrant, tmp_path, request):
    row = next(row for row in ROWS if row.path == (kind, "x"))
    with bench(qdrant, tmp_path, request.node.name) as on:
        try:
            on.state(manifest("grown", row.spec()))
            on.settle()
            on.state(manifest("grown", row.spec(row.second)))
            assert change_of(on.plan("1.16.3"), ADDRESS).action is Action.REPLACE
            assert change_of(on.plan("1.17.1"), ADDRESS).action is Action.REPLACE
            change = change_of(on.plan("1.18.0"), ADDRESS)
            assert change.action is Action.UPDATE
            sent = list_calls(change.steps)
            assert (sent[0].method, sent[0].path) == ("PUT", "/collections/grown/vectors/x")
            assert [words for call in sent for words in illegal(call, "1.18.0")] == []
            on.clear("grown")
            on.settle()
            on.state(manifest("grown", row.spec()))
            assert change_of(on.plan("1.16.3"), ADDRESS).action is Action.REPLACE
            assert change_of(on.plan("1.18.3"), ADDRESS).action is Action.REFUSED
            (call,) = list_calls(change_of(on.plan("1.19.0"), ADDRESS).steps)
            assert (call.method, call.path) == ("DELETE", "/collections/grown/vectors/x")
        finally:
            on.clear("grown")


def test_an_alias_moves_and_its_collections_stay(qdrant, tmp_path, request):
    one, two = manifest("made", PLAIN), manifest("grown", PLAIN)
    with bench(qdrant, tmp_path, request.node.name, "alias alias/live") as on:
        try:
            targets = ["made", "grown", None, "made"]
            for target in targets:
                alias = {"kind": "Alias", "name": "live", "spec": {"collection": target}}
                on.state(one, two, *([alias] if target else []))
                planned = on.settle()
                effects = [f.effect for f in change_of(planned, "alias/live").fields]
                assert set(effects) <= {Effect.UPDATE}
                found = {a["alias_name"]: a["collection_name"]
                         for a in ask(qdrant, "GET", "/aliases")["aliases"]}  # fmt: skip
                assert found.get("live") == target
            assert [
                words for call in on.sent for words in illegal(call, str(server_version()))
            ] == []
            (kind,) = [kind for kind in KINDS if kind.name == "alias"]
            assert set(field_tree_of(kind.spec).fields) == {"collection"}
        finally:
            on.clear("made", "grown")
