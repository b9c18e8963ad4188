"""Records in which form the engine of Qdrant 1.20 stores what a manifest states.

`python -m tools.engine_forms` installs qdrant-edge-py 0.9.0 into a temporary folder. Its engine is
the one of the server 1.20.0: lib/segment and lib/shard, without REST API and consensus. A payload
index is read from the file in which the engine keeps it, in the JSON that `GET /collections/{name}`
shows. Writes `tests/recorded/qdrant-edge-0.9.0.json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

VERSION = "0.9.0"
RECORDING = Path(__file__).parents[1] / "tests" / "recorded" / f"qdrant-edge-{VERSION}.json"
ENGINE = Path(__file__).parent / "edge_engine.py"

TYPES = ("keyword", "integer", "float", "bool", "geo", "text", "datetime", "uuid")
FIELD = "offers[].field"

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    *((FIELD, {"type": kind, "nested": "offers"}) for kind in TYPES),
    (FIELD, {"type": "float", "nested": "offers[]"}),
    (FIELD, {"type": "float", "nested": '"offers"'}),
    (FIELD, {"type": "integer", "nested": "offers", "is_principal": False}),
    ("shop.offers[].price", {"type": "float", "nested": "shop.offers"}),
    ("offers[].parts[].price", {"type": "float", "nested": "offers"}),
    ('"of fers"[].price', {"type": "float", "nested": '"of fers"'}),
    ("title", {"type": "text", "scoring": True}),
    ("title", {"type": "text", "scoring": False}),
    ("title", {"type": "text", "scoring": {"type": "bm25"}}),
    ("title", {"type": "text", "tokenizer": "code"}),
    ("title", {"type": "text", "min_token_len": 5, "max_token_len": 3}),
    ("title", {"type": "text", "lowercase": False, "stemmer": {"type": "none"}}),
    (FIELD, {"type": "text", "nested": "offers", "scoring": True, "memory": "cold"}),
    ("brand", {"type": "keyword", "prefix": True, "enable_hnsw": False, "memory": "cached"}),
]
"""Fields and schemas as manifests state them."""

REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("offers[].parts[].price", {"type": "float", "nested": "offers[].parts"}),
    ("offers[0].price", {"type": "float", "nested": "offers[0]"}),
    ("offers[][].price", {"type": "float", "nested": "offers[][]"}),
    ("offers[][].price", {"type": "float", "nested": "offers"}),
    ("offers.price", {"type": "float", "nested": "offers"}),
    ("offers[0].price", {"type": "float", "nested": "offers"}),
    ("offers[]", {"type": "keyword", "nested": "offers"}),
    ("other[].price", {"type": "float", "nested": "offers"}),
    ("offersX[].price", {"type": "float", "nested": "offers"}),
    ("shop.offers[].price", {"type": "float", "nested": "offers"}),
    (FIELD, {"type": "keyword", "nested": "offers", "is_tenant": True}),
    (FIELD, {"type": "integer", "nested": "offers", "is_principal": True}),
]

COLLECTIONS: list[dict[str, Any]] = [
    {"vectors": {"v": {"size": 4, "distance": "Dot", "datatype": "turbo8"}}},
    {"vectors": {"v": {"size": 4, "distance": "Cosine", "datatype": "turbo16"}}},
    {"quantization_config": {"turbo": {"bits": "bits8"}}},
    {"id_tracker": {"memory": "cold"}},
    {"id_tracker": {"memory": "cached"}},
    {"id_tracker": {"memory": "pinned"}},
]
"""Settings of a collection; the engine calls `id_tracker.memory` `id_tracker_memory`."""

PLACEMENTS: list[str | None] = [None, "pinned", "cold", "cached", "cached", None, "pinned", None]
"""What `id_tracker.memory` is set to, one after the other, on an indexed collection."""


def main() -> None:
    """Ask the engine about each case, and write what it says."""
    cases = {
        "indexes": [{"field_name": f, "field_schema": s} for f, s in (*ACCEPTED, *REFUSED)],
        "collections": COLLECTIONS,
        "id_tracker": PLACEMENTS,
    }
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        command += ["--no-deps", "--only-binary=:all:", "--target", folder]
        subprocess.run([*command, f"qdrant-edge-py=={VERSION}"], check=True)
        answer = subprocess.run(
            [sys.executable, str(ENGINE)],
            check=True,
            capture_output=True,
            text=True,
            input=json.dumps(cases),
            env={**os.environ, "PYTHONPATH": folder},
        ).stdout
    recording = {
        "package": f"qdrant-edge-py {VERSION}",
        "engine": "1.20.0",
        "recorded": datetime.now(UTC).date().isoformat(),
        "command": "python -m tools.engine_forms",
    }
    RECORDING.parent.mkdir(exist_ok=True)
    text = json.dumps(recording | json.loads(answer), indent=1, ensure_ascii=False)
    RECORDING.write_text(text + "\n")
    print(f"wrote {RECORDING}")


if __name__ == "__main__":
    main()
