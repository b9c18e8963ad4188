"""`import --update`: what was changed on the cluster goes into hand-written files, byte by byte."""

import pytest

from tests.e2e.importing.test_import import aliased
from tests.support.project import asked, config

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


def hot_fix(node):
    """What somebody did by hand, at night."""
    asked(node, "PATCH", PRODUCTS, {
        "hnsw_config": {"m": 48, "ef_construct": 200},
        "quantization_config": "Disabled",
        "optimizers_config": {"indexing_threshold": 0},
        "strict_mode_config": {"max_query_limit": 500},
        "metadata": {"why": "incident 7"},
    })  # fmt: skip
    asked(node, "DELETE", f"{PRODUCTS}/index/brand?wait=true")
    index(node, "tenant", {"type": "keyword", "is_tenant": True})
    aliased(node, "live", "reviews")


def test_a_hot_fix_is_received(applied, empty_qdrant):
    hot_fix(empty_qdrant)
    told = applied.run(empty_qdrant, "import", "--update", "collection/products", "alias/live")
    assert told.code == 0, told.err
    after = MANIFEST
    for old, new in (
        ("m: 32            # measured in May\n",
         "m: 48            # measured in May\n    ef_construct: 200\n"),
        ("  quantization_config: {scalar: {type: int8}}\n", ""),
        ("    brand: 'keyword'\n", ""),
        ("    price: float\n", "    price: float\n    tenant: {type: keyword, is_tenant: true}\n"),
        ("max_query_limit: 100}\n", "max_query_limit: 500}\n  metadata:\n    why: incident 7\n"),
        ('collection: "products"', 'collection: "reviews"'),
    ):  # fmt: skip
        assert old in after
        after = after.replace(old, new)
    assert stated(applied) == after
    assert "manifests/all.yaml:15: collection/products hnsw_config.m: 32 -> 48\n" in told.out
    assert told.out.endswith("wrote manifests/all.yaml\n")
    plan = applied.plan(empty_qdrant)
    changed = {c["address"]: c for c in plan.document["changes"] if c["action"] != "noop"}
    assert {(c["action"], *c["steps"]) for c in changed.values()} == {("adopt",)}
    assert changed.keys() == {"collection/products", "alias/live"}
    applied.done(empty_qdrant)
    told = applied.run(empty_qdrant, "import", "--update", "collection/products", "alias/live")
    assert told.out == "Nothing to write: the manifests state what is there.\n"
    assert stated(applied) == after


def test_drift_that_is_refused_is_received(empty_qdrant, project):
    """The way out that the plan names."""
    file = project.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("FLOWS_URL}}", "FLOWS_URL}, on_drift: refuse}"))
    state(project, MANIFEST)
    project.done(empty_qdrant)
    hot_fix(empty_qdrant)
    told = project.plan(empty_qdrant)
    assert (told.code, "QC212" in told.rules) == (3, True)
    hints = [v["hint"] for v in told.document["violations"] if v["rule"] == "QC212"]
    ways = [hint.partition("with import ")[2].rstrip(".").split() for hint in hints]
    assert sorted(ways) == [["--update", "alias/live"], ["--update", "collection/products"]]
    for words in ways:
        told = project.run(empty_qdrant, "import", *words)
        assert told.code == 0, told.err
    project.done(empty_qdrant)
    assert project.plan(empty_qdrant).code == 0
    assert config(empty_qdrant, "products")["hnsw_config"]["m"] == 48


def test_what_nobody_stated_and_nobody_changed_stays_unstated(empty_qdrant, project):
    asked(empty_qdrant, "PUT", "/collections/products",
          {"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"ef_construct": 64},
           "metadata": {"a": None, "b": 1}})  # fmt: skip
    index(empty_qdrant, "old", "keyword")
    text = BARE
    state(project, text)
    project.done(empty_qdrant)
    asked(empty_qdrant, "PATCH", PRODUCTS, {"optimizers_config": {"flush_interval_sec": 9}})
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    assert stated(project) == text + "  optimizers_config: {flush_interval_sec: 9}\n"
    project.done(empty_qdrant)


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


def test_before_anything_was_applied_all_that_somebody_set_is_received(empty_qdrant, project):
    asked(empty_qdrant, "PUT", "/collections/products",
          {"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"ef_construct": 64},
           "metadata": {"a": None, "b": 1}})  # fmt: skip
    text = BARE.replace("4", "8")
    state(project, text)
    told = project.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    assert "left out collection/products metadata.a: the metadata key 'a' is null" in told.out
    assert stated(project) == BARE + ("  hnsw_config: {ef_construct: 64}\n  metadata:\n    b: 1\n")
    plan = project.plan(empty_qdrant)
    assert [(c["action"], c["steps"]) for c in plan.document["changes"]] == [("adopt", [])]


def test_what_a_template_writes_is_told_and_not_written(applied, empty_qdrant):
    (applied.folder / "manifests" / "all.yaml").unlink()
    template = MANIFEST.replace("m: 32", "m: {{ vars.m }}")
    file = applied.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("FLOWS_URL}}", "FLOWS_URL}, vars: {m: 32}}"))
    state(applied, template, "all.yaml.j2")
    assert applied.plan(empty_qdrant).code == 0
    asked(empty_qdrant, "PATCH", PRODUCTS, {"hnsw_config": {"m": 48}})
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 2
    assert told.out == (
        "manifests/all.yaml.j2:15: collection/products hnsw_config.m: 32 -> 48 (it comes from a "
        "template: {{ vars.m }})\n"
        "What was not written is yours to put in its place.\n"
    )
    assert stated(applied, "all.yaml.j2") == template


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


def test_what_cannot_be_received(applied, empty_qdrant):
    def refused(*words):
        told = applied.run(empty_qdrant, "import", "--update", *words)
        assert (told.code, told.out, stated(applied)) == (1, "", MANIFEST), told.err
        return told.err

    assert "no manifest states collection/nope" in refused("collection/nope")
    asked(empty_qdrant, "DELETE", "/collections/reviews")
    assert "collection/reviews is not on the cluster" in refused("collection/reviews")
    state(applied, MANIFEST.replace("price: float", "price: flat"))
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert (told.code, "QC04" in told.err) == (1, True)


def test_a_collection_that_was_made_again_by_hand(applied, empty_qdrant):
    asked(empty_qdrant, "DELETE", PRODUCTS)
    vectors = {"vectors": {"t": {"size": 8, "distance": "Cosine"}}, "sparse_vectors": {"s": {}}}
    asked(empty_qdrant, "PUT", "/collections/products", vectors)
    aliased(empty_qdrant, "live", "products")
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    assert "  vectors: {t: {size: 8, distance: Cosine}}\n" in stated(applied)
    plan = applied.plan(empty_qdrant)
    steps = {c["address"]: c["steps"] for c in plan.document["changes"]}
    assert steps["collection/products"] == []
    applied.done(empty_qdrant)


def test_what_a_profile_lays_under_is_told_and_not_written(applied, empty_qdrant):
    profile = """\
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {name: production}
spec:
  collections: [products]
  config: {max_timeout: 30, search_max_hnsw_ef: 500}
"""
    state(applied, profile, "production.yaml")
    applied.done(empty_qdrant)
    caps = {"strict_mode_config": {"max_timeout": 60, "max_query_limit": 500}}
    asked(empty_qdrant, "PATCH", PRODUCTS, caps)
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 2
    assert stated(applied) == MANIFEST.replace("max_query_limit: 100", "max_query_limit: 500")
    assert stated(applied, "production.yaml") == profile
    assert "manifests/production.yaml:6" in told.out + told.err
    assert "30 -> 60" in told.out + told.err
    assert "it comes from strict_mode_profile/production" in told.out + told.err


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
    assert "stated by a profile, too?" in told.out
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


def test_an_edit_that_was_not_applied_yet_stays(applied, empty_qdrant):
    before = edited(
        applied,
        ("brand: 'keyword'", "brand: {type: keyword, is_tenant: true}"),
        ("    price: float\n", ""),
    )
    patch = {"hnsw_config": {"m": 48}, "strict_mode_config": {"max_query_limit": 500}}
    asked(empty_qdrant, "PATCH", PRODUCTS, patch)
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    assert stated(applied) == before.replace("m: 32", "m: 48").replace("limit: 100", "limit: 500")
    assert told.out == (
        "manifests/all.yaml:15: collection/products hnsw_config.m: 32 -> 48\n"
        "manifests/all.yaml:21: collection/products strict_mode_config.max_query_limit: "
        "100 -> 500\n"
        "manifests/all.yaml:19: collection/products payload_indexes.brand.is_tenant: true "
        "(not applied yet; left)\n"
        "manifests/all.yaml:18: collection/products payload_indexes.price: nothing "
        "(not applied yet; left)\n"
        "wrote manifests/all.yaml\n"
    )
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.err
    assert "Nothing to write: nothing moved on the cluster since it was applied.\n" in told.out
    applied.done(empty_qdrant)


def test_what_moved_on_both_sides_is_a_conflict(applied, empty_qdrant):
    before = edited(
        applied,
        ("m: 32 ", "m: 64 "),
        ("max_query_limit: 100", "max_query_limit: 100, max_timeout: 30"),
    )
    hnsw, strict = {"m": 48, "ef_construct": 200}, {"max_timeout": 5}
    asked(empty_qdrant, "PATCH", PRODUCTS, {"hnsw_config": hnsw, "strict_mode_config": strict})
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 2, told.err
    line = "m: 64            # measured in May\n"
    assert stated(applied) == before.replace(line, line + "    ef_construct: 200\n")
    assert "hnsw_config.m: 64 -> 48 (both moved since it was applied as 32: " in told.out
    assert "apply --revert-drift collection/products" in told.out
    assert "max_timeout: 30 -> 5 (both moved since it was applied as nothing: " in told.out
    edited(applied, ("m: 64", "m: 48"), ("max_timeout: 30", "max_timeout: 5"))
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 0, told.out
    applied.done(empty_qdrant)


def test_what_was_dropped_here_and_changed_there_is_a_conflict(applied, empty_qdrant):
    before = edited(
        applied, ("    m: 32            # measured in May\n", "    ef_construct: 100\n")
    )
    asked(empty_qdrant, "PATCH", PRODUCTS, {"strict_mode_config": {"max_query_limit": 500}})
    edited(applied, (", max_query_limit: 100", ""))
    told = applied.run(empty_qdrant, "import", "--update", "collection/products")
    assert told.code == 2, told.err
    assert "max_query_limit: nothing -> 500 (both moved since it was applied as 100: " in told.out
    assert stated(applied) == before.replace(", max_query_limit: 100", "")
