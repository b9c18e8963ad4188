"""`qdrantctl drift` as cron meets it: keys, requests, exit codes, formats, the baseline."""

import json
import re

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


def test_it_needs_no_checkout(shop, tmp_path):
    words = ["drift", "-C", str(tmp_path), "--url", shop.node.url, "--owner", "shop/dev"]
    code, told, _ = run_cli(*words)
    assert code == 0
    assert "not compared, there are no manifests here" in told
    shop.by_hand(TUNE)
    code, told, _ = run_cli(*words)
    assert code == 2
    assert "hnsw_config.m : 32 -> 48" in told
    assert told.splitlines()[-1] == (
        f"Drift: shop/dev on {shop.node.url}: 1 changed since applied, 0 not managed."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--owner", "shop"], "is not an owner"),
        (["--owner", "shop/dev", "-f", "x.yaml"], "goes with neither"),
        (["--owner", "shop/dev"], "no server is named"),
        (["--update-baseline"], "needs --baseline"),
        (["--format", "yaml"], "'yaml' is not one of"),
        (["-e", "nope"], "there is no environment"),
    ],
)
def test_wrong_usage(shop, words, said):
    code, _, err = shop.run("drift", *words)
    assert (code, said in err) == (64, True), err


def test_no_project_and_no_owner(tmp_path, empty_qdrant):
    assert run_cli("drift", "--url", empty_qdrant.url, project=tmp_path).code == 64


def test_an_owner_that_the_ledger_does_not_know(shop):
    code, out, _ = shop.run("drift", "--url", shop.node.url, "--owner", "shop/prod")
    assert code == 2
    assert "The ledger on the cluster knows no owner shop/prod: " in out
    assert "the ledger knows nothing of shop/prod; it knows shop/dev" in out
    assert "was applied" not in out


@pytest.mark.parametrize("status", [401, 403, 500])
def test_errors_are_no_empty_world(shop, monkeypatch, status):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.PAUSE", 0.001)

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
    assert "an apply did not finish its update" in report["interrupted"][0]["because"]
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nonsense", "is not a baseline"),
        ("{}", "is not a baseline"),
        ('{"owner": "shop/prod"}', "is of shop/prod, not of shop/dev"),
        ('{"owner": "shop/dev", "format_version": "2.0"}', "Its format is 2.0"),
    ],
)
def test_baselines_that_cannot_be_used(shop, tmp_path, text, said):
    file = tmp_path / "known.json"
    file.write_text(text)
    code, out, err = shop.run("drift", "--baseline", str(file))
    assert (code, out) == (1, "")
    assert said in err


def test_a_baseline_that_cannot_be_written(shop, tmp_path):
    words = ("--baseline", str(tmp_path / "no" / "known.json"), "--update-baseline")
    code, _, err = shop.run("drift", *words)
    assert code == 1
    assert "cannot be written" in err


def test_prometheus(shop):
    shop.by_hand(TUNE, SCRATCH)
    _, out, _ = shop.run("drift", "--format", "prometheus")
    samples = dict(re.findall(r"^(qdrantctl_\S+) (\d+)$", out, re.M))
    owner = 'project="shop",environment="dev"'
    products = f'{owner},block="changed",address="collection/products"'
    assert samples[f"qdrantctl_drift{{{owner}}}"] == "1"
    assert samples[f'qdrantctl_drift_resources{{{owner},block="changed"}}'] == "1"
    assert samples[f'qdrantctl_drift_resources{{{owner},block="unmanaged"}}'] == "1"
    assert samples[f"qdrantctl_drift_changes{{{products}}}"] == "1"
    assert samples[f"qdrantctl_recorded_resources{{{owner}}}"] == "3"
    assert samples[f"qdrantctl_ledger_lost{{{owner}}}"] == "0"


def test_markdown_is_cut_where_it_must(shop):
    shop.by_hand(TUNE, SCRATCH)
    _, whole, _ = shop.run("drift", "--format", "markdown")
    assert whole.startswith("<!-- qdrantctl drift project=shop environment=dev -->\n### Drift: ")
    _, cut, _ = shop.run("drift", "--format", "markdown", "--max-bytes", "300")
    assert len(cut.encode()) <= 300
    assert "`qdrantctl drift` shows all" in cut
