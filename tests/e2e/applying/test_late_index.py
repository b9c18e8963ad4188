"""The server answers 429 to an index and may build it all the same, even after its next start."""

from tests.support.project import VECTORS, Project, asked, record

CAPS = {"enabled": True, "write_rate_limit": 3}
BEFORE = {"vectors": VECTORS, "strict_mode_config": CAPS}
POINT = {"points": [{"id": 1, "vector": [1, 0, 0, 1]}]}
AFTER = BEFORE | {"payload_indexes": {"a": "keyword"}}


def indexes(node):
    return set(asked(node, "GET", "/collections/products")["payload_schema"])


def test_an_index_that_was_refused_and_appears_later_stays_ours(tmp_path, fresh_qdrant):
    node, shop = fresh_qdrant(), Project(tmp_path)
    shop.states({"products": BEFORE})
    shop.done(node)
    while node.request("PUT", "/collections/products/points?wait=true", POINT)[0] == 200:
        pass  # until no token is left; an index costs three
    shop.states({"products": AFTER})

    told = shop.apply(node)
    assert told.code == 6, told.err + told.out
    outcome = next(o for o in told.document["outcomes"] if o["address"] == "collection/products")
    assert outcome["status"] == "failed"
    assert "/index" in outcome["error"]
    assert "may have taken effect, even later" in outcome["error"]
    pending = record(node, "collection/products")["pending"]
    assert pending["spec"]["payload_indexes"].keys() == {"a"}

    node.stop()
    node.start()
    came = indexes(node) == {"a"}
    found = shop.run(node, "drift", "--unmanaged", "--format", "json")
    assert found.code == 0, found.out
    assert shop.plan(node).code == 2
    shop.done(node)
    assert indexes(node) == {"a"}
    assert came, "the server no longer builds what it refused: correct the words above"
    shop.states({"products": BEFORE})
    assert shop.plan(node).field("collection/products", "payload_indexes", "a")
    shop.done(node)
    assert indexes(node) == set()
