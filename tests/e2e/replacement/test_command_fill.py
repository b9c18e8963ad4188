"""A fill command between real collections, over both protocols."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.points.opening import open_point_store
from qdrantctl.flows.replacement.command_fill import open_command_fill
from qdrantctl.model.points import KeyRange, PointKey
from qdrantctl.model.replacement import ReplacementSettings
from tests.support.servers import Node

UUID = "0b6b4fbc-52a4-4ee5-9f2b-8e7d1ae3c001"
SPEC = {
    "vectors": {
        "": {"size": 3, "distance": "Dot"},
        "colbert": {
            "size": 2,
            "distance": "Dot",
            "multivector_config": {"comparator": "max_sim"},
        },
    },
    "sparse_vectors": {"bm25": {}},
}
SCRIPT = """
import json, sys
for line in sys.stdin:
    if line.strip():
        point = json.loads(line)
        length = len(point["payload"]["text"])
        vectors = {"": [*point["vectors"][""], length], "colbert": [[1, 2], [3, length]],
                   "bm25": {"indices": [length], "values": [0.5]}}
        print(json.dumps({"id": point["id"], "vectors": vectors}), flush=True)
"""


@pytest.mark.parametrize("form", ["json", "wire"])
def test_points_go_through_the_command(empty_qdrant: Node, tmp_path: Path, form: Any):
    node = empty_qdrant
    texts = {1: "a", 2**64 - 1: "bb", UUID: "ccc"}
    points = [
        {"id": i, "vector": [0.25, 0.5], "payload": {"text": text, "tags": [None, {"é": 1}]}}
        for i, text in texts.items()
    ]
    for path, body in (
        ("old", {"vectors": {"size": 2, "distance": "Dot"}}),
        ("new", SPEC),
        ("old/points?wait=true", {"points": points}),
    ):
        assert node.request("PUT", f"/collections/{path}", body)[0] == 200
    endpoint = Endpoint(node.url, grpc_port=node.grpc_port)
    source, target = (open_point_store(endpoint, name, None, form) for name in ("old", "new"))
    argv = [sys.executable, "-c", SCRIPT]
    settings = ReplacementSettings(fill="command", command=argv, text_fields=["text"])
    fill = open_command_fill(settings, SPEC, tmp_path, os.environ)
    (page,) = source.read_points(KeyRange())
    target.upsert_points(fill.convert(page, source, target))
    assert not fill.unconverted
    keys = [PointKey.parse(i) for i in texts]
    for key, raw, expected in zip(keys, target.fetch_points(keys), points, strict=True):
        point, length = target.decode_point(raw), len(texts[key.point_id])
        assert (point.key, point.payload) == (key, expected["payload"])
        assert point.vectors[""] == [0.25, 0.5, length]
        assert point.vectors["colbert"] == [[1, 2], [3, length]]
        assert point.vectors["bm25"] == {"indices": [length], "values": [0.5]}
    fill.close()
    # Another field changes: the vectors are kept, and the command is not asked.
    point = source.decode_point(page[0])
    changed = source.encode_point(replace(point, payload={**point.payload, "tags": []}))
    silent = open_command_fill(
        settings.model_copy(update={"command": ["false"]}), SPEC, tmp_path, os.environ
    )
    target.upsert_points(silent.convert([changed], source, target))
    (raw,) = target.fetch_points(keys[:1])
    assert target.decode_point(raw).payload["tags"] == []
    assert target.decode_point(raw).vectors[""] == [0.25, 0.5, 1]
    for store in (source, target):
        store.close()
