"""What was written with Qdrant 1.16.3 is read, and means the same, once the server is a newer one.

With QDRANTCTL_QDRANT_BIN a newer program starts on the very folder that 1.16.3 wrote. Without it a
proxy stands for that server: it answers as 1.19.0 was seen to answer for the same collections.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qdrantctl.adapters.local_server.binary import VARIABLE
from tests.support.cli import CommandResult, run_cli
from tests.support.git_repo import Repo, commit_all
from tests.support.project import asked
from tests.support.proxy import answer, proxied
from tests.support.servers import Node, server_folder

pytestmark = pytest.mark.server
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: {env: SHOP_URL}}
"""
MANIFESTS = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors:
    text: {size: 4, distance: Dot, on_disk: true}
    image: {size: 2, distance: Cosine, hnsw_config: {m: 8, on_disk: false}}
  sparse_vectors: {bm25: {modifier: idf, index: {on_disk: false}}}
  hnsw_config: {m: 24}
  on_disk_payload: false
  quantization_config: {scalar: {type: int8, always_ram: true}}
  payload_indexes: {brand: keyword, price: {type: float, on_disk: true}}
  strict_mode_config: {enabled: true, max_timeout: 30}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
---
apiVersion: qdrantctl/v1
kind: SnapshotPolicy
metadata: {name: nightly}
spec:
  collections: [products]
  schedule: "* * * * *"
  retention: {keep_last: 5}
  destination: file://BACKUPS
"""
NAMED = os.environ.get(VARIABLE, "")


def version_of(program: str) -> tuple[int, ...]:
    """The version of a program of Qdrant; (0,) for none."""
    if not program:
        return (0,)
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return tuple(map(int, re.findall(r"\d+", told.stdout)[:3]))


class Shop:
    """The project, and the address of its server."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.backups, self.url = folder / "shop", folder / "backups", ""
        (self.folder / "manifests").mkdir(parents=True)
        self.backups.mkdir()
        (self.folder / "qdrantctl.yaml").write_text(PROJECT)
        text = MANIFESTS.replace("BACKUPS", str(self.backups))
        (self.folder / "manifests" / "all.yaml").write_text(text)
        commit_all(self.folder)

    def run(self, *words: str, code: int = 0) -> CommandResult:
        environ = {"SHOP_URL": self.url, "QDRANTCTL_ACTOR": "ada"}
        result = run_cli(*words, project=self.folder, env=environ)
        assert result.code == code, result.out + result.err
        return result

    def commit(self) -> None:
        Repo(self.folder).git("add", "--all")
        who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        Repo(self.folder).git(*who, "commit", "--quiet", "--message", "More")

    def migrate(self) -> None:
        """Respell the manifests and the committed state, after which nothing is planned."""
        self.commit()
        self.run("migrate", "--to-memory")
        text = (self.folder / "manifests" / "all.yaml").read_text()
        assert "text: {size: 4, distance: Dot, memory: cold}" in text
        for prepare in (lambda: None, lambda: self.run("lock"), self.commit):
            prepare()
            self.run("plan", "--detailed-exitcode")
            assert self.run("drift", "--format", "json").document["drift"] is False

    def apply_and_back_up(self, node: Node) -> None:
        """State, ledger, a saved plan and a snapshot set, as 1.16.3 and a user leave them."""
        self.run("apply", "--auto-approve")
        asked(node, "PUT", "/collections/products/points?wait=true", {"points": [
            {"id": i, "vector": {"text": [1, 0, 0, i], "image": [1, i],
                                 "bm25": {"indices": [i], "values": [1.0]}},
             "payload": {"brand": "a"}} for i in range(1, 41)
        ]})  # fmt: skip
        self.run("snapshots", "run")

    def expect_the_same(self) -> None:
        """No plan follows, and nothing is drift."""
        plan = self.run("plan", "--detailed-exitcode", "--format", "json").document
        assert {c["action"] for c in plan["changes"]} <= {"noop", "run"}
        assert {v["severity"] for v in plan["violations"]} <= {"note", "warning"}
        assert "QC245" in {v["rule"] for v in plan["violations"]}
        assert self.run("drift", "--format", "json").document["drift"] is False
        events = self.run("history", "--format", "json").document["events"]
        assert {event["who"] for event in events} == {"ada"}
        assert self.run("lock", "--check").code == 0


def test_a_newer_program_on_the_folder_that_1_16_3_wrote(tmp_path, monkeypatch):
    if version_of(NAMED) < (1, 19):
        pytest.skip(f"{VARIABLE} names no Qdrant 1.19 or newer")
    shop = Shop(tmp_path)
    with server_folder() as folder:
        node = Node(folder)
        shop.url = node.url
        with monkeypatch.context() as pinned:
            pinned.delenv(VARIABLE)
            node.start()
        assert asked_version(node) == "1.16.3"
        shop.apply_and_back_up(node)
        target = ".".join(map(str, version_of(NAMED)))
        report = shop.run("upgrade-check", "--to", target, "--format", "json", code=2).document
        assert not [f for f in report["findings"] if f["severity"] == "error"]
        node.stop()
        node.start()
        assert asked_version(node) == target
        shop.expect_the_same()
        shop.run("snapshots", "verify")
        words = ("restore", "collection/products", "--from", f"file://{shop.backups}")
        shop.run("snapshots", *words, "--as", "again", "--auto-approve")
        assert asked(node, "POST", "/collections/again/points/count", {})["count"] == 40
        assert set(asked(node, "GET", "/collections/again")["payload_schema"]) == {"brand", "price"}
        shop.migrate()
        node.stop()


@pytest.fixture
def seen_as_1_19(tmp_path, empty_qdrant) -> Iterator[Shop]:
    """The project applied on 1.16.3, and then the same server with the answers of 1.19.0."""
    if asked_version(empty_qdrant) != "1.16.3":
        pytest.skip("the proxy turns answers of 1.16.3 into those of 1.19.0")
    shop = Shop(tmp_path)
    with proxied(empty_qdrant.http_port, quota_of_1_19) as proxy:
        shop.url = proxy.url
        shop.apply_and_back_up(empty_qdrant)
        proxy.change_answer = as_of_1_19
        yield shop


def test_what_1_16_3_wrote_on_a_server_that_answers_as_1_19_0(seen_as_1_19):
    shop = seen_as_1_19
    shop.expect_the_same()
    report = shop.run("upgrade-check", "--to", "1.19.0").out
    assert report.endswith("0 errors, 0 warnings, 1 note.\n")  # of the set, which is older
    shop.migrate()


def quota_of_1_19(_: int, head: bytes) -> bytes | None:
    """The answer that 1.19.0 gives where no quota was set; 1.16.3 does not know the path."""
    if not head.startswith(b"GET /quotas "):
        return None
    usage = {"resident_memory_percent": 1, "disk_usage_percent": 1}
    result = {"config": {"enabled": False}, "usage": usage}
    return answer(200, json.dumps({"result": result, "status": "ok", "time": 0.0}).encode())


def as_of_1_19(answer: bytes) -> bytes:
    """An answer of 1.16.3 with the version and the further keys that 1.19.0 shows."""
    head, _, body = answer.partition(b"\r\n\r\n")
    body = body.replace(b'"version":"1.16.3"', b'"version":"1.19.0"')
    body = re.sub(rb'("max_optimization_threads":\w+)}', rb'\1,"prevent_unoptimized":null}', body)
    body = body.replace(b'"optimizer_status":', b'"update_queue":{"length":0},"optimizer_status":')
    head = re.sub(rb"(?i)content-length: \d+", b"content-length: %d" % len(body), head)
    return head + b"\r\n\r\n" + body


def asked_version(node: Node) -> str:
    return str(node.request("GET", "/")[1]["version"])
