"""Every way in which a cluster drifts, on a real server."""

import pytest

from tests.e2e.drift.conftest import told

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
