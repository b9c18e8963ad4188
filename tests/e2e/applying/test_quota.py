"""The quota: applied, seen to drift, deleted, and what an exceeded one keeps an apply from doing.

Only Qdrant 1.19 and newer has one: the tests of the first class need such a server. Those of the
second say by a proxy before the server what 1.19.0 answers about quotas, and run with any.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.model.server import Version
from tests.support.project import VECTORS, Project, asked, record, upsert
from tests.support.proxy import answer, proxied
from tests.support.servers import Node

SOME = {"enabled": True, "max_disk_usage_percent": 99}
LOW = {"enabled": True, "max_disk_usage_percent": 1}
NONE = {"enabled": False}
PRODUCTS = {"vectors": VECTORS, "payload_indexes": {"tag": "keyword"}}


def states(shop: Project, *, quota: Any = None, **collections: Any) -> None:
    """Only these resources from now on."""
    shop.states(collections)
    if quota:
        manifest = {"apiVersion": "qdrantctl/v1", "kind": "Quota", "metadata": {"name": "cluster"}}
        text = json.dumps(manifest | {"spec": quota})
        (shop.folder / "manifests" / "quota.yaml").write_text(text + "\n")
    else:
        (shop.folder / "manifests" / "quota.yaml").unlink(missing_ok=True)


class TestServer:
    """On a server that has quotas."""

    @pytest.fixture
    def node(self, fresh_qdrant: Callable[..., Node], tmp_path: Path) -> Iterator[Node]:
        """A standalone server on a disk of which more than 1% is in use."""
        storage = {"QDRANT__STORAGE__STORAGE_PATH": str(tmp_path / "storage")}
        node = fresh_qdrant(cluster=False, environ=storage)
        version = node.request("GET", "/")[1]["version"]
        if Version.parse(version) < Version(1, 19, 0):
            pytest.skip(f"quotas came with Qdrant 1.19.0, and this is {version}")
        yield node
        assert node.request("PUT", "/quotas?wait=true", NONE)[0] == 200

    @pytest.fixture
    def shop(self, tmp_path: Path) -> Project:
        return Project(tmp_path / "shop")

    def quota(self, node: Node) -> Any:
        return asked(node, "GET", "/quotas")["config"]

    def test_it_is_applied_changed_unset_and_deleted(self, node, shop):
        states(shop, quota=SOME | {"max_resident_memory_percent": 90}, products=PRODUCTS)
        shop.done(node)
        assert self.quota(node) == SOME | {"max_resident_memory_percent": 90}
        states(shop, quota=SOME | {"release_margin_percent": 0}, products=PRODUCTS)
        shop.done(node)
        assert self.quota(node) == SOME | {"release_margin_percent": 0}
        shown = shop.run(node, "show", "quota/cluster", "--format", "json").document
        assert shown["live"] == shown["recorded"] == SOME | {"release_margin_percent": 0}
        [usage] = shown["usage"]
        assert usage["disk_percent"] > 0
        assert not usage["exceeded"]
        states(shop, products=PRODUCTS)
        assert shop.apply(node, "--fail-on-loosening").code == 3
        shop.done(node)
        assert self.quota(node) == NONE
        assert record(node, "quota/cluster")["deleted"]

    def test_drift_is_seen_and_an_existing_one_is_imported(self, node, shop):
        states(shop, quota=SOME, products=PRODUCTS)
        shop.done(node)
        asked(node, "PUT", "/quotas?wait=true", SOME | {"max_disk_usage_percent": 98})
        drift = shop.run(node, "drift", "--format", "json")
        assert drift.code == 2
        [changed] = drift.document["changed"]
        assert [field["path"] for field in changed["fields"]] == [["max_disk_usage_percent"]]
        printed = shop.run(node, "import", "quota/cluster", "--out", "-")
        assert "max_disk_usage_percent: 98" in printed.out
        updated = shop.run(node, "import", "--update", "quota/cluster")
        assert updated.code == 0, updated.err
        shop.done(node)
        assert self.quota(node) == SOME | {"max_disk_usage_percent": 98}

    def test_an_exceeded_one_is_told_first_and_can_be_raised(self, node, shop):
        states(shop, quota=SOME)
        shop.done(node)
        asked(node, "PUT", "/quotas?wait=true", LOW)
        states(shop, products=PRODUCTS)
        assert shop.run(node, "plan").out.index("QC243")
        plan = shop.plan(node, "--exclude", "quota/cluster")
        assert "max_disk_usage_percent is 1" in plan.message("QC243")
        assert shop.apply(node, "--exclude", "quota/cluster").code == 3
        assert asked(node, "GET", "/collections")["collections"] == [{"name": "_qdrantctl"}]
        states(shop, quota=SOME, products=PRODUCTS)
        shop.done(node)
        assert self.quota(node) == SOME
        assert record(node, "quota/cluster")["spec"] == SOME

    def test_one_that_would_be_exceeded_at_once_is_refused(self, node, shop):
        states(shop, quota=LOW, products=PRODUCTS)
        assert "QC243" in shop.plan(node).rules
        assert shop.apply(node).code == 3
        assert self.quota(node) == NONE

    def test_it_is_read_again_before_the_first_change(self, node, shop):
        states(shop, products=PRODUCTS)
        shop.done(node)
        states(shop, products=PRODUCTS | {"payload_indexes": {"tag": "keyword", "b": "keyword"}})

        def lower(_: int, head: bytes) -> None:
            if head.startswith(
                b"PUT /collections/_qdrantctl_lease"
            ):  # the lease, after the first plan
                asked(node, "PUT", "/quotas?wait=true", LOW)

        with proxied(node.http_port, lower) as proxy:
            shown = shop.apply(proxy.url)
        assert shown.code == 3, shown.out + shown.err
        schema = asked(node, "GET", "/collections/products")["payload_schema"]
        assert schema.keys() == {"tag"}
        assert "pending" not in record(node, "collection/products")

    def test_a_limit_on_memory_is_told_where_it_cannot_be_reached(self, node, shop):
        states(shop, quota={"enabled": True, "max_resident_memory_percent": 95})
        system = asked(node, "GET", "/telemetry?details_level=2")["app"]["system"]
        assert ("QC244" in shop.plan(node).rules) is (system["ram_size"] > 2**40)

    def test_a_rebuild_is_told_with_its_size(self, node, shop):
        states(shop, products=PRODUCTS)
        shop.done(node)
        upsert(node, "products")
        shown = shop.run(node, "show", "collection/products")
        assert "bytes on disk" in shown.out
        states(shop, products=PRODUCTS | {"hnsw_config": {"m": 32}})
        size = asked(node, "GET", "/collections/products/memory")["total"]["disk_bytes"]
        assert shop.plan(node).change("collection/products")["disk_bytes"] == size
        assert f"rewrites up to {size:,} bytes" in shop.run(node, "plan").out
        shop.done(node)


class QuotaOf119:
    """What Qdrant 1.19.0 answers about its version and quota, before a server of any version."""

    def __init__(self, disk: int, **config: Any) -> None:
        self.disk, self.config = disk, config or NONE
        self.next_config: Any = None
        """What the next PUT sets: a proxy here does not see the body."""

    def __call__(self, _: int, head: bytes) -> bytes | None:
        request = head.split(b" HTTP", 1)[0]
        if request == b"GET /":
            return answer(200, json.dumps({"title": "qdrant", "version": "1.19.0"}).encode())
        if request.startswith(b"PUT /quotas"):
            self.config = self.next_config
            return self.result(True)
        if request == b"GET /quotas":
            usage = {"resident_memory_percent": 0, "disk_usage_percent": self.disk}
            peers = {"1": usage | {"exceeded": self.is_exceeded}}
            return self.result({"config": self.config, "usage": usage, "peers": peers})
        refused = b"/points" in request and request.startswith(b"PUT") and self.is_exceeded
        error = b'{"status":{"error":"Insufficient storage: Disk usage"},"time":0.1}'
        return answer(507, error) if refused else None

    @property
    def is_exceeded(self) -> bool:
        limit = self.config.get("max_disk_usage_percent", 101)
        return bool(self.config["enabled"]) and self.disk >= limit

    def result(self, value: Any) -> bytes:
        return answer(200, json.dumps({"result": value, "status": "ok", "time": 0.1}).encode())


class TestProxy:
    """Answers of 1.19.0 about quotas, everything else on the server that runs."""

    @pytest.fixture(autouse=True)
    def requests_for_the_server(self, monkeypatch):
        """Without `timeout`, which 1.16.3 refuses."""
        monkeypatch.setattr("qdrantctl.model.step._TAKES_TIMEOUT", Version(99, 0, 0))

    def test_an_exceeded_quota_is_raised_and_recorded_afterwards(self, empty_qdrant, tmp_path):
        shop, server = Project(tmp_path), QuotaOf119(73)
        with proxied(empty_qdrant.http_port, server) as proxy:
            states(shop, quota=SOME)
            server.next_config = SOME
            shop.done(proxy.url)
            server.config = LOW
            states(shop, quota=SOME, products={"vectors": VECTORS})
            proxy.requests.clear()
            shop.done(proxy.url)
            sent = [line.split()[1].partition("?")[0] for line in proxy.requests
                    if line.startswith("PUT ")]  # fmt: skip
        writes = [path for path in sent if "_qdrantctl_lease" not in path]
        assert writes[:2] == ["/quotas", "/collections/_qdrantctl/points"]
        assert "/collections/products" in writes

    def test_the_quota_is_read_again_before_the_first_change(self, empty_qdrant, tmp_path):
        shop, server = Project(tmp_path), QuotaOf119(73)

        def lower(number: int, head: bytes) -> bytes | None:
            if head.startswith(b"PUT /collections/_qdrantctl_lease"):  # after the first plan
                server.config = LOW
            return server(number, head)

        with proxied(empty_qdrant.http_port, lower) as proxy:
            shop.states({"products": {"vectors": VECTORS}})
            shown = shop.apply(proxy.url)
            assert shown.code == 3, shown.out + shown.err
        assert empty_qdrant.request("GET", "/collections")[1]["result"]["collections"] == []

    def test_an_exceeded_quota_blocks_what_cannot_be_recorded(self, empty_qdrant, tmp_path):
        shop, server = Project(tmp_path), QuotaOf119(73)
        with proxied(empty_qdrant.http_port, server) as proxy:
            shop.states({"products": {"vectors": VECTORS}})
            shop.done(proxy.url)
            server.config = LOW
            shop.states({name: {"vectors": VECTORS} for name in ("products", "reviews")})
            plan = shop.plan(proxy.url)
            assert plan.document["violations"][0]["rule"] == "QC243"
            assert "collection/reviews cannot be applied" in plan.message("QC243")
            assert plan.document["unmanaged"] == ["quota/cluster"]
            assert shop.apply(proxy.url).code == 3
            imported = shop.run(proxy.url, "import", "quota/cluster", "--out", "-")
            assert "max_disk_usage_percent: 1" in imported.out
        assert empty_qdrant.request("GET", "/collections/reviews")[0] == 404
