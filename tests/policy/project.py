"""A project with snapshot policies, and what its destinations hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.flows.project import VECTORS, Project

PRODUCTS = {"vectors": VECTORS, "payload_indexes": {"brand": "keyword"}, "hnsw_config": {"m": 20}}
NIGHTLY = "snapshot_policy/nightly"


def policy(destination: str | Path | list[str], **words: Any) -> dict[str, Any]:
    """The spec of a policy of all collections."""
    where = f"file://{destination}" if isinstance(destination, Path) else destination
    spec = {"collections": ["*"], "schedule": "0 3 * * *", "retention": {"keep_last": 2}}
    return {**spec, "destination": where, **words}


class Shop(Project):
    """A project with the collection products and some policies."""

    def keeps(self, policies: dict[str, Any], collections: dict[str, Any] | None = None) -> None:
        self.states({"products": PRODUCTS} if collections is None else collections)
        documents = [
            {"apiVersion": "qdrantctl/v1", "kind": "SnapshotPolicy",
             "metadata": {"name": name}, "spec": spec}
            for name, spec in policies.items()
        ]  # fmt: skip
        text = "\n---\n".join(map(json.dumps, documents))
        (self.folder / "manifests" / "policies.yaml").write_text(text)
