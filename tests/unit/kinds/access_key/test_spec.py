"""What a manifest of an access key may say, and what is refused with a place and a way out."""

from __future__ import annotations

import json

import pytest

from qdrantctl.model.access_keys.generation import (
    Generation,
    access_claim,
    duration_seconds,
    list_abilities,
    spell_duration,
)
from tests.support.manifests import violations
from tests.support.states import canonical

WORLD = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
---
apiVersion: qdrantctl/v1
kind: AccessKey
metadata: {name: k}
"""


def told(folder, **spec):
    return violations(WORLD + f"spec: {json.dumps(spec)}\n", folder)


def grants(**names):
    return [{"collection": name, "access": level} for name, level in names.items()]


@pytest.mark.parametrize(
    ("rule", "spec"),
    [
        ("QC041", {"ttl": "1d"}),
        ("QC041", {"access": "r"}),
        ("QC140", {"access": [], "ttl": "1d"}),
        ("QC140", {"access": grants(a="r") + grants(a="rw"), "ttl": "1d"}),
        ("QC044", {"access": "rw", "ttl": "1d"}),
        ("QC044", {"access": grants(a="m"), "ttl": "1d"}),
        ("QC041", {"access": [{"collection": "a"}], "ttl": "1d"}),
        ("QC040", {"access": "r", "ttl": "1d", "value_exists": {"matches": []}}),
        ("QC040", {"access": "r", "ttl": "1d", "nbf": 1}),
        ("QC141", {"access": grants(**{"pro*": "r"}), "ttl": "1d"}),
        ("QC141", {"access": grants(**{"*": "r"}), "ttl": "1d"}),
        ("QC141", {"access": grants(_qdrantctl_keys="rw"), "ttl": "1d"}),
        ("QC141", {"access": grants(**{"...": "r"}), "ttl": "1d"}),
        ("QC142", {"access": [{"collection": "a", "access": "r", "payload": {}}], "ttl": "1d"}),
        ("QC142", {"access": [{"collection": "a", "access": "r", "payload": None}], "ttl": "1d"}),
        ("QC143", {"access": "m", "ttl": "1d"}),
        ("QC144", {"access": "r", "ttl": "0d"}),
        ("QC144", {"access": "r", "ttl": "-1d"}),
        ("QC144", {"access": "r", "ttl": "2020-01-01"}),
        ("QC144", {"access": "r", "ttl": "1d", "rotate_before": "2d"}),
        ("QC144", {"access": "r", "ttl": "1d", "grace": "24h"}),
        ("QC045", {"access": "r", "ttl": "1d", "sinks": [{"file": "a", "command": ["b"]}]}),
    ],
)  # fmt: skip
def test_refused_with_one_rule_and_a_way_out(rule, spec, tmp_path):
    found = told(tmp_path, **spec)
    assert {v.rule for v in found} == {rule}, found
    assert all(v.hint and v.origin for v in found)


def test_no_time_at_all_is_told_from_what_is_no_time(tmp_path):
    for ttl, why in (("0d", "must be longer than zero"), ("x", "is not a duration")):
        assert why in told(tmp_path, access="r", ttl=ttl)[0].message


@pytest.mark.parametrize(
    "spec",
    [
        {"access": "r", "ttl": "30m", "grace": "5m"},
        {"access": "m", "ttl": "1d", "acknowledge": ["manage"]},
        {"access": grants(live="rw", products="prw"), "ttl": "90d", "rotate_before": "14d"},
        {"access": grants(live="r"), "ttl": "12h", "revocable": False, "subject": "bi",
         "sinks": [{"file": "t"}, {"dotenv": {"path": ".env", "name": "K"}},
                   {"kubernetes_secret": {"path": "s.yaml", "name": "n"}}, {"command": ["cat"]}]},
    ],
)  # fmt: skip
def test_taken(spec, tmp_path):
    assert told(tmp_path, **spec) == []


def test_a_real_name_where_there_is_an_alias_is_a_warning(tmp_path):
    [found] = told(tmp_path, access=grants(products="r"), ttl="1d")
    assert (found.rule, found.severity) == ("QC146", "warning")
    assert "live" in found.message
    assert found.origin.line == 15


def test_durations_are_compared_by_their_length():
    assert spell_duration("48h") == "2d"
    assert spell_duration("90m") == "90m"
    assert duration_seconds("2d") == 172800
    one = canonical("access_key", {"access": "r", "ttl": "48h"})
    assert one == canonical("access_key", {"access": "r", "ttl": "2d", "grace": "24h"})


def claim(access, **names):
    return access_claim(Generation("shop/dev/a", 1, access, names=names))


def test_a_claim_is_never_empty():
    assert claim({"*": "m"}) == "m"
    assert claim({"b": "r", "a": "rw"}) == grants(a="rw", b="r")
    with pytest.raises(ValueError, match="empty"):
        claim({})


def test_a_claim_has_the_names_on_the_cluster_and_repeats_none():
    assert claim({"a": "rw"}, a=("a--1", "a--2")) == [
        {"collection": "a--1", "access": "rw"},
        {"collection": "a--2", "access": "rw"},
    ]
    assert claim({"a": "r", "b": "rw"}, a=("a", "b")) == grants(a="r", b="rw")


def test_the_whole_cluster_holds_every_name():
    assert set(list_abilities({"*": "r"}, "any")) >= set(list_abilities({"any": "r"}, "any"))
    assert "write points" not in list_abilities({"*": "r", "other": "rw"}, "any")
    assert list_abilities({}, "any") == ()
