"""Reading, comparing and writing points on a real server, in both forms."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.points import sending
from qdrantctl.adapters.qdrant.points.opening import choose_form, open_point_store, reads_alike
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.points import KeyRange, Point, PointKey, PointPatch
from qdrantctl.model.replacement import MARK
from qdrantctl.model.step import collection_path
from tests.support.servers import API_KEY, free_port

UUID = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26"
PAYLOAD = {"n": {"b": [1, {"y": None, "x": 2.5}], "a": "ü2"}, "": False, "big": -(2**63)}
VECTORS = {
    "dense": [0.6, 0.8],
    "bytes": [1.0, 255.0],
    "half": [0.5, 0.25],
    "rows": [[1.0, 2.0], [3.0, 4.0]],
    "sparse": {"indices": [3, 900], "values": [0.5, 0.25]},
}
SHAPE = {
    "vectors": {
        "dense": {"size": 2, "distance": "Cosine"},
        "bytes": {"size": 2, "distance": "Dot", "datatype": "uint8"},
        "half": {"size": 2, "distance": "Dot", "datatype": "float16"},
        "rows": {
            "size": 2,
            "distance": "Dot",
            "multivector_config": {"comparator": "max_sim"},
        },
    },
    "sparse_vectors": {"sparse": {}},
}
UNNAMED = {"vectors": {"size": 2, "distance": "Dot"}}
NAME = "a b%ü"


@pytest.fixture(params=["wire", "json"])
def form(request):
    return request.param


@pytest.fixture
def endpoint(empty_qdrant):
    return Endpoint(url=empty_qdrant.url, grpc_port=empty_qdrant.grpc_port, timeout=20)


@contextmanager
def opened(node, endpoint, form, shape=None, *, name=NAME, shard_key=None):
    """A store of a collection that is made if it has a shape."""
    if shape:
        assert node.request("PUT", collection_path(name), shape)[0] == 200
    store = open_point_store(endpoint, name, shard_key, form)
    try:
        yield store
    finally:
        store.close()


def keys_of(*ids):
    return [PointKey.parse(point_id) for point_id in ids]


def simple_points(store, count, payload=None):
    make = store.encode_point
    return [
        make(Point(PointKey(False, n), payload or {"n": n}, {"": [1.0, n]})) for n in range(count)
    ]


def decoded(store, keys):
    return [store.decode_point(point) for point in store.fetch_points(keys)]


def test_a_copy_is_equal(empty_qdrant, endpoint, form):
    ids = (0, 2**64 - 1, UUID, 7)
    with (
        opened(empty_qdrant, endpoint, form, SHAPE, name="old") as old,
        opened(empty_qdrant, endpoint, form, SHAPE, name="new") as new,
    ):
        whole, bare, one, other = keys_of(*ids)
        old.upsert_points(
            [
                old.encode_point(Point(whole, PAYLOAD, VECTORS)),
                old.encode_point(Point(bare, {}, {})),
                old.encode_point(Point(one, {"x": 1}, {"sparse": VECTORS["sparse"]})),
                old.encode_point(Point(other, {}, {"dense": [0.6, 0.8]})),
            ]
        )
        for page in old.read_points(KeyRange()):
            new.upsert_points(page)
        in_order = [whole, other, bare, one]
        assert [key for keys in new.read_keys(KeyRange()) for key in keys] == in_order
        points = [list(store.fetch_points(in_order)) for store in (old, new)]
        assert [old.key_of(point) for point in points[0]] == in_order
        for before, after in zip(*points, strict=True):
            assert old.digest_of(before) == new.digest_of(after)
        found = new.decode_point(points[1][0])
        assert found.payload == PAYLOAD
        assert found.vectors.keys() == VECTORS.keys()
        assert found.vectors["rows"] == VECTORS["rows"]
        assert found.vectors["dense"] == pytest.approx([0.6, 0.8])
        assert old.count_points() == 4
        assert set(old.sample_keys(9)) == set(in_order)
        assert len(old.sample_keys(2)) == 2


def test_ranges_and_caps(empty_qdrant, endpoint, form):
    """Pages and parts become as small as strict mode demands, without being told."""
    with opened(empty_qdrant, endpoint, form, UNNAMED) as store:
        points = simple_points(store, 100)
        caps = {"enabled": True, "max_query_limit": 7, "upsert_max_batchsize": 6,
                "condition_max_size": 5, "search_allow_exact": False}  # fmt: skip
        path = collection_path(NAME)
        empty_qdrant.request("PATCH", path, {"strict_mode_config": caps})
        store.upsert_points(points)
        keys = KeyRange(PointKey(False, 10), PointKey(False, 30))
        pages = list(store.read_points(keys))
        assert max(map(len, pages)) <= 7
        assert [store.key_of(p).value for page in pages for p in page] == [*range(10, 30)]
        assert sum(map(len, store.read_keys(keys))) == 20
        assert store.count_points() == 100
        assert len(store.sample_keys(20)) == 20
        store.mark_points(keys_of(*range(20)), "m")
        store.delete_points(keys_of(*range(20)), if_marked="m")
        assert store.count_points() == 80
        empty_qdrant.request("PATCH", path, {"strict_mode_config": {"write_rate_limit": 40}})
        store.upsert_points(points[:30])


def test_marks(empty_qdrant, endpoint, form):
    with opened(empty_qdrant, endpoint, form, UNNAMED) as store:
        store.upsert_points(simple_points(store, 3, {"v": 1}))
        one, two, three, absent = keys = keys_of(0, 1, 2, 3)
        digest = store.digest_of(store.fetch_points([one])[0])
        store.mark_points([one, two, absent], "m")
        assert store.digest_of(store.fetch_points([one])[0]) == digest
        store.upsert_points(simple_points(store, 1, {"v": 2}))  # as a writer does
        was = {"v": 1}
        patches = [
            PointPatch(key, {"": [9.0, 9.0]}, (), {"v": 3}, payload_before=was) for key in keys
        ]
        store.patch_points(patches, if_marked="m")
        assert [p.payload for p in decoded(store, keys)] == [
            {"v": 2},
            {"v": 3, MARK: "m"},
            {"v": 1},
        ]
        assert [p.vectors[""][0] for p in decoded(store, keys)] == [1.0, 9.0, 1.0]
        was = {"v": 3}
        patches = [
            PointPatch(key, {}, (), {"w": 4}, replaces_payload=True, payload_before=was)
            for key in keys
        ]
        store.patch_points(patches, if_marked="m")
        assert [p.payload for p in decoded(store, keys)] == [
            {"v": 2},
            {"w": 4, MARK: "m"},
            {"v": 1},
        ]
        store.upsert_points(simple_points(store, 5, {"v": 4}), insert_only=True)
        assert [p.payload.get("v") for p in decoded(store, keys_of(0, 1, 4))] == [2, None, 4]
        store.mark_points([two, three], "m")
        store.unmark_points([two])
        store.delete_points([one, two, three], if_marked="m")
        assert [p.key for p in decoded(store, [one, two, three])] == [one, two]
        store.mark_points([one], "m")
        store.unmark_points()
        assert all(MARK not in p.payload for p in decoded(store, [one, two]))


VALUES = (0, 7, -1.5, 2.0, 2**62, "text", "", True, None, [], ["a", 1], {"b": {"c.d": [1]}})


def test_a_payload_key_that_changed_since_stays(empty_qdrant, endpoint, form):
    """Of every type: it is set while it is as it was read, and left alone otherwise."""
    with opened(empty_qdrant, endpoint, form, UNNAMED) as store:
        names = [f"k{number}" for number in range(len(VALUES))]
        now = dict(zip(names, VALUES, strict=True)) | {"a key": 1, "gone": [{"x": 1}]}
        store.upsert_points(simple_points(store, 2, now))
        keys = keys_of(0, 1)
        was = decoded(store, keys)[0].payload
        store.mark_points(keys, "m")
        new = dict.fromkeys((*names, "a key", "added"), "new")
        other = dict.fromkeys(was, "other") | {"added": "other"}
        stale = PointPatch(keys[1], {}, (), new, ("gone",), payload_before=other)
        patch = PointPatch(keys[0], {}, (), new, ("gone",), payload_before=was)
        store.patch_points([patch, stale], if_marked="m")
        store.unmark_points(keys)
        changed, kept = (point.payload for point in decoded(store, keys))
        assert changed == new
        assert kept == was


def test_a_concurrent_write_wins(empty_qdrant, endpoint, form):
    """Whether a point is still marked is decided when a write is carried out."""
    with (
        opened(empty_qdrant, endpoint, form, UNNAMED) as store,
        opened(empty_qdrant, endpoint, form) as writer,
    ):
        keys = keys_of(*range(20))
        store.upsert_points(simple_points(store, 20, {"v": "old"}))
        stale = [
            PointPatch(key, {"": [0.0, 0.0]}, (), {"v": "stale"}, replaces_payload=True)
            for key in keys
        ]
        for number in range(30):
            store.mark_points(keys, "m")
            written = [[p] for p in simple_points(writer, 20, {"v": number})]
            with ThreadPoolExecutor() as thread:
                writes = thread.submit(lambda parts=written: [*map(writer.upsert_points, parts)])
                if number % 2:
                    store.delete_points(keys, if_marked="m")
                else:
                    store.patch_points(stale, if_marked="m")
                writes.result(60)
            found = decoded(store, keys)
            assert [p.payload for p in found] == [{"v": number}] * 20
            assert [p.vectors[""][0] for p in found] == [1.0] * 20


def test_shard_keys(empty_qdrant, endpoint, form):
    shape = UNNAMED | {"sharding_method": "custom"}
    path = "/collections/sharded"
    empty_qdrant.request("PUT", path, shape)
    for key in (7, "7"):
        assert empty_qdrant.request("PUT", f"{path}/shards", {"shard_key": key})[0] == 200
    with (
        opened(empty_qdrant, endpoint, form, name="sharded", shard_key=7) as number,
        opened(empty_qdrant, endpoint, form, name="sharded", shard_key="7") as text,
    ):
        number.upsert_points(simple_points(number, 5))
        text.upsert_points(simple_points(text, 3))
        for page in number.read_points(KeyRange()):
            text.upsert_points(page)
        text.delete_points(keys_of(4))
        assert (number.count_points(), text.count_points()) == (5, 4)
        assert (len(number.sample_keys(9)), len(text.sample_keys(9))) == (5, 4)
        assert len(text.fetch_points(keys_of(3, 4))) == 1


def test_refusals_are_explained_without_the_key(fresh_qdrant, form, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE", 1.0)
    node = fresh_qdrant(cluster=False, api_key=API_KEY)
    endpoint = Endpoint(node.url, API_KEY, grpc_port=node.grpc_port)
    failures = []
    for wrong, words in (
        (endpoint, "doesn't exist"),
        (replace(endpoint, api_key=API_KEY[:-1]), "Invalid"),
    ):
        store = open_point_store(wrong, "none", None, form)
        with pytest.raises(ClusterError) as caught:
            next(store.read_points(KeyRange()))
        store.close()
        failures.append(caught.value)
        assert words in caught.value.why
    node.stop()
    store = open_point_store(endpoint, "none", None, form)
    with pytest.raises(ClusterError) as caught:
        store.delete_points(keys_of(1))
    store.close()
    failures.append(caught.value)
    assert [error.status for error in failures] == [404, failures[1].status, 0]
    assert failures[0].not_found
    assert failures[1].status in (401, 403)
    assert API_KEY[:-1] not in "".join(f"{e.what}{e.why}{e.hint}" for e in failures)


def test_a_restart_is_waited_for(fresh_qdrant, form):
    node = fresh_qdrant(cluster=False)
    endpoint = Endpoint(node.url, grpc_port=node.grpc_port)
    with opened(node, endpoint, form, UNNAMED) as store, ThreadPoolExecutor() as thread:
        points = simple_points(store, 10)
        node.stop()
        written = thread.submit(store.upsert_points, points)
        time.sleep(0.5)
        node.start()
        written.result(60)
        assert store.count_points() == 10


def test_grpc_is_chosen_only_where_it_leads_to_the_same_cluster(qdrant, fresh_qdrant):
    endpoint = Endpoint(qdrant.url, grpc_port=qdrant.grpc_port)
    assert choose_form([endpoint, endpoint]) == "wire"
    assert choose_form([Endpoint(qdrant.url)]) == "json"
    assert choose_form([endpoint, replace(endpoint, grpc_port=free_port())]) == "json"
    assert choose_form([replace(endpoint, url=f"{qdrant.url}/below")]) == "json"
    other = fresh_qdrant(cluster=False)
    other.request("PUT", "/collections/other", UNNAMED)
    assert choose_form([replace(endpoint, grpc_port=other.grpc_port)]) == "json"


def test_what_grpc_cannot_express_is_not_read_alike(empty_qdrant):
    node = empty_qdrant
    body = {"vectors": {"a": {"size": 2, "distance": "Dot"}}, "sparse_vectors": {"w": {}}}
    assert node.request("PUT", "/collections/c", body)[0] == 200
    points = [
        {
            "id": number,
            "vector": {"a": [0.1, 0.7], "w": {"indices": [3], "values": [0.3]}},
            "payload": {"n": [1, {"x": None, "y": 1.5}], "t": True},
        }
        for number in range(30)
    ]
    assert node.request("PUT", "/collections/c/points?wait=true", {"points": points})[0] == 200
    endpoint = Endpoint(url=node.url, grpc_port=node.grpc_port)
    assert reads_alike(endpoint, "c", None)
    above = {"payload": {"n": 2**63 + 5}, "points": list(range(30))}
    assert node.request("POST", "/collections/c/points/payload?wait=true", above)[0] == 200
    assert not reads_alike(endpoint, "c", None)
