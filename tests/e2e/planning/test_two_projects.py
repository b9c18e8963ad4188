"""Two projects, two environments and a renamed project on one cluster; nobody loses anything."""

import pytest

from tests.support.project import PROJECT, VECTORS, Project, asked, config, record, upsert

TWO = PROJECT + "    prod: {url: {env: FLOWS_URL}}\n"
PRODUCTS = {"vectors": VECTORS, "hnsw_config": {"m": 16}}


@pytest.fixture
def project(tmp_path, empty_qdrant):
    """`project("shop")` makes a folder whose project has that name."""

    def make(name: str, text: str = PROJECT) -> Project:
        made = Project(tmp_path / name)
        (made.folder / "qdrantctl.yaml").write_text(text.replace("name: shop", f"name: {name}"))
        return made

    return make


def renamed(project: Project, metadata: str, spec: str = "") -> None:
    text = PROJECT.replace("{name: shop}", metadata)
    (project.folder / "qdrantctl.yaml").write_text(text.replace("spec:\n", "spec:\n" + spec))


def test_two_projects_leave_each_other_alone(project, empty_qdrant):
    shop, catalog = project("shop"), project("catalog")
    shop.states({"products": PRODUCTS}, {"products-live": "products"})
    catalog.states({"titles": PRODUCTS})
    shop.done(empty_qdrant)
    catalog.done(empty_qdrant)
    told = shop.plan(empty_qdrant)
    assert told.code == 0
    assert told.document["unmanaged"] == []
    catalog.states({"titles": PRODUCTS, "products": PRODUCTS})
    refused = catalog.plan(empty_qdrant)
    assert refused.code == 3
    assert "owned by shop/dev" in refused.change("collection/products")["because"]
    assert catalog.apply(empty_qdrant).code == 3
    assert record(empty_qdrant, "collection/products")["owner"] == "shop/dev"


def test_two_environments_of_one_cluster_need_names_of_their_own(project, empty_qdrant):
    shop = project("shop", TWO)
    shop.states({"products": PRODUCTS})
    assert shop.apply(empty_qdrant, "-e", "dev").code == 0
    refused = shop.plan(empty_qdrant, "-e", "prod")
    assert refused.code == 3
    assert "owned by shop/dev" in refused.change("collection/products")["because"]
    manifests = shop.folder / "manifests"
    text = (manifests / "all.yaml").read_text()
    (manifests / "all.yaml").unlink()
    (manifests / "all.yaml.j2").write_text(text.replace('"products"', '"products-{{ env }}"'))
    assert shop.apply(empty_qdrant, "-e", "prod").code == 0
    upsert(empty_qdrant, "products-prod")
    assert shop.apply(empty_qdrant, "-e", "dev", "--allow-delete", "collection/products").code == 0
    names = {c["name"] for c in asked(empty_qdrant, "GET", "/collections")["collections"]}
    assert {"products-dev", "products-prod"} <= names
    assert "products" not in names
    for environment in ("dev", "prod"):
        assert shop.plan(empty_qdrant, "-e", environment).code == 0


def test_records_of_a_previous_name_are_ours(project, empty_qdrant):
    shop = project("shop")
    shop.states({"products": PRODUCTS, "old": PRODUCTS | {"hnsw_config": {"m": 8}}})
    shop.done(empty_qdrant)
    upsert(empty_qdrant, "products")
    before = config(empty_qdrant, "products")["uuid"]
    renamed(shop, "{name: store}")
    stranger = shop.plan(empty_qdrant)
    assert stranger.code == 3
    because = stranger.change("collection/products")["because"]
    assert because.startswith("owned by shop/dev. Give it another name here; or, ")
    assert "or shop under previous_names here" in because
    renamed(shop, "{name: store, previous_names: [shop]}")
    told = shop.plan(empty_qdrant)
    assert told.code == 2
    assert told.document["summary"]["adopt"] == 2
    assert told.document["summary"]["delete"] == 0
    assert told.change("collection/products")["steps"] == []
    assert shop.run(empty_qdrant, "drift").code == 0
    shop.done(empty_qdrant)
    assert record(empty_qdrant, "collection/products")["owner"] == "store/dev"
    assert config(empty_qdrant, "products")["uuid"] == before
    renamed(shop, "{name: store}")
    assert shop.plan(empty_qdrant).code == 0
    shop.states({"products": PRODUCTS})
    assert shop.plan(empty_qdrant).document["summary"]["delete"] == 1


def test_a_collection_changes_hands_without_a_gap(project, empty_qdrant):
    """One project stops managing it, the other adopts it; it serves all the time."""
    shop, catalog = project("shop"), project("catalog")
    shop.states({"products": PRODUCTS, "orders": PRODUCTS}, {"products-live": "products"})
    shop.done(empty_qdrant)
    upsert(empty_qdrant, "products")
    before = config(empty_qdrant, "products")["uuid"]
    catalog.states({"products": PRODUCTS}, {"products-live": "products"})
    assert catalog.plan(empty_qdrant).code == 3

    shop.states({"orders": PRODUCTS})
    leaving = "  removed:\n  - {address: collection/products}\n  - {address: alias/products-live}\n"
    renamed(shop, "{name: shop}", leaving)
    told = shop.plan(empty_qdrant)
    assert told.document["summary"] | {"forget": 2, "delete": 0} == told.document["summary"]
    shop.done(empty_qdrant)
    taken = catalog.plan(empty_qdrant)
    assert taken.document["summary"]["adopt"] == 2
    assert all(not change["steps"] for change in taken.document["changes"]), taken.out
    catalog.done(empty_qdrant)

    assert config(empty_qdrant, "products")["uuid"] == before
    assert asked(empty_qdrant, "GET", "/collections/products")["points_count"] == 3
    for address in ("collection/products", "alias/products-live"):
        assert record(empty_qdrant, address)["owner"] == "catalog/dev"
    assert shop.plan(empty_qdrant).code == 0
    assert shop.run(empty_qdrant, "drift").code == 0


def test_what_another_project_has_is_handed_over_as_the_plan_says(project, empty_qdrant):
    shop, catalog = project("shop"), project("catalog")
    shop.states({"products": PRODUCTS})
    shop.done(empty_qdrant)
    upsert(empty_qdrant, "products")
    catalog.states({"products": PRODUCTS})
    because = catalog.plan(empty_qdrant).change("collection/products")["because"]
    assert "name it under removed there and apply that" in because
    shop.states({})
    file = shop.folder / "qdrantctl.yaml"
    file.write_text(file.read_text() + "  removed: [{address: collection/products}]\n")
    shop.done(empty_qdrant)
    assert catalog.plan(empty_qdrant).change("collection/products")["action"] == "adopt"
    catalog.done(empty_qdrant)
    assert asked(empty_qdrant, "GET", "/collections/products")["points_count"] == 3
