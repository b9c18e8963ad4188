"""`import --update`: what was changed on the cluster goes into hand-written files, byte by byte."""

import pytest

from tests.support.project import asked

MANIFEST = """\
# yaml-language-server: $schema=../schemas/manifest.json
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: reviews}   # not this one
spec: { vectors: { size: 4,distance: Dot } }
---
# What the shop sells.
apiVersion: qdrantctl/v1
kind: Collection
metadata:
  name: products
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config:
    m: 32            # measured in May
  quantization_config: {scalar: {type: int8}}

  payload_indexes:
    brand: 'keyword'
    # cents
    price: float
  strict_mode_config: {enabled: true, max_query_limit: 100}
lifecycle:
  ignore:
    - {path: optimizers_config.indexing_threshold, reason: bulk loads}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec:
  collection: "products"   # the blue one
"""
BARE = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
"""
PRODUCTS = "/collections/products"


@pytest.fixture
def applied(empty_qdrant, project):
    state(project, MANIFEST)
    project.done(empty_qdrant)
    return project


def state(project, text, name="all.yaml"):
    (project.folder / "manifests" / name).write_bytes(text.encode())


def stated(project, name="all.yaml"):
    return (project.folder / "manifests" / name).read_bytes().decode()


def index(node, field, schema, collection="products"):
    body = {"field_name": field, "field_schema": schema}
    asked(node, "PUT", f"/collections/{collection}/index?wait=true", body)


def test_a_shard_key_that_nobody_stated_and_nobody_changed_stays_unstated(empty_qdrant, project):
    text = BARE + "  sharding_method: custom\n  shard_keys: [eu]\n"
    state(project, text)
    project.done(empty_qdrant)
    asked(empty_qdrant, "PUT", f"{PRODUCTS}/shards", {"shard_key": "us"})
    state(project, text + "  hnsw_config: {m: 32}\n")
    project.done(empty_qdrant)
    asked(empty_qdrant, "PATCH", PRODUCTS, {"hnsw_config": {"m": 48}})
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    assert stated(project) == text + "  hnsw_config: {m: 48}\n"
    asked(empty_qdrant, "PUT", f"{PRODUCTS}/shards", {"shard_key": "asia"})
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert "shard_keys: [eu, asia]\n" in stated(project), told


def test_what_an_anchor_shares_is_told_and_not_written(empty_qdrant, project):
    head = "apiVersion: qdrantctl/v1\nkind: List\nitems:\n"
    item = "- apiVersion: qdrantctl/v1\n  kind: Collection\n  metadata: {name: %s}\n  spec: %s\n"
    text = head + item % ("a", "&s {vectors: {size: 4, distance: Dot}}") + item % ("b", "*s")
    state(project, text)
    project.done(empty_qdrant)
    asked(empty_qdrant, "PATCH", "/collections/a", {"hnsw_config": {"m": 5}})
    told = project.run(empty_qdrant, "import", "--update", "collection/a")
    assert told.code == 2
    assert "is it shared by an anchor," in told.out
    assert stated(project) == text
    asked(empty_qdrant, "PATCH", "/collections/b", {"hnsw_config": {"m": 5}})
    told = project.run(empty_qdrant, "import", "--update", "collection/b")
    assert told.code == 0, told.out
    written = "{vectors: {size: 4, distance: Dot}, hnsw_config: {m: 5}}"
    assert stated(project) == text.replace("*s", written)


def test_byte_order_marks_and_line_ends_stay(empty_qdrant, project):
    text = "\ufeff" + MANIFEST.replace("\n", "\r\n")
    state(project, text)
    project.done(empty_qdrant)
    asked(empty_qdrant, "PATCH", PRODUCTS, {"hnsw_config": {"m": 48, "payload_m": 8}})
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    line = "m: 32            # measured in May\r\n"
    assert stated(project) == text.replace(line, line.replace("32", "48") + "    payload_m: 8\r\n")


PROFILE = """\
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {name: production}
spec:
  collections: [products]
  config: {enabled: true, max_query_limit: 500}
"""


def test_what_a_profile_would_lay_in_its_place_is_not_taken_out(empty_qdrant, project):
    """Without the cap in the manifest the profile's would count, which the cluster has not."""
    text = BARE + "  strict_mode_config: {max_query_limit: 100}\n"
    state(project, text)
    state(project, PROFILE, "production.yaml")
    project.done(empty_qdrant)
    asked(empty_qdrant, "DELETE", PRODUCTS)
    asked(empty_qdrant, "PUT", PRODUCTS, {"vectors": {"size": 4, "distance": "Dot"}})
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 2, told.out
    assert "declared by a profile, too?" in told.out
    assert stated(project) == text


def test_a_profile_of_the_same_file_that_shares_an_anchor_stays(empty_qdrant, project):
    caps = "{enabled: true, max_query_limit: 100}"
    text = BARE + f"  strict_mode_config: &caps {caps}\n"
    listed = "apiVersion: qdrantctl/v1\nkind: List\nitems:\n"
    items = [
        text,
        PROFILE.replace("products", "'other*'").replace(
            "config: {enabled: true, max_query_limit: 500}", "config: *caps"
        ),
    ]
    for item in items:
        first, *rest = item.splitlines()
        listed += f"- {first}\n" + "".join(f"  {line}\n" for line in rest)
    state(project, listed)
    project.done(empty_qdrant)
    raised = {"strict_mode_config": {"max_query_limit": 400}}
    asked(empty_qdrant, "PATCH", PRODUCTS, raised)
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 2, told.out
    assert stated(project) == listed


def edited(project, *pairs):
    text = stated(project)
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    state(project, text)
    return text
