"""What is wrong with a manifest is told at its place, with the rule, and with the way out."""

from __future__ import annotations

import re

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.load import render_sources
from qdrantctl.kinds.catalog import KINDS
from qdrantctl.model.address import Address
from qdrantctl.model.resource import Origin
from qdrantctl.model.spec import FieldTree, field_tree_of
from qdrantctl.model.violation import Severity
from tests.support.cli import run_cli
from tests.support.manifests import HEAD, linted, loaded, place, violations

SPEC = [
    # what follows HEAD, from line 6 on; rule, line, column; words of message and hint
    ("  hnsw_config: {m: -1}", "QC043", 6, 20, "m must be at least 0, found -1", "Edges per node"),
    ("  hnsw_config: {m: 1e3}", "QC042", 6, 20, "a whole number, found 1000.0", "Write 1000."),
    ("  hnsw_config: {m: 0777}", "QC011", 6, 20, "0777 is octal to some", "Write 777"),
    ("  hnsw_config: {m: +08}", "QC011", 6, 20, "+08 is octal to some", "Write +8"),
    ("  hnsw_config: {m: .inf}", "QC011", 6, 20, ".inf is not a number", "Leave it out"),
    ("  hnsw_config: {m: .NaN}", "QC011", 6, 20, ".NaN is not a number", "Leave it out"),
    ("  hnsw_config: {m: 1e999}", "QC011", 6, 20, "the number is too large", "smaller"),
    ("  hnsw_config: {m: " + "9" * 500 + "}", "QC011", 6, 20, "the number is too long", "smaller"),
    ("  hnsw_config: {m: 3.5}", "QC042", 6, 20, "found 3.5", "Fractions are not allowed"),
    ("  hnsw_config: {m: '3'}", "QC042", 6, 20, 'found the string "3"', "Remove the quotes."),
    ("  hnsw_config: {m: true}", "QC042", 6, 20, "found true", "Edges per node"),
    ("  hnsw_config: {m: 70000}", "QC043", 6, 20, "at most 65535", "Edges per node"),
    ("  hnsw_config: {ef_construct: 3}", "QC043", 6, 31, "at least 4", "Neighbours"),
    ("  hnsw_config: {full_scan_threshold: 9}", "QC043", 6, 38, "at least 10", "Kilobytes"),
    ("  hnsw_config: [m]", "QC042", 6, 16, "must be a mapping, found a list", "Graph settings"),
    ("  hnsw_config: {M: 3}", "QC040", 6, 17, "'M' is not a key of hnsw_config", "'m'?"),
    ("  hnsw_config: {ef-construct: 9}", "QC040", 6, 17, "'ef-construct'", "'ef_construct'?"),
    ("  on_disk_payload: yes", "QC042", 6, 20, 'true or false, found the string "yes"', "YAML 1.2"),
    ("  on_disk_payload: 1", "QC042", 6, 20, "true or false, found 1", "Keep payload on disk"),
    ("  on_disk_payload: 2024-01-01", "QC042", 6, 20, '"2024-01-01"', "Keep payload"),
    ("  optimizers_config: {deleted_threshold: 1.5}", "QC043", 6, 42, "at most 1.0", "Share"),
    ("  optimizers_config: {vacuum_min_vector_number: 99}", "QC043", 6, 49, "100", "100"),
    ("  optimizers_config: {max_segment_size: 0}", "QC043", 6, 41, "at least 1", "kilobytes"),
    ("  optimizers_config: {max_optimization_threads: Auto}", "QC044", 6, 49, '"Auto"', "auto?"),
    ("  optimizers_config: {max_optimization_threads: -1}", "QC043", 6, 49, "found -1", "auto"),
    ("  optimizer_config: {}\n  optimizers_config: {}", "QC040", 6, 3, "the same as", "Keep one"),
    ("  wal_config: {wal_retain_closed: -1}", "QC043", 6, 35, "at least 1", "at least 1"),
    ("  wal_config: {wal_capacity_mb: 0}", "QC043", 6, 33, "at least 1", "megabytes"),
    ("  shard_number: 0", "QC043", 6, 17, "at least 1", "Shards"),
    ("  replication_factor: 4294967296", "QC043", 6, 23, "at most 4294967295", "Replicas"),
    ("  sharding_method: Auto", "QC044", 6, 20, '"Auto"', "Did you mean auto?"),
    ("  shard_keys: [eu]", "QC117", 6, 15, "sharding_method: custom", "Add sharding_method"),
    ("  sharding_method: custom\n  shard_keys: [1.5]", "QC042", 7, 16, "found 1.5", "Shard keys"),
    ("  sharding_method: custom\n  shard_keys: eu", "QC042", 7, 15, "a list", "Write [eu]."),
    ("  sharding_method: custom\n  shard_keys: [a, a]", "QC114", 7, 15, "'a' is stated", "Keep"),
    ("  sharding_method: custom\n  shard_keys: [{key: a, shards_number: 0}]", "QC043", 7, 40,
     "shard_keys[0].shards_number must be at least 1", "Shards of this key"),
    ("  quantization_config: {}", "QC110", 6, 24, "found none", "scalar, product, binary"),
    ("  quantization_config: {scalar: {type: int8}, binary: {}}", "QC110", 6, 24,
     "found scalar and binary", "Keep one"),
    ("  quantization_config: {scalar: {type: int8, quantile: 0.4}}", "QC043", 6, 56, "0.5", "0.5"),
    ("  quantization_config: {product: {compression: X16}}", "QC044", 6, 48, '"X16"', "x16?"),
    ("  quantization_config: {scaler: {type: int8}}", "QC040", 6, 25, "'scaler'", "'scalar'?"),
    ("  payload_indexes: {a: Keyword}", "QC044", 6, 24, '"Keyword"', "Did you mean keyword?"),
    ("  payload_indexes: {a: {}}", "QC041", 6, 24, "type is required", "Add it."),
    ("  payload_indexes: {a: {typ: keyword}}", "QC041", 6, 24, "type is required", "'typ'"),
    ("  payload_indexes: {a: {type: bool, is_tenant: true}}", "QC040", 6, 37,
     "'is_tenant' is not a key of payload_indexes.a of type bool", "Leave it out."),
    ("  payload_indexes: {a: {type: integer, lookup: false, range: false}}", "QC111", 6, 24,
     "neither lookup nor range", "Set lookup or range to true"),
    ("  payload_indexes: {a: {type: text, tokenizer: Word}}", "QC044", 6, 48, '"Word"', "word?"),
    ("  payload_indexes: {a: {type: text, min_token_len: -1}}", "QC043", 6, 52, "-1", "Shorter"),
    ("  payload_indexes: {a: {type: text, stopwords: klingon}}", "QC112", 6, 48, "klingon", "one"),
    ("  payload_indexes: [a]", "QC042", 6, 20, "a mapping, found a list", "field path"),
    ("  payload_indexes: {a: 3}", "QC042", 6, 24, "found 3", "bare type"),
    ("  payload_indexes: {a..b: keyword}", "QC113", 6, 21, "'a..b' is not a payload path", "dots"),
    ("""  payload_indexes: {a: keyword, '"a"': text}""", "QC113", 6, 40, "twice", "Keep one"),
    ("  payload_indexes: {a: keyword, b: keyword}\n"
     "  strict_mode_config: {max_payload_index_count: 1}", "QC118", 7, 49, "allows 1", "Raise"),
    ("  strict_mode_config: {max_query_limit: 0}", "QC043", 6, 41, "at least 1", "limit"),
    ("  strict_mode_config: {search_allow_exact: no}", "QC042", 6, 44, '"no"', "true or false"),
    ("  strict_mode_config: {max_query_limt: 3}", "QC040", 6, 24, "limt'", "'max_query_limit'?"),
    ("  metadata: [a]", "QC042", 6, 13, "must be a mapping", "metadata"),
    ("  metadata: {a: null}", "QC115", 6, 17, "'a' is null", "Leave the key out."),
    ("  sparse_vectors: {a: null}", "QC042", 6, 23, "found nothing", "{} for none"),
    ("  sparse_vectors: {a: {modifier: IDF}}", "QC044", 6, 34, '"IDF"', "Did you mean idf?"),
    ("  sparse_vectors: {'': {}}", "QC116", 6, 24, "'' is a dense and a sparse", "another name"),
    ("  max_segment_size: 3", "QC040", 6, 3, "not a key", "It belongs under optimizers_config."),
    ("  hnsw: {m: 3}", "QC040", 6, 3, "'hnsw' is not a key", "Did you mean 'hnsw_config'?"),
    ("  nothing_like_it: 3", "QC040", 6, 3, "not a key", "Known here: hnsw_config, id_tracker"),
    ("  init_from: {collection: a}", "QC040", 6, 3, "'init_from' is not a key", "Known here"),
    ("lifecyle: {}", "QC040", 6, 1, "'lifecyle' is not a key", "Did you mean 'lifecycle'?"),
    ("lifecycle: {protect: yes}", "QC042", 6, 22, "lifecycle.protect", "Write true or false"),
    ("lifecycle: {replace: recrate}", "QC044", 6, 22, '"recrate"', "Did you mean recreate?"),
    ("lifecycle: {replacement: {rate: 5}}", "QC061", 6, 26, "no effect", "blue_green"),
    ("lifecycle: {replace: blue_green, replacement: {fill: command}}", "QC061", 6, 54, "needs the",
     "command: ["),
    ("lifecycle: {replace: blue_green, replacement: {text_fields: [a]}}", "QC061", 6, 61, "effect",
     "fill: command"),
    ("lifecycle: {replace: blue_green, replacement: {keep: 0d}}", "QC045", 6, 54, "", ""),
    ("lifecycle: {replace: blue_green, replacement: {fill: external, from: {environment: b}}}",
     "QC061", 6, 70, "are copied", "Leave fill out"),
    ("lifecycle: {ignore: [{path: hnsw_config.m}]}", "QC041", 6, 22, "reason", "Add reason"),
    ("lifecycle: {ignore: [{path: hnsw_config.m, reason: x, untill: x}]}", "QC040", 6, 55, "untill",
     "'until'?"),
    ("lifecycle: {ignore: [{path: a, reason: x, until: 20270101}]}", "QC045", 6, 50, "date",
     "YYYY"),
    ("lifecycle: {ignore: [{path: hnsw_config.n, reason: x}]}", "QC060", 6, 29, "n is not", "dots"),
    ("lifecycle: {exclusive: [hnsw_config]}", "QC060", 6, 25, "not a map", "payload_indexes"),
    ("lifecycle: {exclusive: payload_indexes}", "QC042", 6, 24, "a list", "[payload_indexes]"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "rule", "line", "column", "said", "hint"), SPEC)
def test_a_wrong_field(more, rule, line, column, said, hint, tmp_path):
    [found] = violations(HEAD + more + "\n", tmp_path)
    assert place(found) == (rule, line, column)
    assert said in found.message
    assert hint in found.hint
    assert found.snippet == (HEAD + more).splitlines()[line - 1][:300] + ("…" * (len(more) > 300))


VECTORS = [
    ("{size: 0, distance: Dot}", "QC043", 19, "at least 1", "Dimensions, 1 to 65536"),
    ("{size: 65537, distance: Dot}", "QC043", 19, "at most 65536", "Dimensions"),
    ("{size: 4.0, distance: Dot}", "QC042", 19, "found 4.0", "Write 4."),
    ("{size: '4', distance: Dot}", "QC042", 19, "whole number", "Remove the quotes."),
    ("{size: 4, distance: cosine}", "QC044", 32, '"cosine"', "Did you mean Cosine?"),
    ("{size: 4, distance: L2}", "QC044", 32, '"L2"', "One of Cosine, Euclid, Dot, Manhattan."),
    ("{size: 4}", "QC041", 12, "distance is required", "Add distance: the metric."),
    ("[]", "QC042", 12, "must be a mapping", "unnamed vector"),
    ("{a: {size: 4, distance: Dot}, b: 3}", "QC042", 45, "vectors.b must be a mapping", "by name"),
    ("{a: null}", "QC042", 16, "found nothing", "Write its settings"),
    ("{size: 4, distance: Dot, hnsw_config: {em: 3}}", "QC040", 51, "'em'", "Known here: ef_con"),
    ("{size: 4, distance: Dot, hnsw_config: {m: x}}", "QC042", 54, "hnsw_config.m", "Edges"),
    ("{size: 4, distance: Dot, multivector_config: {}}", "QC041", 57, "comparator", "compared"),
    ("{size: 4, distance: Dot, datatype: Float32}", "QC044", 47, '"Float32"', "float32?"),
    ("{a: {size: 4, distance: Dot, on_dsk: true}}", "QC040", 41, "of vectors.a", "'on_disk'?"),
    ("{" + "é" * 101 + ": {size: 4, distance: Dot}}", "QC116", 116, "202 bytes", "Shorten"),
]


@pytest.mark.parametrize(("vectors", "rule", "column", "said", "hint"), VECTORS)
def test_a_wrong_vector(vectors, rule, column, said, hint, tmp_path):
    text = HEAD.replace("{size: 4, distance: Dot}", vectors)
    [found] = violations(text, tmp_path)
    assert place(found) == (rule, 5, column)
    assert said in found.message
    assert hint in found.hint


WHOLE = [
    (HEAD.replace("products", "..."), "QC050", 3, 18, "a path segment", "another name"),
    (HEAD.replace("products", "a/b"), "QC050", 3, 18, "forbids '/'", "another name"),
    (HEAD.replace("products", "''"), "QC050", 3, 18, "cannot be empty", "another name"),
    (HEAD.replace("products", "é" * 128), "QC050", 3, 18, "256 bytes", "another name"),
    (HEAD.replace("products", '"a\\u001f"'), "QC050", 3, 18, "forbids", "another name"),
    (HEAD.replace("products", "_qdrantctl"), "QC051", 3, 18, "reserved for", "another name"),
    (HEAD.replace("products", "a b"), "QC052", 3, 18, "cannot handle", "Letters, digits"),
    (HEAD.replace("products", "12"), "QC042", 3, 18, "a string, found 12", "Put it in quotes."),
    (HEAD.replace("name: p", "nam: p"), "QC041", 3, 11, "name is required", "Add name"),
    (HEAD.replace("{name: products}", "c"), "QC042", 3, 11, "a mapping", "Name and labels"),
    (HEAD.replace("metadata: {name: products}\n", ""), "QC041", 1, 1, "metadata is", "Add meta"),
    (HEAD.partition("spec")[0], "QC041", 1, 1, "spec is required", "Add spec"),
    (HEAD.partition("spec")[0] + "spec: [a]", "QC042", 4, 7, "a mapping", "Desired settings"),
    (HEAD.replace("/v1", "/v2"), "QC031", 1, 13, "'qdrantctl/v2' is not known", "qdrantctl/v1"),
    (HEAD.replace("Collection", "Colection"), "QC032", 2, 7, "'Colection'", "mean Collection?"),
    (
        HEAD.replace("Collection", "Pod"),
        "QC032",
        2,
        7,
        "'Pod'",
        "Known are AccessKey, Alias, Collection,",
    ),
    (HEAD.replace("Collection", "Project"), "QC033", 2, 7, "is a project file", "qdrantctl.yaml"),
    ("- 3", "QC030", 1, 1, "not a manifest", "apiVersion: qdrantctl/v1"),
    ("kind: Alias", "QC030", 1, 1, "not a manifest", "kind: Collection"),
    ("kind: List\nitems: 3", "QC042", 2, 8, "must be a list", "under items"),
    ("kind: List\nitems: [3]", "QC030", 2, 9, "not a manifest", "begins with"),
]


@pytest.mark.parametrize(("text", "rule", "line", "column", "said", "hint"), WHOLE)
def test_a_wrong_manifest(text, rule, line, column, said, hint, tmp_path):
    found = violations(text, tmp_path)[0]
    assert place(found) == (rule, line, column)
    assert said in found.message
    assert hint in found.hint


ALIASES = [
    ("metadata: {name: ...}\nspec: {collection: a}", "QC050", 3, 18),
    ("metadata: {name: a/b}\nspec: {collection: a}", "QC050", 3, 18),
    ("metadata: {name: x}\nspec: {collection: ...}", "QC103", 4, 20),
    ("metadata: {name: x}\nspec: {collection: x}", "QC103", 4, 20),
    ("metadata: {name: x}\nspec: {collection: ''}", "QC103", 4, 20),
    ("metadata: {name: x}\nspec: {}", "QC041", 4, 7),
]


@pytest.mark.parametrize(("text", "rule", "line", "column"), ALIASES)
def test_a_wrong_alias(text, rule, line, column, tmp_path):
    [found] = violations(f"apiVersion: qdrantctl/v1\nkind: Alias\n{text}\n", tmp_path)
    assert place(found) == (rule, line, column)


def test_an_alias_of_an_alias_and_one_named_like_a_collection(tmp_path):
    text = HEAD
    for name, target in (("live", "other"), ("next", "live"), ("products", "other")):
        text += "---\napiVersion: qdrantctl/v1\nkind: Alias\n"
        text += f"metadata: {{name: {name}}}\nspec: {{collection: {target}}}\n"
    found = violations(text, tmp_path)
    assert [place(v) for v in found] == [("QC054", 3, 18), ("QC103", 15, 20)]
    assert "alias/products (a.yaml:17)" in found[0].message
    assert "live is itself an alias" in found[1].message


@pytest.mark.parametrize("word", ["collection/...", "alias/...", "collection/a/b"])
@pytest.mark.parametrize("flag", ["--target", "--exclude", "--adopt", "--allow-delete"])
def test_such_names_are_refused_on_the_command_line(flag, word, tmp_path):
    (tmp_path / "a.yaml").write_text(HEAD)
    told = ["plan", "-C", str(tmp_path), "-f", "a.yaml", "--url", "http://localhost:1", flag, word]
    result = run_cli(*told)
    assert result.code == 64
    assert flag in result.err


def test_all_errors_are_told_at_once_in_the_order_of_the_files(tmp_path):
    (tmp_path / "b.yaml").write_text(HEAD + "  hnsw_config: {m: -1, n: 2}\n  shard_number: 0\n")
    (tmp_path / "c.yaml").write_text("a: [")
    (tmp_path / "a.yaml").write_text(HEAD.replace("kind", "kint"))
    found = linted(loaded(tmp_path, "."))
    assert [(v.origin.file, v.origin.line, v.rule) for v in found] == [
        ("a.yaml", 1, "QC030"),
        ("b.yaml", 6, "QC043"),
        ("b.yaml", 6, "QC040"),
        ("b.yaml", 7, "QC043"),
        ("c.yaml", 1, "QC005"),
    ]


def unknown_keys(shape: FieldTree, path: tuple[str, ...] = ()):
    """A path to an unknown key in every section that a spec has."""
    if shape.fields:
        yield (*path, "hopefully_unknown")
    if shape.entries is not None:
        yield from unknown_keys(shape.entries, (*path, "entry"))
    for name, inner in shape.fields.items():
        yield from unknown_keys(inner, (*path, name))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_unknown_keys_are_errors_at_every_depth(kind, tmp_path):
    paths = list(unknown_keys(field_tree_of(kind.spec)))
    assert len(paths) > (20 if kind.name == "collection" else 0)
    for path in paths:
        tree = ": {".join(path) + ": 1" + "}" * (len(path) - 1)
        tree = tree.replace("payload_indexes: {entry: {", "payload_indexes: {entry: {type: text, ")
        tree = re.sub(r"shard_keys: \{entry: (.*)\}$", r"shard_keys: [\1]", tree)
        text = (
            f"apiVersion: qdrantctl/v1\nkind: {kind.manifest}\nmetadata: {{name: x}}\n"
            f"spec: {{{tree}}}\n"
        )
        found = [v for v in violations(text, tmp_path) if v.rule == "QC040"]
        assert any("hopefully_unknown" in v.message for v in found), (path, found)
        assert all(v.hint for v in found)


def test_where_resources_and_fields_stand(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "# first\n"
        + HEAD
        + "  quantization: {scalar: {type: int8}}\n  payload_indexes:\n    '\"a\"': keyword\n"
        + "  sharding_method: custom\n  shard_keys:\n    - eu\n    - {key: 7, shards_number: 2}\n"
    )
    resource = loaded(tmp_path).desired[Address("collection", "products")]
    assert resource.origin == Origin(file="a.yaml", line=2)
    lines = {
        ("vectors", "", "size"): 6,
        ("quantization_config", "scalar", "type"): 7,
        ("payload_indexes", "a"): 9,
        ("shard_keys", "eu"): 12,
        ("shard_keys", 7, "shards_number"): 13,
        ("hnsw_config", "m"): 5,
    }
    assert {path: resource.origin_of(path).line for path in lines} == lines


def test_a_list_is_unpacked(tmp_path):
    item = "\n".join("    " + line for line in HEAD.replace("Dot", "Dott").splitlines())
    text = f"apiVersion: v1\nkind: List\nitems:\n  -\n{item}\n"
    [found] = violations(text, tmp_path)
    assert place(found) == ("QC044", 9, 36)


def test_labels_annotations_and_namespace_are_accepted(tmp_path):
    more = "{name: products, labels: {a: b}, annotations: {c: d}, namespace: search}"
    assert not violations(HEAD.replace("{name: products}", more), tmp_path)


def test_null_is_absent(tmp_path):
    assert not violations(HEAD + "  hnsw_config:\n  shard_number: null\nlifecycle:\n", tmp_path)


def test_equal_specs_are_read_once_and_those_that_only_compare_as_equal_are_not(tmp_path):
    for name, more in (("a", "true"), ("b", "true"), ("c", "1")):
        text = HEAD.replace("products", name) + f"  on_disk_payload: {more}\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    found = loaded(tmp_path, "*.yaml")
    first, second = found.desired.values()
    assert first.spec is second.spec
    assert [(v.origin.file, v.rule) for v in found.violations] == [("c.yaml", "QC042")]


def test_standard_input(tmp_path):
    found = loaded(tmp_path, "-", stdin=HEAD.encode() + b"  shard_number: 0\n")
    assert [(v.origin.file, v.origin.line) for v in found.violations] == [("<stdin>", 6)]
    assert not loaded(tmp_path, "-", "-", stdin=HEAD.encode()).violations


def test_a_name_that_many_tools_choke_on_is_a_warning(tmp_path):
    [found] = violations(HEAD.replace("products", "Prodükte"), tmp_path)
    assert (found.rule, found.severity) == ("QC052", Severity.WARNING)
    assert found.address == "collection/Prodükte"


class TestFiles:
    """Which files are read."""

    def files(self, folder, *patterns):
        sources = loaded(folder, *patterns)
        found = {resource.origin.file for resource in sources.desired.values()}
        return found, [v.rule for v in sources.violations]

    @pytest.fixture
    def folder(self, tmp_path):
        for number, name in enumerate(
            ["a.yaml", "b.yml", "c.json", ".d.yaml", "x/e.yaml", "x/y/f.yaml.j2", ".git/g.yaml"]
        ):
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).write_text(HEAD.replace("products", f"c{number}"))
        return tmp_path

    @pytest.mark.parametrize(
        ("patterns", "found"),
        [
            (["."], {"a.yaml", "b.yml", "x/e.yaml", "x/y/f.yaml.j2"}),
            (["a.yaml", ".", "a.yaml"], {"a.yaml", "b.yml", "x/e.yaml", "x/y/f.yaml.j2"}),
            (["*"], {"a.yaml", "b.yml", "x/e.yaml", "x/y/f.yaml.j2"}),
            (["*.y*ml"], {"a.yaml", "b.yml"}),
            (["**/*.yaml"], {"a.yaml", "x/e.yaml"}),
            (["x/**"], {"x/e.yaml", "x/y/f.yaml.j2"}),
            (["c.json"], {"c.json"}),
            ([".d.yaml"], {".d.yaml"}),
            ([".*.yaml"], {".d.yaml"}),
            (["[ab].y*"], {"a.yaml", "b.yml"}),
        ],
    )
    def test_patterns(self, folder, patterns, found):
        assert self.files(folder, *patterns) == (found, [])

    def test_what_matches_nothing_is_an_error(self, folder):
        (folder / "empty").mkdir()
        assert self.files(folder, "q.yaml", "q/*.yaml", "empty") == (set(), ["QC002"] * 3)

    def test_a_name_that_looks_like_a_glob(self, folder):
        (folder / "[a].yaml").write_text(HEAD)
        assert self.files(folder, "[a].yaml") == ({"[a].yaml"}, [])

    def test_one_file_under_two_names_is_read_once(self, folder):
        (folder / "z.yaml").symlink_to("a.yaml")
        (folder / "zz.yaml").hardlink_to(folder / "a.yaml")
        found, problems = self.files(folder, "a.yaml", "z.yaml", "zz.yaml")
        assert (found, problems) == ({"a.yaml"}, [])

    def test_outside_the_base(self, folder):
        assert self.files(folder / "x", "../a.yaml") == ({"../a.yaml"}, [])


def test_render_text_goes_on_after_a_broken_file(tmp_path):
    (tmp_path / "a.yaml.j2").write_text("{{ nope }}")
    (tmp_path / "b.yaml").write_text(HEAD)
    found = list(render_sources(loaded_sources(tmp_path), lambda: b""))
    assert [type(one).__name__ for one in found] == ["SourceText", "Violation"]
    assert isinstance(found[0], SourceText)
    assert found[0].text == HEAD


def loaded_sources(folder):
    from qdrantctl.adapters.manifests.sources import Sources

    return Sources(folder, (".",), explicit=True)
