"""What apply does with fields that were changed on the cluster: revert, keep or refuse."""

import json

import pytest

from tests.e2e.drift.conftest import MANIFEST, told

PRODUCTS = "/collections/products"
TUNE = ("PATCH", PRODUCTS, {"hnsw_config": {"m": 48}})


def says(shop, words: str) -> None:
    file = shop.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("CLUSTER_URL}}", f"CLUSTER_URL}}, {words}}}"))


def m(shop) -> int:
    config = shop.node.request("GET", PRODUCTS)[1]["result"]["config"]
    return config["hnsw_config"]["m"]


def planned(shop, *words):
    code, out, _ = shop.run("plan", "--format", "json", *words)
    assert code == 0
    return json.loads(out)


def products(plan):
    return next(c for c in plan["changes"] if c["address"] == "collection/products")


def test_revert_is_the_default(shop):
    shop.by_hand(TUNE)
    shop.apply()
    assert m(shop) == 32


@pytest.mark.parametrize("words", ["on_drift: refuse", "protected: true"])
def test_refuse_names_both_ways_out(shop, words):
    says(shop, words)
    shop.by_hand(TUNE)
    code, out, _ = shop.run("plan", "--detailed-exitcode")
    assert code == 3
    assert "error[QC212]" in out
    assert "hnsw_config.m: 32 -> 48" in out
    assert "apply --revert-drift collection/products" in out
    assert "import --update collection/products" in out
    assert shop.run("apply", "--auto-approve")[0] == 3
    assert m(shop) == 48
    shop.apply("--revert-drift", "collection/*")
    assert m(shop) == 32
    assert shop.drift("--unmanaged")[0] == 0


def test_refuse_lets_edits_pass(shop):
    says(shop, "on_drift: refuse")
    shop.state(MANIFEST.replace("m: 32", "m: 64"))
    shop.apply()
    assert m(shop) == 64


def test_refuse_and_an_edit_of_the_same_field(shop):
    says(shop, "on_drift: refuse")
    shop.by_hand(TUNE)
    shop.state(MANIFEST.replace("m: 32", "m: 64"))
    code, _, _ = shop.run("apply", "--auto-approve")
    assert (code, m(shop)) == (3, 48)
    shop.state(MANIFEST.replace("m: 32", "m: 48"))
    shop.apply()
    assert shop.drift("--unmanaged")[0] == 0


def test_refuse_what_was_deleted(shop):
    says(shop, "on_drift: refuse")
    shop.by_hand(("DELETE", "/collections/reviews"))
    code, out, _ = shop.run("plan", "--detailed-exitcode")
    assert code == 3
    assert "collection/reviews was deleted outside qdrantctl" in out
    shop.apply("--revert-drift", "collection/reviews")
    assert shop.drift("--unmanaged")[0] == 0


def test_keep_leaves_it_and_keeps_the_record(shop):
    says(shop, "on_drift: keep")
    shop.by_hand(TUNE)
    plan = planned(shop)
    change = products(plan)
    assert (change["action"], change["fields"], change["steps"]) == ("noop", [], [])
    assert change["because"] == "hnsw_config.m: changed outside qdrantctl, on_drift: keep"
    (note,) = plan["violations"]
    assert (note["rule"], note["severity"]) == ("QC213", "note")
    assert shop.run("plan", "--detailed-exitcode")[0] == 0

    shop.state(MANIFEST.replace("max_query_limit: 100", "max_query_limit: 200"))
    kept, edited = products(planned(shop))["fields"]
    assert (kept["path"], kept["effect"]) == (["hnsw_config", "m"], "kept")
    assert kept["because"] == "changed outside qdrantctl, on_drift: keep"
    assert (edited["live"], edited["desired"]) == (100, 200)
    _, out, _ = shop.run("plan")
    assert "m" in out
    assert ": stays 48" in out
    assert "changed outside qdrantctl, on_drift: keep; was 32" in out
    shop.apply()
    assert m(shop) == 48
    code, report = shop.drift()
    assert code == 2
    assert told(report["changed"]) == {"collection/products": {"hnsw_config.m": (32, 48)}}
    shop.apply("--revert-drift", "collection/products")
    assert m(shop) == 32
    assert shop.drift("--unmanaged")[0] == 0


def test_keep_and_an_edit_of_the_same_field(shop):
    """What the manifest asks by now was not applied, so the record does not say it."""
    says(shop, "on_drift: keep")
    shop.by_hand(TUNE)
    shop.state(MANIFEST.replace("m: 32", "m: 64"))
    assert shop.run("plan", "--detailed-exitcode")[0] == 0
    shop.state(MANIFEST.replace("m: 32", "m: 64").replace("owner: search", "owner: ads"))
    shop.apply()
    assert m(shop) == 48
    _, report = shop.drift()
    assert told(report["changed"]) == {"collection/products": {"hnsw_config.m": (32, 48)}}
    assert told(report["not_applied"]) == {"collection/products": {"hnsw_config.m": (32, 64)}}
    assert shop.run("plan", "--detailed-exitcode")[0] == 0


def test_keep_makes_what_was_deleted_again(shop):
    says(shop, "on_drift: keep")
    shop.by_hand(("DELETE", "/collections/reviews"))
    shop.apply()
    assert shop.drift("--unmanaged")[0] == 0


@pytest.mark.parametrize("mode", ["keep", "refuse"])
def test_a_saved_plan_does_what_it_says(shop, tmp_path, mode):
    says(shop, f"on_drift: {mode}")
    shop.by_hand(TUNE)
    file = tmp_path / "plan.json"
    words = ("--out", str(file))
    assert shop.run("plan", *words, "--revert-drift", "collection/products")[0] == 0
    code, out, err = shop.run("apply", str(file))
    assert (code, m(shop)) == (0, 32), out + err


def test_a_saved_plan_keeps_what_it_says(shop, tmp_path):
    says(shop, "on_drift: keep")
    shop.by_hand(TUNE)
    shop.state(MANIFEST.replace("m: 32", "m: 64").replace("owner: search", "owner: ads"))
    file = tmp_path / "plan.json"
    assert shop.run("plan", "--out", str(file))[0] == 0
    code, out, err = shop.run("apply", str(file))
    assert (code, m(shop)) == (0, 48), out + err


def test_a_saved_plan_takes_no_such_flag(shop, tmp_path):
    words = (str(tmp_path / "plan.json"), "--revert-drift", "collection/products")
    code, _, err = shop.run("apply", *words)
    assert (code, "--revert-drift shapes a plan" in err) == (64, True)


def test_a_flag_that_names_nothing_sensible(shop):
    assert shop.run("plan", "--revert-drift", "nonsense")[0] == 64
