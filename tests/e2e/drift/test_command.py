"""`qdrantctl drift` as cron meets it: keys, requests, exit codes, formats, the baseline."""

import json

import pytest

from tests.e2e.drift.conftest import MANIFEST, project, told
from tests.support.cli import run_cli
from tests.support.proxy import answer, proxied

PRODUCTS = "/collections/products"
TUNE = ("PATCH", PRODUCTS, {"hnsw_config": {"m": 48}})
SCRATCH = ("PUT", "/collections/scratch", {})


def test_it_only_reads(shop, monkeypatch):
    shop.by_hand(TUNE, SCRATCH)
    with proxied(shop.node.http_port, lambda *_: None) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        assert shop.run("drift", "--unmanaged")[0] == 2
    others = [line for line in proxy.requests if not line.startswith("GET ")]
    assert [line.split()[1].partition("?")[0] for line in others] == [
        "/collections/_qdrantctl/points/scroll"
    ]


def test_a_read_only_key_is_enough(tmp_path, fresh_qdrant, monkeypatch):
    environ = {"QDRANT__SERVICE__READ_ONLY_API_KEY": "read-only-key-1"}
    node = fresh_qdrant(api_key="all-powerful-1", environ=environ)
    shop = project(tmp_path / "shop", node, monkeypatch)
    file = shop.folder / "qdrantctl.yaml"
    keyed = "{url: {env: CLUSTER_URL}, api_key: {env: CLUSTER_KEY}}"
    file.write_text(file.read_text().replace("{url: {env: CLUSTER_URL}}", keyed))
    monkeypatch.setenv("CLUSTER_KEY", "all-powerful-1")
    shop.apply()
    monkeypatch.setenv("CLUSTER_KEY", "read-only-key-1")
    assert shop.drift("--unmanaged")[0] == 0
    shop.by_hand(TUNE)
    assert shop.drift()[0] == 2
    monkeypatch.setenv("QDRANT_API_KEY", "read-only-key-1")
    monkeypatch.setenv("QDRANT_URL", node.url)
    shown = run_cli("drift", "--owner", "shop/dev", project=tmp_path)
    assert shown.code == 2
    assert "read-only-key-1" not in shown.out + shown.err


@pytest.mark.parametrize("status", [401, 403, 500])
def test_errors_are_no_empty_world(shop, monkeypatch, status):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.RETRY_PAUSE", 0.001)

    def refuse(_: int, head: bytes) -> bytes | None:
        return answer(status, b'{"status":{"error":"no"}}') if b"scroll" in head else None

    with proxied(shop.node.http_port, refuse) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        code, out, err = shop.run("drift")
    assert (code, out) == (1, "")
    assert "Error" in err


def test_an_interrupted_apply_is_not_drift(shop, monkeypatch):
    """The second request of the change fails, so its record stays open; it may be finished."""
    file = shop.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("CLUSTER_URL}}", "CLUSTER_URL}, on_drift: refuse}"))
    shop.state(MANIFEST.replace("m: 32", "m: 48").replace("brand: keyword", "brand: text"))

    def fail(_: int, head: bytes) -> bytes | None:
        broken = b"PUT /collections/products/index" in head
        return answer(400, b'{"status":{"error":"no"}}') if broken else None

    with proxied(shop.node.http_port, fail) as proxy:
        monkeypatch.setenv("CLUSTER_URL", proxy.url)
        assert shop.run("apply", "--auto-approve")[0] == 6
    monkeypatch.setenv("CLUSTER_URL", shop.node.url)
    code, report = shop.drift("--unmanaged")
    assert (code, report["changed"], report["unmanaged"]) == (0, [], [])
    assert told(report["interrupted"]) == {"collection/products": "interrupted"}
    assert "an apply was interrupted during its update" in report["interrupted"][0]["because"]
    plan = json.loads(shop.run("plan", "--format", "json")[1])
    causes = {f["cause"] for change in plan["changes"] for f in change["fields"]}
    assert causes == {"edit"}
    shop.apply()
    assert shop.drift("--unmanaged")[0] == 0


def test_the_baseline_keeps_quiet_about_what_is_known(shop, tmp_path):
    shop.by_hand(TUNE, SCRATCH, ("PATCH", PRODUCTS, {"metadata": {"password": "canary-9"}}))
    file = tmp_path / "known.json"
    words = ("--unmanaged", "--baseline", str(file))
    code, _, err = shop.run("drift", *words)
    assert code == 1
    assert "--update-baseline writes it" in err
    assert shop.run("drift", *words, "--update-baseline")[0] == 0
    first = file.read_bytes()
    assert b"canary-9" not in first
    assert shop.run("drift", *words, "--update-baseline")[0] == 0
    assert file.read_bytes() == first
    assert list(tmp_path.glob("known.json*")) == [file]
    known = json.loads(first)
    assert [(k["address"], k["path"]) for k in known["known"]] == [
        ("collection/products", ["hnsw_config", "m"]),
        ("collection/products", ["metadata", "password"]),
        ("collection/scratch", []),
    ]
    code, report = shop.drift(*words)
    assert (code, report["summary"]["known"]) == (0, 3)
    assert report["changed"][0]["fields"][0]["known"] is True

    shop.by_hand(("PATCH", PRODUCTS, {"hnsw_config": {"m": 49}}))
    code, report = shop.drift(*words)
    assert (code, report["summary"]["changed"]) == (2, 1)
    shop.by_hand(TUNE, ("PATCH", PRODUCTS, {"strict_mode_config": {"max_query_limit": 7}}))
    code, report = shop.drift(*words)
    assert code == 2
    assert [f["known"] for f in report["changed"][0]["fields"]] == [True, False]


def test_markdown_is_cut_where_it_must(shop):
    shop.by_hand(TUNE, SCRATCH)
    _, whole, _ = shop.run("drift", "--format", "markdown")
    assert whole.startswith("<!-- qdrantctl drift project=shop environment=dev -->\n### Drift: ")
    _, cut, _ = shop.run("drift", "--format", "markdown", "--max-bytes", "300")
    assert len(cut.encode()) <= 300
    assert "`qdrantctl drift` shows all" in cut
