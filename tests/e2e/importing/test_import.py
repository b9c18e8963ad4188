"""`import` on real servers: what is written, what a plan makes of it, and what it rebuilds."""

import json

import pytest

from qdrantctl.adapters.manifests.write import make_file_stems, write_files
from qdrantctl.kinds.collection.defaults import collection_defaults
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.server import Server, Version
from tests.e2e.importing.conftest import live, rebuilt
from tests.support.project import VECTORS, asked, config
from tests.support.servers import server_version

PRODUCTS = """\
# yaml-language-server: $schema=../schemas/manifest.json
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: 32}
  quantization_config:
    scalar: {type: int8, always_ram: false}
  strict_mode_config: {enabled: true, max_query_limit: 100}
  metadata:
    a: 1
    "on":
      - 1
      - {x: {}}
  payload_indexes:
    '"a b"': integer
    body: {type: text, lowercase: true, stopwords: english}
    brand: keyword
    tenant: {type: keyword, is_tenant: true}
    title: text
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
"""


def made(node, name, spec=None, indexes=None):
    asked(node, "PUT", f"/collections/{name}", {"vectors": VECTORS} | (spec or {}))
    for field, schema in (indexes or {}).items():
        body = {"field_name": field, "field_schema": schema}
        asked(node, "PUT", f"/collections/{name}/index?wait=true", body)


def aliased(node, alias, collection):
    action = {"create_alias": {"alias_name": alias, "collection_name": collection}}
    asked(node, "POST", "/collections/aliases", {"actions": [action]})


def products(node):
    spec = {
        "hnsw_config": {"m": 32, "ef_construct": 100},
        "quantization_config": {"scalar": {"type": "int8", "always_ram": False}},
        "strict_mode_config": {"enabled": True, "max_query_limit": 100},
        "metadata": {"on": [1, {"x": {}}], "a": 1},
    }
    indexes = {
        "title": {"type": "text"},
        "body": {"type": "text", "lowercase": True, "stopwords": "en"},
        "brand": "keyword",
        "tenant": {"type": "keyword", "is_tenant": True},
        '"a b"': "integer",
    }
    made(node, "products", spec, indexes)
    aliased(node, "live", "products")


def manifests(project):
    folder = project.folder / "manifests"
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_everything_is_imported_adopted_and_rebuilt(empty_qdrant, fresh_qdrant, project):
    node = empty_qdrant
    products(node)
    made(node, "Twin", {"vectors": {"b": VECTORS, "a": VECTORS | {"hnsw_config": {"m": 16}}},
                        "sparse_vectors": {"s": {}, "i": {"modifier": "idf"}}})  # fmt: skip
    made(node, "twin", {"vectors": {}, "optimizers_config": {"indexing_threshold": 0}})
    made(node, "a%20b%C3%A9", {"replication_factor": 2, "on_disk_payload": False})
    made(node, "keyed", {"sharding_method": "custom"})
    asked(node, "PUT", "/collections/keyed/shards", {"shard_key": "eu"})
    asked(node, "PUT", "/collections/keyed/shards", {"shard_key": 7, "shards_number": 2})
    aliased(node, "zz top", "Twin")
    told = project.run(node, "import", "--all")
    assert told.code == 0, told.err
    assert told.out == (
        "wrote manifests/Twin.yaml\nwrote manifests/a-b-1ab8fc48.yaml\nwrote manifests/keyed.yaml\n"
        "wrote manifests/products.yaml\nwrote manifests/twin-72b33a1c.yaml\n"
        "7 to adopt, 0 to change. Adopting writes only the ledger.\n"
    )
    files = manifests(project)
    assert files["products.yaml"] == PRODUCTS
    assert "shard_keys:\n    - {key: 7, shards_number: 2}\n    - eu\n" in files["keyed.yaml"]
    assert "Alias\nmetadata: {name: zz top}" in files["Twin.yaml"]
    before, after = rebuilt(project, node, fresh_qdrant())
    assert before == after
    told = project.apply(node)
    assert told.code == 0, told.err
    assert project.plan(node).code == 0
    told = project.run(node, "import", "--all")
    assert "7 resources skipped: declared by manifests already." in told.out
    assert manifests(project) == files


def test_what_a_server_reports_where_nothing_was_set(empty_qdrant, fresh_qdrant):
    for node in (empty_qdrant, fresh_qdrant(cluster=False)):
        made(node, "c")
        found = parse_live_spec(config(node, "c"))
        server = Server(server_version(), node.url)
        by_itself = {
            key: value for key, value in collection_defaults(found, server).items() if value
        }
        assert found == by_itself | {"vectors": {"": VECTORS}}


def test_defaults_of_older_servers_and_of_several_nodes():
    old = Server(Version(1, 14, 1), "")
    assert collection_defaults({}, old)["optimizers_config"]["indexing_threshold"] == 20000
    assert "shard_number" not in collection_defaults(
        {}, Server(Version(1, 16, 3), "", True, peers=3)
    )


@pytest.mark.parametrize("witness", ["the ledger", "other collections"])
def test_a_server_with_defaults_of_its_own(fresh_qdrant, project, witness):
    """What Qdrant would give by itself is stated where this server would give something else."""
    own = {"QDRANT__STORAGE__HNSW_INDEX__M": "48", "QDRANT__STORAGE__ON_DISK_PAYLOAD": "false"}
    node, other = fresh_qdrant(environ=own), fresh_qdrant(environ=own)
    for name in ("a", "b"):
        made(node, name)
    made(node, "set", {"hnsw_config": {"m": 16}, "on_disk_payload": True})
    if witness == "the ledger":
        project.states({})
        project.states({"d": {"vectors": VECTORS | {"size": 3}}})
        project.done(node)
        asked(node, "DELETE", "/collections/a")
        asked(node, "DELETE", "/collections/b")
    told = project.run(node, "import", "--all")
    assert told.code == 0, told.err
    assert "hnsw_config: {m: 16}\n  on_disk_payload: true\n" in manifests(project)["set.yaml"]
    assert "ef_construct" not in "".join(manifests(project).values())
    told = project.apply(other)
    assert told.code == 0, told.err
    assert live(node) == live(other)


def test_names_are_refused_before_any_request(project):
    for address in ("collection/...", "collection/%2E/x/...", "alias/...",
                    "collection/_qdrantctl", "collection/_qdrantctl_lease.a.b.1", "nonsense",
                    "thing/x", "collection/", f"collection/{'x' * 256}"):  # fmt: skip
        for words in ((address,), ("--update", address)):
            told = project.run("http://127.0.0.1:9", "import", *words)
            assert (told.code, told.out) == (64, ""), told.err
            assert told.err.startswith("Error: ")


PROFILE = """\
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {name: production}
spec:
  collections: ["*"]
  config: CONFIG
"""


@pytest.mark.parametrize(
    ("pattern", "out"),
    [
        ("manifests", "link"),
        ("link", "manifests"),
        ("../shop/manifests", "manifests"),
        ("services/*/qdrant", "services/search/qdrant"),
        ("services/*/qdrant/*.yaml", "services/search/qdrant"),
        ("**/*.yaml", "services/search/qdrant/more"),
    ],
)
def test_a_folder_is_read_by_whatever_path(empty_qdrant, project, pattern, out):
    made(empty_qdrant, "a")
    (project.folder / "link").symlink_to(project.folder / "manifests")
    (project.folder / "services" / "search" / "qdrant").mkdir(parents=True)
    file = project.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("spec:\n", f"spec:\n  manifests: [{pattern!r}]\n"))
    there = project.folder / out
    words = ("import", "--all", "--out", str(there))
    told = project.run(empty_qdrant, *words)
    assert (told.code, "1 to adopt" in told.out) == (0, True), told.err
    (there / "a.yaml").rename(there / "other.yaml")
    told = project.run(empty_qdrant, *words)
    assert "1 resource skipped: declared by manifests already" in told.out, told.out + told.err
    assert not (there / "a.yaml").exists()


def test_all_files_are_written_or_none(tmp_path):
    first, second = tmp_path / "a" / "1.yaml", tmp_path / "2.yaml"
    second.write_text("new\n")
    with pytest.raises(QdrantctlError, match="changed by another process; no files were"):
        write_files({first: b"x", second: b"y"}, {second: b"old\n"})
    blocked = tmp_path / "2.yaml" / "3.yaml"
    with pytest.raises(QdrantctlError, match="cannot be written"):
        write_files({first: b"x", blocked: b"y"}, {})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["2.yaml"]
    second.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(second)
    write_files({link: b"y"}, {link: b"new\n"})
    assert (second.read_bytes(), second.stat().st_mode & 0o777) == (b"y", 0o640)
    assert link.is_symlink()


@pytest.mark.until("1.17.99", "newer servers accept no vector name that a manifest cannot state")
def test_what_no_manifest_can_say_is_told(empty_qdrant, project):
    long = "v" * 220
    made(empty_qdrant, "odd", {"vectors": {long: VECTORS, "v": VECTORS}, "metadata": {"n": None}})
    aliased(empty_qdrant, "we/ird", "odd")
    told = project.run(empty_qdrant, "import", "--all", "--format", "json")
    assert told.code == 0, told.err
    report = told.document
    assert [(left["address"], left["path"][:1]) for left in report["left_out"]] == [
        ("alias/we/ird", []), ("collection/odd", ["metadata"]), ("collection/odd", ["vectors"]),
    ]  # fmt: skip
    assert "spec:\n  vectors:\n    v: {size: 4, distance: Dot}\n" in manifests(project)["odd.yaml"]
    assert (report["adopt"], report["change"]) == (1, 0)
    assert project.plan(empty_qdrant).code == 2
    asked(empty_qdrant, "PUT", "/collections/odder", {"metadata": {"k" * 2000: 1}})
    told = project.run(empty_qdrant, "import", "collection/odder")
    assert (told.code, "collection/odder is not imported: " in told.err) == (1, True)


def test_file_names_are_safe():
    names = ["a", "A", "a b", ".x", "-x", "é", "con", "com1.x", "qdrantctl", "x" * 255]
    found = make_file_stems(names)
    assert (found["A"], found["a"][:2]) == ("A", "a-")
    assert len({stem.casefold() for stem in found.values()}) == len(names)
    for stem in found.values():
        assert len(stem) <= 120
        assert stem[0] not in ".-"
        assert stem.partition(".")[0] not in ("con", "com1", "qdrantctl")
        assert stem.isascii()


def test_a_read_only_key_is_enough_and_one_that_sees_a_part_is_not(fresh_qdrant, project):
    node = fresh_qdrant(api_key="admin", environ={"QDRANT__SERVICE__READ_ONLY_API_KEY": "reader"})
    made(node, "c")
    file = project.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("}}", "}, api_key: {command: [echo, reader]}}"))
    told = project.run(node, "import", "--all")
    assert told.code == 0, told.err
    assert json.dumps("reader") not in told.out
    assert list(manifests(project)) == ["c.yaml"]
