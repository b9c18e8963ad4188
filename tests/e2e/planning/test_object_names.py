"""Collections that are not called as their addresses say: every command finds them."""

from __future__ import annotations

import json

import pytest

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from qdrantctl.adapters.qdrant.replacement_records import replacement_entry
from qdrantctl.model.replacement import Phase
from tests.support.object_names import copy_collection, drop_kept, replace, replacement, write_entry
from tests.support.project import VECTORS, Project, asked, config, record, upsert

PRODUCTS = {"vectors": VECTORS, "payload_indexes": {"brand": "keyword"}, "hnsw_config": {"m": 20}}


@pytest.fixture
def node(empty_qdrant):
    return empty_qdrant


@pytest.fixture
def project(tmp_path, node):
    """A project whose products are called products--2 since; the old ones are kept."""
    project = Project(tmp_path)
    project.states({"products": PRODUCTS}, {"shop": "products"})
    project.done(node)
    upsert(node, "products")
    replace(node, "products", "products--2")
    return project


def names(node):
    return {entry["name"] for entry in asked(node, "GET", "/collections")["collections"]}


def changes(told):
    return {c["address"]: c for c in json.loads(told.out)["changes"]}


def test_nothing_is_to_be_done_after_a_replacement(node, project):
    """Neither the kept collection nor the new one is a stranger."""
    told = project.plan(node)
    assert (told.code, json.loads(told.out)["unmanaged"]) == (0, [])
    told = project.run(node, "drift", "--unmanaged", "--format", "json")
    assert told.code == 0, told.out + told.err
    shown = json.loads(project.run(node, "show", "collection/products", "--format", "json").out)
    assert (shown["object"], shown["points"], shown["aliases"]) == ("products--2", 3, ["shop"])


def test_an_audit_and_an_import_see_one_collection(node, project, tmp_path):
    told = project.run(node, "audit", "--prove", "--format", "json")
    subjects = {verdict.get("subject") for verdict in told.document["verdicts"]}
    assert {s for s in subjects if s and s.startswith("collection/")} == {"collection/products"}
    told = project.run(node, "import", "--all", "--out", str(tmp_path / "all"))
    (file,) = (tmp_path / "all").iterdir()
    text = file.read_text()
    assert (file.name, "{collection: products}" in text, "--2" in text) == (
        "products.yaml",
        True,
        False,
    )
    told = project.run(node, "import", "collection/products--2", "--out", "-")
    assert "is the name there of a collection of collection/products" in told.err
    asked(node, "PATCH", "/collections/products--2", {"hnsw_config": {"m": 8}})
    told = project.run(node, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    change = changes(project.plan(node))["collection/products"]
    assert (change["action"], change["steps"]) == ("adopt", [])


def test_changes_are_made_where_the_collection_is(node, project):
    project.states({"products": {**PRODUCTS, "hnsw_config": {"m": 24}}}, {"shop": "products"})
    told = changes(project.plan(node))["collection/products"]
    assert told["steps"][0]["call"]["path"] == "/collections/products--2"
    project.done(node)
    assert config(node, "products--2")["hnsw_config"]["m"] == 24
    assert config(node, "products")["hnsw_config"]["m"] == 20
    assert record(node, "collection/products")["object"] == "products--2"
    asked(node, "PATCH", "/collections/products--2", {"hnsw_config": {"m": 8}})
    told = json.loads(project.run(node, "drift", "--format", "json").out)
    assert [changed["address"] for changed in told["changed"]] == ["collection/products"]


def test_an_alias_that_leads_to_the_kept_collection_is_led_back(node, project):
    create = {"create_alias": {"alias_name": "shop", "collection_name": "products"}}
    asked(node, "POST", "/collections/aliases", {"actions": [create]})
    (field,) = changes(project.plan(node))["alias/shop"]["fields"]
    assert field["live"] == "products (not the current collection of collection/products)"
    assert field["desired"] == "products"
    project.done(node)
    (alias,) = asked(node, "GET", "/aliases")["aliases"]
    assert alias["collection_name"] == "products--2"


def test_a_collection_is_recreated_under_its_name(node, project):
    """Once the old one is retired, with a safety snapshot and with its aliases."""
    spec = {**PRODUCTS, "vectors": {"size": 8, "distance": "Dot"}}
    document = {"spec": spec, "lifecycle": {"replace": "recreate"}}
    project.states({"products": document}, {"shop": "products"})
    told = changes(project.plan(node, "--allow-replace", "collection/products"))
    assert "products is still kept" in told["collection/products"]["because"]
    drop_kept(node)
    project.done(node, "--allow-replace", "collection/products")
    assert config(node, "products--2")["params"]["vectors"]["size"] == 8
    entry = record(node, "collection/products")
    (snapshot,) = entry["snapshots"]
    assert (entry["object"], snapshot["collection"], snapshot["object"]) == (
        "products--2", "products", "products--2",
    )  # fmt: skip
    (alias,) = asked(node, "GET", "/aliases")["aliases"]
    assert alias["collection_name"] == "products--2"


@pytest.mark.parametrize("name", ["products--2", "products"])
def test_a_name_on_the_cluster_is_no_address(name, node, project):
    """The new name, and the kept one where the collection has another address."""
    if name == "products":
        entry = record(node, "collection/products")
        write_entry(node, entry | {"address": "collection/goods"})
        write_entry(node, entry | {"deleted": True})
        write_entry(node, replacement_entry(replacement(name, "products--2", "collection/goods")))
        ids = [ledger_point_id("replacement/products")]
        asked(node, "POST", "/collections/_qdrantctl/points/delete?wait=true", {"points": ids})
    holder = "collection/goods" if name == "products" else "collection/products"
    stated = {holder.partition("/")[2]: PRODUCTS, name: PRODUCTS}
    project.states(stated, {"shop": holder.partition("/")[2]})
    told = changes(project.plan(node))[f"collection/{name}"]
    assert told["action"] == "refused"
    assert told["because"] == f"{name} is the name on the cluster of a collection of {holder}"


def test_a_collection_that_is_being_filled_is_no_stranger(tmp_path, node):
    project = Project(tmp_path)
    project.states({"products": PRODUCTS}, {"shop": "products"})
    project.done(node)
    copy_collection(node, "products", "products--2")
    assert json.loads(project.plan(node).out)["unmanaged"] == ["collection/products--2"]
    filled = replacement("products", "products--2", "collection/products", Phase.FILL)
    entry = record(node, "collection/products") | {"object": "products--2"}
    write_entry(node, replacement_entry(filled.model_copy(update={"entry": entry})))
    assert json.loads(project.plan(node).out)["unmanaged"] == []
