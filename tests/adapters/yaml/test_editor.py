"""What changes in the text of a manifest, byte by byte."""

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests.edit import edit_spec
from qdrantctl.adapters.manifests.load import load_source
from qdrantctl.adapters.yaml import nodes as yaml_nodes
from qdrantctl.adapters.yaml.editor import CannotEdit
from qdrantctl.engine.importing.manifest_form import rewrite_in_place
from qdrantctl.kinds.catalog import BY_NAME, KINDS
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import json_equal


@pytest.fixture(params=["C", "Python"], autouse=True)
def _parser(request, monkeypatch):
    if request.param == "Python":
        monkeypatch.setattr(yaml_nodes, "parse_events", yaml_nodes.parse_events_slowly)


HEAD = """\
# ours
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: c}
"""
C = Address("collection", "c")


def changed(text, **spec):
    """`text` after its collection says `spec`; a part of None is gone."""
    source, shape = load_source(SourceText("a.yaml", text), KINDS).declared[C]
    before = load_source(SourceText("a.yaml", text), KINDS).desired[C].spec
    kind = BY_NAME["collection"]
    stated = {**before, **spec}
    wanted = kind.canonical(
        kind.spec.model_validate({k: v for k, v in stated.items() if v is not None})
    )
    made = edit_spec(source, rewrite_in_place(shape, source.value["spec"], before, wanted), shape)
    found = load_source(SourceText("a.yaml", made), KINDS)
    assert found.violations == (), made
    assert json_equal(dict(found.desired[C].spec), dict(wanted)), made
    return made


BLOCK = """\
spec:
    vectors:   { size: 4,  distance: Dot }   # as the model has them
    # the graph
    hnsw_config:
        m: 0x20      # wide
        ef_construct: 200
    payload_indexes:
        brand: "keyword"

        # money
        price: {type: float}   # in cents
        '"in stock"': bool
lifecycle: {protect: true}
"""
CASES = {
    "a scalar, where it stands": (
        BLOCK,
        {"hnsw_config": {"m": 48, "ef_construct": 200}},
        BLOCK.replace("0x20", "48"),
    ),
    "a part of a section is gone": (
        BLOCK,
        {"hnsw_config": {"ef_construct": 200}},
        BLOCK.replace("        m: 0x20      # wide\n", ""),
    ),
    "a section is gone with its last part": (
        BLOCK,
        {"hnsw_config": None},
        BLOCK.replace("    hnsw_config:\n        m: 0x20      # wide\n", "")
        .replace("        ef_construct: 200\n", ""),
    ),
    "an index in the middle is gone, the comment above it stays": (
        BLOCK,
        {"payload_indexes": {"brand": "keyword", '"in stock"': "bool"}},
        BLOCK.replace("        price: {type: float}   # in cents\n", ""),
    ),
    "the last index is gone and another comes": (
        BLOCK,
        {"payload_indexes": {"brand": "keyword", "price": "float", "tag": "uuid"}},
        BLOCK.replace("        '\"in stock\"': bool\n", "        tag: uuid\n"),
    ),
    "a short form grows": (
        BLOCK,
        {"payload_indexes": {"brand": {"type": "keyword", "is_tenant": True}, "price": "float",
                             '"in stock"': "bool"}},
        BLOCK.replace('"keyword"', "{type: keyword, is_tenant: true}"),
    ),
    "a flow mapping grows": (
        BLOCK,
        {"payload_indexes": {"brand": "keyword", "price": {"type": "float", "on_disk": True},
                             '"in stock"': "bool"}},
        BLOCK.replace("{type: float}", "{type: float, on_disk: true}"),
    ),
    "sections come at the end, as people indent here": (
        BLOCK,
        {"metadata": {"team": "a b", "on": "off"}, "on_disk_payload": False},
        BLOCK.replace("lifecycle", "    on_disk_payload: false\n    metadata:\n"
                                   '        "on": "off"\n        team: a b\nlifecycle'),
    ),
    "the unnamed vector keeps its spaces": (
        BLOCK,
        {"vectors": {"": {"size": 4, "distance": "Dot", "on_disk": True}}},
        BLOCK.replace("Dot }", "Dot, on_disk: true }"),
    ),
    "in a flow first, middle and last go": (
        "spec: {on_disk_payload: true, shard_number: 1, hnsw_config: {m: 1}, metadata: {a: 1}}\n",
        {"on_disk_payload": None, "shard_number": None, "metadata": None},
        "spec: {hnsw_config: {m: 1}}\n",
    ),
    "all of a flow goes": (
        "spec: {on_disk_payload: true}   # x\n",
        {"on_disk_payload": None},
        "spec: {}   # x\n",
    ),
    "JSON stays JSON": (
        'spec: {"hnsw_config": {"m": 1}, "vectors": {"size": 4, "distance": "Dot"}}\n',
        {"hnsw_config": {"m": 2, "ef_construct": 9}, "payload_indexes": {"a": "bool"}},
        'spec: {"hnsw_config": {"m": 2, "ef_construct": 9}, "vectors": {"size": 4, "distance": '
        '"Dot"}, "payload_indexes": {"a": "bool"}}\n',
    ),
    "no line end at the end": (
        "spec:\n  shard_number: 1",
        {"on_disk_payload": True},
        "spec:\n  shard_number: 1\n  on_disk_payload: true",
    ),
    "the last line goes": (
        "spec:\n  shard_number: 1\n  on_disk_payload: true",
        {"on_disk_payload": None},
        "spec:\n  shard_number: 1\n",
    ),
    "lists of shard keys": (
        "spec:\n  sharding_method: custom\n  shard_keys:\n  - eu   # Europe\n  - 7\n"
        "  - {key: us, shards_number: 2}\n",
        {"shard_keys": ["eu", {"key": "us", "shards_number": 3}, "asia"]},
        "spec:\n  sharding_method: custom\n  shard_keys:\n  - eu   # Europe\n"
        "  - {key: us, shards_number: 3}\n  - asia\n",
    ),
    "a shard key goes and another comes, each with its own comment": (
        "spec:\n  sharding_method: custom\n  shard_keys:\n  - eu   # Europe\n  - us   # America\n",
        {"shard_keys": ["us", "asia"]},
        "spec:\n  sharding_method: custom\n  shard_keys:\n  - us   # America\n  - asia\n",
    ),
    "a shard key that says more by now": (
        "spec:\n  sharding_method: custom\n  shard_keys:\n  - eu   # Europe\n  - us   # America\n",
        {"shard_keys": ["eu", {"key": "us", "shards_number": 2}, "asia"]},
        "spec:\n  sharding_method: custom\n  shard_keys:\n  - eu   # Europe\n"
        "  - {key: us, shards_number: 2}   # America\n  - asia\n",
    ),
    "a list whose entries are known by their place": (
        "spec:\n  metadata:\n    a:\n    - b: 1   # one\n    - 2\n",
        {"metadata": {"a": [{"b": 3}, 2]}},
        "spec:\n  metadata:\n    a:\n    - b: 3   # one\n    - 2\n",
    ),
    "a list in another order": (
        "spec:\n  metadata:\n    a:\n    - 'x # y'\n    - 2\n    b: 1 # one\n",
        {"metadata": {"a": [2, "x # y"], "b": 1}},
        "spec:\n  metadata:\n    a: [2, \"x # y\"]\n    b: 1 # one\n",
    ),
    "lists in a flow": (
        "spec:\n  sharding_method: custom\n  shard_keys: [eu, 7, us]\n",
        {"shard_keys": ["us", "asia"]},
        "spec:\n  sharding_method: custom\n  shard_keys: [us, asia]\n",
    ),
    "other spellings": (
        "spec:\n  optimizer_config:\n    indexing_threshold_kb: 1\n",
        {"optimizers_config": {"indexing_threshold": 2, "max_segment_size": 5}},
        "spec:\n  optimizer_config:\n    indexing_threshold_kb: 2\n    max_segment_size: 5\n",
    ),
    "nothing becomes something": (
        "spec:\n  payload_indexes:   # none yet\n  shard_number: 1\n",
        {"payload_indexes": {"a": "bool"}},
        "spec:\n  payload_indexes: {a: bool}   # none yet\n  shard_number: 1\n",
    ),
    "inside of metadata": (
        "spec:\n  metadata:\n    a:\n      b: 1   # one\n      c: [1, 2]\n    d: 'x'\n",
        {"metadata": {"a": {"b": 2, "c": [1, 2, {"e": 1}]}, "d": "it's"}},
        "spec:\n  metadata:\n    a:\n      b: 2   # one\n      c: [1, 2, {e: 1}]\n    d: 'it''s'\n",
    ),
    "an alias is written out": (
        "spec:\n  metadata: {x: &x {m: 3}}\n  hnsw_config: *x\n",
        {"hnsw_config": {"m": 4}},
        "spec:\n  metadata: {x: &x {m: 3}}\n  hnsw_config: {m: 4}\n",
    ),
    "a merged key is overruled": (
        "spec:\n  metadata: {x: &x {m: 3}}\n  hnsw_config:\n    <<: *x\n    ef_construct: 9\n",
        {"hnsw_config": {"m": 4, "ef_construct": 9}},
        "spec:\n  metadata: {x: &x {m: 3}}\n  hnsw_config:\n    <<: *x\n    ef_construct: 9\n"
        "    m: 4\n",
    ),
    "a merged key that goes takes the merge along": (
        "spec:\n  metadata: {x: &x {m: 3}}\n  hnsw_config:\n    <<: *x\n    ef_construct: 9\n",
        {"hnsw_config": {"ef_construct": 9}},
        "spec:\n  metadata: {x: &x {m: 3}}\n  hnsw_config: {ef_construct: 9}\n",
    ),
    "odd words": (
        "spec:\n  metadata:\n    a: 1\n",
        {"metadata": {"a": "012", "7": "\u2028\x7f\t", "null": "a: b # c"}},
        'spec:\n  metadata:\n    a: "012"\n    "7": "\\U00002028\\U0000007f\\t"\n'
        '    "null": "a: b # c"\n',
    ),
}  # fmt: skip
OTHER = "---\n# theirs\napiVersion: qdrantctl/v1\nkind: Collection\nmetadata: {name: d}\nspec: {}\n"
FIRST = OTHER[4:].replace("d}", "e}")


@pytest.mark.parametrize("case", CASES)
def test_only_what_differs_changes(case):
    before, spec, after = CASES[case]
    assert changed(HEAD + before, **spec) == HEAD + after


@pytest.mark.parametrize("case", [name for name, (text, *_) in CASES.items() if text[-1] == "\n"])
def test_other_documents_stay_and_so_do_line_ends(case):
    before, spec, after = (
        f"{FIRST}---\n{HEAD}{part}{OTHER}" if isinstance(part, str) else part
        for part in CASES[case]
    )
    assert changed(before, **spec) == after
    windows = changed(before.replace("\n", "\r\n"), **spec)
    assert windows == after.replace("\n", "\r\n")


def test_a_manifest_in_a_list():
    listed = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: qdrantctl/v1\n  kind: Collection\n"
        "  metadata: {name: c}\n  spec:\n    shard_number: 1\n    hnsw_config: {m: 3}\n"
    )
    made = changed(listed, hnsw_config={"m": 4}, shard_number=None)
    assert made == listed.replace("m: 3", "m: 4").replace("    shard_number: 1\n", "")


def test_a_spec_that_is_an_alias_of_another():
    text = HEAD + "metadata_: 1\n"
    assert load_source(SourceText("a.yaml", text), KINDS).desired == {}
    shared = HEAD.replace("{name: c}", "{name: c, labels: &l {}}") + "spec: *l\n"
    assert changed(shared, shard_number=2) == shared.replace("*l", "{shard_number: 2}")


@pytest.mark.parametrize(
    ("before", "spec"),
    [
        ("spec:\n  metadata:\n    a:\n    - x   # one\n    - y\n", {"metadata": {"a": ["y", "x"]}}),
        ("spec:\n  metadata:\n    # ours\n    a: 1\n    b: 2   # two\n", {"metadata": {"c": 1}}),
        ("spec:\n  metadata: {a: [1,   # one\n    2]}\n", {"metadata": {"a": [2, 1]}}),
        ("spec:\n  hnsw_config:   # the graph\n    m: 1\n", {"hnsw_config": {"payload_m": 1}}),
    ],
)
def test_what_would_lose_a_comment_is_awkward(before, spec):
    with pytest.raises(CannotEdit, match="a comment in it would be lost"):
        changed(HEAD + before, **spec)


def test_what_is_not_found_is_awkward():
    text = HEAD + "spec: {}\n"
    source, shape = load_source(SourceText("a.yaml", text), KINDS).declared[C]
    object.__setattr__(source, "prefix", ("items", 3))
    with pytest.raises(CannotEdit):
        edit_spec(source, {"shard_number": 1}, shape)
