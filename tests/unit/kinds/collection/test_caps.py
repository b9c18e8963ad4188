"""Caps that lock the owner out, and profiles that are laid under a collection's own caps."""

from __future__ import annotations

import pytest

from qdrantctl.flows.state.desired import apply_overlays
from qdrantctl.model.address import Address
from tests.support.manifests import HEAD, linted, loaded

PRODUCTS = Address("collection", "products")
INDEXED = "  payload_indexes: {a: keyword, b: keyword}\n"
PROFILE = """\
---
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {name: NAME}
spec:
  SELECTS
  config: CAPS
"""


def profile(name: str, caps: str, selects: str = 'collections: ["*"]') -> str:
    return PROFILE.replace("NAME", name).replace("SELECTS", selects).replace("CAPS", caps)


def read(tmp_path, text: str):
    (tmp_path / "a.yaml").write_text(text)
    found = loaded(tmp_path, "a.yaml")
    return apply_overlays(found), {(v.rule, v.origin.line): v.message for v in linted(found)}


def caps(tmp_path, text: str) -> dict:
    wanted, told = read(tmp_path, text)
    assert told == {}
    return wanted[PRODUCTS].spec.get("strict_mode_config", {})


@pytest.mark.parametrize(
    ("strict", "more", "rule", "words"),
    [
        ("write_rate_limit: 2", INDEXED, "QC104", "none can be created"),
        ("write_rate_limit: 9, upsert_max_batchsize: 10", "", "QC104", "batch of 10 points"),
        ("enabled: true, upsert_max_batchsize: 0", "", "QC104", "0 blocks every upsert"),
        ("enabled: true, filter_max_conditions: 0", "", "QC104", "0 blocks every filter"),
        ("enabled: true, max_payload_index_count: 1", INDEXED, "QC118", "allows 1"),
    ],
)
def test_a_cap_that_locks_its_owner_out_must_be_meant(tmp_path, strict, more, rule, words):
    text = f"{HEAD}  strict_mode_config: {{{strict}}}\n{more}"
    _, told = read(tmp_path, text)
    [((found, line), message)] = told.items()
    assert (found, line) == (rule, 6)
    assert words in message
    cap = strict.split(", ")[0 if "write" in strict else -1].split(":")[0]
    assert read(tmp_path, f"{text}  acknowledge: [{cap}]\n")[1] == {}


def test_caps_that_lock_nobody_out(tmp_path):
    for strict in ("write_rate_limit: 3", "enabled: false, upsert_max_batchsize: 0",
                   "enabled: true, max_payload_index_count: 2", "write_rate_limit: 10, "
                   "upsert_max_batchsize: 10"):  # fmt: skip
        assert read(tmp_path, f"{HEAD}  strict_mode_config: {{{strict}}}\n{INDEXED}")[1] == {}


def test_a_profile_lies_under_what_the_collection_states(tmp_path):
    text = HEAD + "  strict_mode_config: {max_timeout: 60}\n"
    text += profile("p", "{enabled: true, max_timeout: 30, max_query_limit: 100}")
    wanted, told = read(tmp_path, text)
    assert told == {}
    products = wanted[PRODUCTS]
    strict = {"max_timeout": 60, "enabled": True, "max_query_limit": 100}
    assert products.spec["strict_mode_config"] == strict
    lines = {cap: products.origin_of(("strict_mode_config", cap)).line for cap in strict}
    assert lines == {"max_timeout": 6, "enabled": 13, "max_query_limit": 13}


def test_profiles_lie_in_the_order_of_their_names(tmp_path):
    text = HEAD + profile("b", "{max_timeout: 2}") + profile("a", "{max_timeout: 1}")
    assert caps(tmp_path, text) == {"max_timeout": 2}


@pytest.mark.parametrize(
    ("selects", "covered"),
    [
        ("collections: [products]", True),
        ("collections: ['prod*', other]", True),
        ("match_labels: {team: search}", True),
        ("match_labels: {team: search}\n  collections: ['prod*']", True),
        ("match_labels: {team: search, tier: '1'}", False),
        ("match_labels: {team: ads}", False),
        ("collections: [prod]", False),
        ("match_labels: {team: search}\n  collections: [x]", False),
    ],
)
def test_which_collections_a_profile_covers(tmp_path, selects, covered):
    text = HEAD.replace("{name: products}", "{name: products, labels: {team: search}}")
    wanted, told = read(tmp_path, text + profile("p", "{max_timeout: 5}", selects))
    assert ("strict_mode_config" in wanted[PRODUCTS].spec) is covered
    assert [rule for rule, _ in told] == ([] if covered else ["QC131"])


def test_a_cap_on_a_vector_is_for_collections_that_have_it(tmp_path):
    config = "{enabled: true, sparse_config: {bm25: {max_length: 9}}}"
    sparse = "  sparse_vectors: {bm25: {}}\n"
    held = {"sparse_config": {"bm25": {"max_length": 9}}}
    assert caps(tmp_path, HEAD + profile("p", config)) == {"enabled": True}
    assert caps(tmp_path, HEAD + sparse + profile("p", config)) == {"enabled": True, **held}


def test_what_a_profile_is_guilty_of_is_told_once_and_at_its_line(tmp_path):
    other = "---\n" + HEAD.replace("products", "orders")
    strict = "{enabled: true, search_allow_exact: false, upsert_max_batchsize: 0}"
    _, told = read(tmp_path, HEAD + other + profile("p", strict))
    assert sorted(told) == [("QC104", 18), ("QC105", 18)]
    meant = profile("p", strict) + "  acknowledge: [upsert_max_batchsize]\n"
    assert sorted(read(tmp_path, HEAD + other + meant)[1]) == [("QC105", 18)]


def test_a_profile_is_no_resource(tmp_path):
    wanted, _ = read(tmp_path, HEAD + profile("p", "{max_timeout: 5}"))
    assert list(wanted) == [PRODUCTS]
    text = HEAD + profile("p", "{max_timeout: 5}") + "lifecycle: {protect: true}\n"
    assert [rule for rule, _ in read(tmp_path, text)[1]] == ["QC040"]
    assert [r for r, _ in read(tmp_path, HEAD + profile("p", "{}", "{}"))[1]] == ["QC005"]
    text = HEAD + PROFILE.replace("NAME", "p").replace("  SELECTS\n", "").replace("CAPS", "{}")
    assert [rule for rule, _ in read(tmp_path, text)[1]] == ["QC130"]


def test_what_is_said_to_qdrantctl_alone_is_neither_sent_nor_recorded(tmp_path):
    text = HEAD + "  filters: [a, {key: b, by: range}]\n  acknowledge: [condition_max_size]\n"
    wanted, told = read(tmp_path, text)
    assert told == {}
    assert set(wanted[PRODUCTS].spec) == {"vectors"}
    assert wanted[PRODUCTS].declared["filters"] == [{"key": "a"}, {"key": "b", "by": "range"}]
