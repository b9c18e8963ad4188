"""Deprecated fields are named from the version on that deprecates them."""

from __future__ import annotations

import pytest

from qdrantctl.engine.deprecations import find_deprecations
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.server import UNKNOWN, Version
from qdrantctl.model.violation import Severity
from tests.support.states import desired

STATED = desired(
    "collection/products",
    vectors={"size": 4, "distance": "Dot", "on_disk": True, "hnsw_config": {"on_disk": False}},
    sparse_vectors={"bm25": {"index": {"on_disk": False}}},
    on_disk_payload=True,
    quantization_config={"scalar": {"type": "int8", "always_ram": True}},
    payload_indexes={"brand": {"type": "keyword", "on_disk": True}, "color": "keyword"},
    strict_mode_config={"max_resident_memory_percent": 80, "max_timeout": 5},
)


@pytest.mark.parametrize("version", [UNKNOWN, Version(1, 16, 3), Version(1, 18, 3)])
def test_nothing_is_deprecated_before(version):
    assert list(find_deprecations(STATED, COLLECTION, version)) == []


@pytest.mark.parametrize("version", [Version(1, 19, 0), Version(1, 20, 0)])
def test_each_field_says_what_to_write_instead(version):
    notes = list(find_deprecations(STATED, COLLECTION, version))
    assert {note.severity for note in notes} == {Severity.NOTE}
    advice = {".".join(map(str, n.path)): n.hint.partition(",")[0] for n in notes}
    assert advice == {
        "vectors..on_disk": "Write memory: cold for true",
        "vectors..hnsw_config.on_disk": "Write memory: cold for true",
        "sparse_vectors.bm25.index.on_disk": "Write memory: cold for true",
        "on_disk_payload": "Write payload: {memory: cold} for true",
        "quantization_config.scalar.always_ram": "Write memory: pinned for true",
        "payload_indexes.brand.on_disk": "Write memory: cold for true",
        "strict_mode_config.max_resident_memory_percent": "Memory is shared by all collections of "
        "a node: limit it with a quota of the node (PUT /quotas). Qdrant plans to remove this "
        "limit in 1.21.",
    }
