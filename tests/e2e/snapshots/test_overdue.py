"""Plan, drift and audit tell what is not as a policy says; after a run none of it is left."""

from __future__ import annotations

import pytest

from tests.support.snapshot_policies import backdate, policy, sets
from tests.support.snapshots import fill


@pytest.fixture
def kept(node, shop, tmp_path):
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder, verify={"every": "7d"})})
    shop.done(node)
    fill(node)
    return folder


def told(shop, node) -> tuple[list[str], dict[str, int], dict[str, set[str]]]:
    plan = shop.plan(node)
    assert plan.code == 0
    drift = shop.run(node, "drift", "--format", "json")
    assert drift.code == 0
    audit = shop.run(node, "audit", "--format", "json").document
    answers = {
        rule: {v["answer"] for v in audit["verdicts"] if v["rule"] == rule}
        for rule in ("QA501", "QA502")
    }
    found = [v["message"] for v in plan.document["violations"] if v["rule"] == "QC165"]
    counts = {word: n for word, n in drift.document["snapshots"].items() if n}
    lines = shop.run(node, "drift", "--format", "prometheus").out
    for word in counts:
        assert f'finding="{word}"}} {counts[word]}' in lines
    return found, counts, answers


def test_a_policys_life(node, shop, kept):
    found, counts, answers = told(shop, node)
    assert "collection/products has no snapshot at file://" in found[0]
    assert counts == {"overdue": 1}
    assert answers == {"QA501": {"fail"}, "QA502": {"cannot_be_seen"}}

    assert shop.run(node, "snapshots", "run").code == 0
    assert told(shop, node) == ([], {}, {"QA501": {"pass"}, "QA502": {"fail"}})
    assert shop.run(node, "snapshots", "verify").code == 0
    assert told(shop, node) == ([], {}, {"QA501": {"pass"}, "QA502": {"pass"}})

    for file in kept.rglob("verified.json"):
        file.unlink()
    backdate(kept, 8)
    found, counts, answers = told(shop, node)
    assert counts == {"overdue": 1, "unverified": 1}
    assert "verified within 7d" in found[1]
    assert answers == {"QA501": {"fail"}, "QA502": {"fail"}}
    next(sets(kept)[0].glob("*.snapshot")).unlink()
    assert told(shop, node)[1] == {"overdue": 1, "incomplete": 1}
