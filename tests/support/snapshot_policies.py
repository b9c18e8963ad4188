"""A project with snapshot policies, and what its destinations hold."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from tests.support.project import VECTORS, Project, asked, record
from tests.support.servers import Node

PRODUCTS = {
    "vectors": VECTORS,
    "payload_indexes": {"brand": "keyword"},
    "hnsw_config": {"m": 20},
    "read_fan_out_factor": 2,  # no server takes it from a snapshot
}
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


def sets(folder: Path) -> list[Path]:
    """The folders of sets that are whole, the oldest first."""
    return sorted(file.parent for file in folder.rglob("set.json"))


def stray(folder: Path) -> list[Path]:
    """Files of sets that are not whole."""
    whole = sets(folder)
    return [file for file in folder.rglob("*") if file.is_file() and file.parent not in whole]


def ledger_sets(node: Node, name: str = "nightly") -> dict[str, Any]:
    """What the ledger tells of a policy's sets on the cluster."""
    return record(node, f"snapshot_sets/shop/dev/{name}")["files"]


def backdate_ledger(node: Node, days: float) -> None:
    """The same of the sets on the cluster."""
    ledger_holds(node, {name: _older(about, days) for name, about in ledger_sets(node).items()})


def ledger_holds(node: Node, held: dict[str, Any], name: str = "nightly") -> None:
    """Have the ledger tell so of a policy's sets on the cluster."""
    ledger_tells(node, f"snapshot_sets/shop/dev/{name}", {"files": held})


def ledger_tells(node: Node, address: str, payload: dict[str, Any]) -> None:
    """Have the ledger's entry of an address hold these values, too."""
    body = {"payload": payload, "points": [ledger_point_id(address)]}
    asked(node, "POST", "/collections/_qdrantctl/points/payload?wait=true", body)


def _older(about: dict[str, Any], days: float) -> dict[str, Any]:
    for word in ("scheduled", "taken"):
        when = datetime.fromisoformat(about[word]) - timedelta(days=days)
        about[word] = when.isoformat()
    return about


def backdate(folder: Path, days: float) -> None:
    """Have every set of a folder look as if it had been taken so long ago."""
    for file in (*folder.rglob("set.json"), *folder.rglob("begun.json")):
        file.write_text(json.dumps(_older(json.loads(file.read_text()), days)))
