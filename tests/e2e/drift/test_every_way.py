"""Every way in which a cluster drifts, on a real server."""

import shutil

import pytest

from tests.e2e.drift.conftest import MANIFEST, told

PRODUCTS = "/collections/products"
VECTOR = {"size": 4, "distance": "Dot"}
CHANGED = {
    "a tuned parameter": (
        [("PATCH", PRODUCTS, {"hnsw_config": {"m": 48}})],
        {"collection/products": {"hnsw_config.m": (32, 48)}},
    ),
    "a dropped index": (
        [("DELETE", f"{PRODUCTS}/index/brand?wait=true")],
        {"collection/products": {"payload_indexes.brand": ({"type": "keyword"}, None)}},
    ),
    "an index of another type": (
        [("PUT", f"{PRODUCTS}/index?wait=true", {"field_name": "brand", "field_schema": "text"})],
        {"collection/products": {"payload_indexes.brand.type": ("keyword", "text")}},
    ),
    "a moved alias": (
        [("POST", "/collections/aliases", {"actions": [
            {"create_alias": {"alias_name": "live", "collection_name": "reviews"}}]})],
        {"alias/live": {"collection": ("products", "reviews")}},
    ),
    "a deleted collection": ([("DELETE", "/collections/reviews")], {"collection/reviews": "gone"}),
    "a deleted collection and its alias": (
        [("DELETE", PRODUCTS)],
        {"alias/live": "gone", "collection/products": "gone"},
    ),
    "a recreated collection": (
        [("DELETE", "/collections/reviews"), ("PUT", "/collections/reviews", {"vectors": VECTOR})],
        {"collection/reviews": "recreated"},
    ),
    "a recreated one with another vector": (
        [("DELETE", "/collections/reviews"),
         ("PUT", "/collections/reviews", {"vectors": {"size": 8, "distance": "Dot"}})],
        {"collection/reviews": {"vectors..size": (4, 8)}},
    ),
    "a loosened cap": (
        [("PATCH", PRODUCTS, {"strict_mode_config": {"max_query_limit": 10000}})],
        {"collection/products": {"strict_mode_config.max_query_limit": (100, 10000)}},
    ),
    "strict mode switched off": (
        [("PATCH", PRODUCTS, {"strict_mode_config": {"enabled": False}})],
        {"collection/products": {"strict_mode_config.enabled": (True, False)}},
    ),
    "a changed metadata key": (
        [("PATCH", PRODUCTS, {"metadata": {"owner": "ads"}})],
        {"collection/products": {"metadata.owner": ("search", "ads")}},
    ),
}  # fmt: skip
UNMANAGED = {
    "an added index": (
        [("PUT", f"{PRODUCTS}/index?wait=true", {"field_name": "tmp", "field_schema": "bool"})],
        {"collection/products": {"payload_indexes.tmp": (None, {"type": "bool"})}},
    ),
    "an added index where none is stated": (
        [("PUT", "/collections/reviews/index?wait=true",
          {"field_name": "tmp", "field_schema": "bool"})],
        {"collection/reviews": {"payload_indexes.tmp": (None, {"type": "bool"})}},
    ),
    "a new cap": (
        [("PATCH", PRODUCTS, {"strict_mode_config": {"max_timeout": 9}})],
        {"collection/products": {"strict_mode_config.max_timeout": (None, 9)}},
    ),
    "a field that nobody states": (
        [("PATCH", PRODUCTS, {"optimizers_config": {"indexing_threshold": 0}})],
        {"collection/products": {"optimizers_config.indexing_threshold": (10000, 0)}},
    ),
    "quantization that nobody states": (
        [("PATCH", "/collections/reviews", {
            "quantization_config": {"scalar": {"type": "int8"}}})],
        {"collection/reviews": {"quantization_config": (None, {"scalar": {"type": "int8"}})}},
    ),
    "a key of metadata that nobody states": (
        [("PATCH", PRODUCTS, {"metadata": {"team": "ads"}})],
        {"collection/products": {"metadata.team": (None, "ads")}},
    ),
    "a newcomer": (
        [("PUT", "/collections/scratch", {"vectors": VECTOR})],
        {"collection/scratch": "appeared"},
    ),
    "an alias of a newcomer's": (
        [("POST", "/collections/aliases", {"actions": [
            {"create_alias": {"alias_name": "other", "collection_name": "products"}}]})],
        {"alias/other": "appeared"},
    ),
}  # fmt: skip


def parametrized(table):
    return pytest.mark.parametrize(("requests", "expected"), table.values(), ids=table.keys())


@parametrized(CHANGED)
def test_changed_since_it_was_applied(shop, requests, expected):
    shop.by_hand(*requests)
    code, report = shop.drift()
    assert code == 2
    assert told(report["changed"]) == expected
    assert (report["not_applied"], report["unmanaged"]) == ([], [])
    assert report["changed"][0]["applied"]["who"] == "tester"
    alone = shop.drift("--url", shop.node.url, "--owner", "shop/dev")
    assert alone[0] == 2
    assert alone[1]["changed"] == report["changed"]
    assert "not_applied" not in alone[1]

    if shop.run("plan", "--detailed-exitcode")[0] == 2:
        shop.apply()
        assert shop.drift("--unmanaged")[0] == 0


@parametrized(UNMANAGED)
def test_changed_but_not_managed(shop, requests, expected):
    shop.by_hand(*requests)
    code, report = shop.drift()
    assert code == 0
    assert told(report["unmanaged"]) == expected
    assert (report["changed"], report["not_applied"]) == ([], [])
    assert shop.drift("--unmanaged")[0] == 2


def test_merged_but_not_yet_applied(shop):
    new = MANIFEST.replace("m: 32", "m: 48").replace("brand: keyword, ", "")
    shop.state(new.replace("name: live", "name: new"))
    code, report = shop.drift("--unmanaged")
    assert code == 0
    assert report["changed"] == report["unmanaged"] == []
    assert told(report["not_applied"]) == {
        "alias/live": "left",
        "alias/new": "new",
        "collection/products": {
            "hnsw_config.m": (32, 48),
            "payload_indexes.brand": ({"type": "keyword"}, None),
        },
    }
    field = report["not_applied"][2]["fields"][0]
    assert field["origin"] == {"file": "manifests/all.yaml", "line": 6}


def test_a_change_by_hand_that_equals_the_pending_edit(shop):
    shop.by_hand(("PATCH", PRODUCTS, {"hnsw_config": {"m": 48}}))
    shop.state(MANIFEST.replace("m: 32", "m: 48"))
    code, report = shop.drift()
    assert code == 2
    expected = {"collection/products": {"hnsw_config.m": (32, 48)}}
    assert told(report["changed"]) == told(report["not_applied"]) == expected
    assert "as the manifests ask" in report["changed"][0]["fields"][0]["because"]
    assert report["not_applied"][0]["fields"][0]["because"] == "on the cluster already"
    _, plan, _ = shop.run("plan")
    assert "1 to adopt" in plan
    shop.apply()
    assert shop.drift("--unmanaged")[0] == 0


def test_the_ledger_deleted_by_hand(shop):
    shop.by_hand(("DELETE", "/collections/_qdrantctl"))
    state = (shop.folder / "state").rename(shop.folder / "elsewhere")
    code, out, _ = shop.run("drift")
    assert code == 0
    assert "no ledger (_qdrantctl): nothing was ever applied, or it was deleted" in out
    state.rename(shop.folder / "state")
    code, report = shop.drift()
    assert (code, report["lost"]) == (2, True)
    code, out, _ = shop.run("drift")
    assert "Records are missing" in out
    assert out.splitlines()[-1].endswith("the ledger is gone.")
    code, report = shop.drift("--url", shop.node.url, "--owner", "shop/dev")
    assert (code, report["lost"]) == (2, True)


def test_ignored_fields_are_left_out_and_keep_their_record(shop):
    spec = "spec: {vectors: {size: 4, distance: Dot}"
    tuned = f"{spec}, metadata: {{a: 1, b: 1}}, optimizers_config: {{indexing_threshold: 9}}}}"
    ignore = (
        "\nlifecycle:\n  ignore:\n"
        "    - {path: optimizers_config.indexing_threshold, reason: bulk loads}\n"
        "    - {path: metadata.a, reason: a job writes it}\n"
        "    - {path: [payload_indexes, tmp], reason: a job makes it}"
    )
    shop.state(MANIFEST.replace(f"{spec}}}", tuned))
    shop.apply()
    requests = [
        ("PATCH", "/collections/reviews",
         {"optimizers_config": {"indexing_threshold": 0}, "metadata": {"a": 2}}),
        ("PUT", "/collections/reviews/index?wait=true",
         {"field_name": "tmp", "field_schema": "bool"}),
    ]  # fmt: skip
    shop.by_hand(*requests)
    assert shop.drift()[0] == 2
    shop.state(MANIFEST.replace(f"{spec}}}", tuned + ignore))
    assert shop.drift("--unmanaged")[0] == 0
    shop.apply()
    code, report = shop.drift("--unmanaged")
    assert (code, report["changed"], report["unmanaged"]) == (0, [], [])
    assert shop.drift("--url", shop.node.url, "--owner", "shop/dev")[0] == 0
    _, answer = shop.node.request("GET", "/collections/reviews")
    assert answer["result"]["config"]["optimizer_config"]["indexing_threshold"] == 0

    shop.state(MANIFEST.replace(f"{spec}}}", tuned))
    code, report = shop.drift("--url", shop.node.url, "--owner", "shop/dev")
    assert code == 0, "what was applied says that they are ignored"


def test_strangers_in_a_map_that_is_claimed_are_drift(shop):
    claimed = "\nlifecycle: {exclusive: [payload_indexes]}\n---"
    shop.state(MANIFEST.replace("\n---", claimed, 1))
    shop.apply()
    shop.by_hand(("PUT", f"{PRODUCTS}/index?wait=true",
                  {"field_name": "tmp", "field_schema": "bool"}))  # fmt: skip
    code, report = shop.drift()
    assert code == 2
    expected = {"collection/products": {"payload_indexes.tmp": (None, {"type": "bool"})}}
    assert (told(report["changed"]), report["unmanaged"]) == (expected, [])


def test_another_owners_resources_are_neither_checked_nor_unmanaged(shop, monkeypatch):
    shop.by_hand(("PATCH", PRODUCTS, {"hnsw_config": {"m": 48}}))
    file = shop.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("name: shop", "name: other"))
    shutil.rmtree(shop.folder / "state")
    shop.state("# nothing yet\n")
    code, report = shop.drift("--unmanaged")
    assert code == 0
    assert report["changed"] == report["unmanaged"] == report["not_applied"] == []
    assert report["notes"] == ["the ledger knows nothing of other/dev; it knows shop/dev"]


def test_renamed_projects_see_their_records(shop):
    file = shop.folder / "qdrantctl.yaml"
    renamed = "metadata: {name: store, previous_names: [shop]}"
    file.write_text(file.read_text().replace("metadata: {name: shop}", renamed))
    assert shop.drift("--unmanaged")[0] == 0
    shop.by_hand(("DELETE", "/collections/reviews"))
    assert told(shop.drift()[1]["changed"]) == {"collection/reviews": "gone"}
