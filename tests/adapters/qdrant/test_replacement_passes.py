"""Passes between two collections of a real server, while an application writes."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.points.opening import Form, open_point_store
from qdrantctl.engine.replacement.changes import make_patch
from qdrantctl.flows.replacement.passes import ranges
from qdrantctl.flows.replacement.passes.carry_over import carry_over_keys
from qdrantctl.flows.replacement.passes.catch_up import catch_up
from qdrantctl.flows.replacement.passes.context import PassContext, ServerConversion, StorePair
from qdrantctl.flows.replacement.passes.fill import fill_collection
from qdrantctl.flows.replacement.passes.sweep import sweep
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.points import Point, PointKey
from tests.support.servers import Node

COUNT = 3000


@pytest.fixture
def endpoint(empty_qdrant: Node) -> Endpoint:
    for name in ("old", "new"):
        vectors = {"size": 4, "distance": "Dot"}
        ask(empty_qdrant, "PUT", f"/collections/{name}", {"vectors": vectors})
    return Endpoint(empty_qdrant.url, grpc_port=empty_qdrant.grpc_port)


def open_context(
    endpoint: Endpoint, folder: Path, form: Form = "wire", *, is_identity: bool = True
) -> PassContext:
    def open_pair(shard_key: Any) -> StorePair:
        return StorePair(
            *(open_point_store(endpoint, name, shard_key, form) for name in ("old", "new"))
        )

    conversion = ServerConversion(is_identity=is_identity)
    return PassContext("r1", open_pair, conversion, "live", folder / "digests")


def ask(node: Node, method: str, path: str, body: Any = None) -> Any:
    status, answer = node.request(method, path, body)
    assert status == 200, answer
    return answer["result"]


def upsert(node: Node, name: str, first: int, count: int, value: int = 0) -> None:
    points = [
        {"id": number, "vector": [number, value, 0, 1], "payload": {"n": number, "value": value}}
        for number in range(first, first + count)
    ]
    ask(node, "PUT", f"/collections/{name}/points?wait=true", {"points": points})


def read_all(node: Node, name: str) -> dict[Any, Any]:
    body = {"limit": 100_000, "with_vector": True}
    points = ask(node, "POST", f"/collections/{name}/points/scroll", body)["points"]
    return {point["id"]: (point["vector"], point["payload"]) for point in points}


class Writer:
    """An application that upserts, changes and deletes points, and remembers what it did."""

    def __init__(self, node: Node, name: str, seed: int, model: dict[int, Any]) -> None:
        self.node, self.name, self.model = node, name, model
        self.random = random.Random(seed)
        self.changed: set[int] = set()
        self.step = seed * 1_000_000

    def write(self) -> None:
        number, self.step = self.random.randrange(COUNT * 2), self.step + 1
        path, verb = f"/collections/{self.name}/points", self.random.choice("uuds")
        if verb == "u":
            upsert(self.node, self.name, number, 1, self.step)
            self.model[number] = {"n": number, "value": self.step}
        elif verb == "d":
            ask(self.node, "POST", f"{path}/delete?wait=true", {"points": [number]})
            self.model.pop(number, None)
        else:
            body = {"payload": {"s": self.step}, "filter": {"must": [{"has_id": [number]}]}}
            ask(self.node, "POST", f"{path}/payload?wait=true", body)
            if number in self.model:
                self.model[number] = {**self.model[number], "s": self.step}
        self.changed.add(number)

    @contextmanager
    def keep_writing(self) -> Iterator[None]:
        ended = threading.Event()

        def write_all() -> None:
            while not ended.is_set():
                self.write()

        thread = threading.Thread(target=write_all)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@pytest.mark.parametrize("is_identity", [True, False], ids=["copy", "converted"])
@pytest.mark.parametrize("form", ["wire", "json"])
def test_a_live_application_loses_no_write(
    endpoint, empty_qdrant, tmp_path, monkeypatch, form, is_identity
):
    monkeypatch.setattr(ranges, "SAMPLE", 400)
    upsert(empty_qdrant, "old", 0, COUNT)
    model = {number: {"n": number, "value": 0} for number in range(COUNT)}
    context = open_context(endpoint, tmp_path, form, is_identity=is_identity)
    before, after = Writer(empty_qdrant, "old", 1, model), Writer(empty_qdrant, "new", 2, model)
    with before.keep_writing():
        assert fill_collection(context, {}) >= COUNT * 0.8
        while catch_up(context) > 50:
            pass
    for _ in range(40):
        before.write()
    carry_over_keys(context)
    with after.keep_writing():
        result = sweep(context)
    clean = 0
    while clean < 2:
        result = sweep(context)
        clean = 0 if result.differences else clean + 1
    conflicts = {key.value for key in result.conflicts}
    assert conflicts <= before.changed & after.changed
    actual = {number: payload for number, (_, payload) in read_all(empty_qdrant, "new").items()}
    for side in (actual, model):
        for number in conflicts:
            side.pop(number, None)
    assert actual == model


def test_an_interrupted_fill_continues_where_it_was(endpoint, empty_qdrant, tmp_path):
    upsert(empty_qdrant, "old", 0, COUNT)
    saved: list[Any] = [{}]
    pages: list[int] = []
    context = replace(
        open_context(endpoint, tmp_path, is_identity=False),
        save_cursors=saved.append,
        report_progress=pages.append,
        is_cancelled=lambda: bool(pages and pages[-1] >= 100),
    )
    with pytest.raises(QdrantctlError, match="interrupted"):
        fill_collection(context, {})
    assert 0 < len(read_all(empty_qdrant, "new")) < COUNT
    written = sum(cursor["written"] for cursor in saved[-1]["null"])
    assert written >= 100
    pages.clear()
    context = replace(context, is_cancelled=lambda: False)
    assert fill_collection(context, saved[-1]) == COUNT
    assert pages[-1] == COUNT
    assert read_all(empty_qdrant, "new") == read_all(empty_qdrant, "old")
    assert catch_up(context) == 0
    # Without its digest files nothing is known of what was converted.
    for file in context.folder.iterdir():
        file.unlink()
    assert fill_collection(context, saved[-1]) == COUNT
    assert catch_up(context) == 0


def test_equal_ids_of_different_shard_keys_are_different_points(endpoint, empty_qdrant, tmp_path):
    for name in ("old", "new"):
        path = f"/collections/{name}"
        ask(empty_qdrant, "DELETE", path)
        body = {"vectors": {"size": 1, "distance": "Dot"}, "sharding_method": "custom"}
        ask(empty_qdrant, "PUT", path, body)
        for key in ("1", 1):
            ask(empty_qdrant, "PUT", f"{path}/shards", {"shard_key": key})
    for key in ("1", 1):
        points = [{"id": 7, "vector": [1.0], "payload": {"key": key}}]
        body = {"points": points, "shard_key": key}
        ask(empty_qdrant, "PUT", "/collections/old/points?wait=true", body)
    context = replace(open_context(endpoint, tmp_path), shard_keys=("1", 1))
    assert fill_collection(context, {}) == 2
    assert catch_up(context) == 0
    for key in ("1", 1):
        body = {"ids": [7], "shard_key": key, "with_payload": True}
        points = ask(empty_qdrant, "POST", "/collections/new/points", body)
        assert [point["payload"] for point in points] == [{"key": key}]


@pytest.mark.parametrize("form", ["wire", "json"])
def test_a_change_of_marked_points_neither_inserts_nor_undoes(endpoint, empty_qdrant, form):
    ask(empty_qdrant, "DELETE", "/collections/new")
    vector = {"size": 2, "distance": "Dot"}
    ask(empty_qdrant, "PUT", "/collections/new", {"vectors": {"a": vector, "b": vector}})
    store = open_point_store(endpoint, "new", None, form)
    before = {"x": 1, "gone": [1], "a key": 1}
    after: dict[str, Any] = {"x": {"y": None}, "nothing": None}
    old, new = {"a": [1.0, 1.0], "b": [1.0, 1.0]}, {"a": [2.0, 1.0]}
    keys = [PointKey(False, number) for number in range(5)]
    points = [Point(key, before, old) for key in keys]
    store.upsert_points([store.encode_point(point) for point in points])
    store.mark_points([*keys, PointKey(False, 99)], "m")
    path = "/collections/new/points"
    ask(empty_qdrant, "POST", f"{path}/delete?wait=true", {"points": [0, 4]})
    other = {"id": 1, "vector": {"a": [7, 7]}, "payload": {}}
    ask(empty_qdrant, "PUT", f"{path}?wait=true", {"points": [other]})
    body = {"payload": {"partial": 1}, "points": [2]}
    ask(empty_qdrant, "POST", f"{path}/payload?wait=true", body)
    simple = make_patch(points[2], Point(keys[2], {"x": 2, "a key": 1}, new))
    patches = [make_patch(point, Point(point.key, after, new)) for point in points]
    store.patch_points([*patches[:2], simple, *patches[3:]], if_marked="m")
    store.unmark_points(keys)
    assert read_all(empty_qdrant, "new") == {
        1: ({"a": [7.0, 7.0]}, {}),
        2: (new, {"x": 2, "a key": 1, "partial": 1}),
        3: (new, after),
    }
    store.close()
