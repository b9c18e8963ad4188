"""Keys of a collection that has another name on the cluster than in its address."""

from __future__ import annotations

import json

from qdrantctl.adapters.qdrant.replacement_records import replacement_entry
from qdrantctl.adapters.tokens.signer import read_claims
from qdrantctl.model.replacement import Phase
from tests.support.access_keys import READS, asked
from tests.support.object_names import replace, replacement, write_entry


def rules(granted):
    told = json.loads(granted.plan().out)
    return {(v["rule"], v["severity"]): v["message"] for v in told["violations"]}


def test_a_token_opens_the_names_of_its_collection(granted):
    """Before the switch and after it; one that was issued before all of that is named."""
    before = granted.token("issue", "reader")
    filled = replacement("products", "products--2", "collection/products", Phase.FILL)
    write_entry(granted.node, replacement_entry(filled) | {"paused": True})
    assert "does not open products--2" in rules(granted)["QC148", "warning"]
    meanwhile = granted.token("rotate", "reader")
    granted.run("keys", "revoke", "reader", "--generation", "1", "--auto-approve")
    assert [c["collection"] for c in read_claims(meanwhile)["access"]] == [
        "products",
        "products--2",
    ]
    replace(granted.node, "products", "products--2", keep=False)
    assert asked(granted.node, before, path="/collections/products--2") in (401, 403)
    assert asked(granted.node, meanwhile, path="/collections/products--2") == 200
    assert granted.token("issue", "reader") == meanwhile
    assert ("QC148", "warning") not in rules(granted)


def test_a_plan_tells_of_tokens_that_a_replacement_leaves_behind(granted):
    """Keys that name the collection, and not those that name its alias."""
    lifecycle = {"replace": "blue_green", "replacement": {"fill": "external"}}
    manifests = granted.folder / "manifests" / "all.yaml"
    documents = [json.loads(text) for text in manifests.read_text().split("\n---\n")]
    for document in documents:
        if document["metadata"]["name"] == "products":
            document |= {"lifecycle": lifecycle}
            document["spec"]["vectors"]["size"] = 8
    manifests.write_text("\n---\n".join(map(json.dumps, documents)))
    assert rules(granted)["QC249", "note"] == (
        "its tokens name products, and do not reach products--2 after the switch"
    )


def test_a_name_on_the_cluster_is_no_scope(granted):
    replace(granted.node, "products", "products--2")
    access = [{"collection": "products--2", "access": "r"}]
    granted.states(reader={**READS, "access": access})
    message = rules(granted)["QC145", "error"]
    assert message.endswith("the name on the cluster of a collection of collection/products")
