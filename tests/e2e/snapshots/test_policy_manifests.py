"""A policy is nothing on the server: it is recorded, per owner, and planned like the others."""

from __future__ import annotations

from typing import Any

import pytest

from qdrantctl.flows.planning import plan
from tests.support.project import VECTORS, record
from tests.support.snapshot_policies import NIGHTLY, PRODUCTS, Shop, policy, sets


def test_a_policy_is_applied_changed_and_taken_away(node, shop, tmp_path):
    shop.keeps({"nightly": policy(tmp_path, verify={"every": "7d"})})
    assert shop.done(node).code == 0
    entry = record(node, "snapshot_policy/shop/dev/nightly")
    assert (entry["owner"], entry["object"]) == ("shop/dev", "nightly")
    assert entry["spec"]["destination"] == [f"file://{tmp_path}"]
    assert entry["spec"]["timezone"] == "UTC"
    assert shop.run(node, "drift").code == 0

    shop.keeps({"nightly": policy(tmp_path, retention={"keep_daily": 3})})
    planned = shop.plan(node)
    paths = {".".join(field["path"]) for field in planned.change(NIGHTLY)["fields"]}
    assert paths == {"retention.keep_daily", "retention.keep_last", "verify.every"}
    assert planned.change(NIGHTLY)["steps"] == []
    shop.done(node)
    assert record(node, "snapshot_policy/shop/dev/nightly")["spec"]["retention"] == {
        "keep_daily": 3
    }

    shop.keeps({})
    assert shop.plan(node).change(NIGHTLY)["action"] == "delete"
    shop.done(node)
    assert record(node, "snapshot_policy/shop/dev/nightly")["deleted"]


def test_nobody_tries_whether_tokens_can_be_signed(node, shop, tmp_path, monkeypatch):
    """That takes requests with tokens, which the server logs, and no policy needs them."""
    asked = []
    monkeypatch.setattr(plan, "find_token_problem", lambda _: asked.append(1) or "nobody can")
    shop.keeps({"nightly": policy(tmp_path)})
    assert shop.plan(node).change(NIGHTLY)["action"] == "create"
    assert asked == []


def test_two_owners_have_one_of_the_same_name(node, shop, tmp_path):
    other = Shop(tmp_path / "other")
    project = other.folder / "qdrantctl.yaml"
    project.write_text(project.read_text().replace("shop", "other"))
    shop.keeps({"nightly": policy(tmp_path)})
    other.keeps({"nightly": policy(tmp_path)}, {"reviews": {"vectors": {}}})
    shop.done(node)
    other.done(node)
    assert shop.plan(node).code == 0
    assert shop.plan(node).document["unmanaged"] == []
    told = shop.run(node, "show", NIGHTLY, "--format", "json")
    assert told.document["owner"] == "shop/dev", told.err


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ({"destination": "s3://key:secret@backups"}, "QC161"),
        ({"destination": "s3://backups?key=a"}, "QC161"),
        ({"destination": "ftp://backups"}, "QC161"),
        ({"destination": "file://backups/x"}, "QC161"),
        ({"destination": "file:///var/../etc"}, "QC161"),
        ({"destination": []}, "QC043"),
        ({"destination": "cluster"}, "QC162"),
        ({"schedule": "0 25 * * *"}, "QC163"),
        ({"schedule": "0 0 31 2 *"}, "QC163"),
        ({"timezone": "Berlin"}, "QC163"),
        ({"verify": {"every": "soon"}}, "QC163"),
        ({"collections": None}, "QC166"),
        ({"retention": {}}, "QC164"),
        ({"retention": None}, "QC041"),
    ],
)
def test_what_cannot_be_is_told(words, rule, shop, tmp_path):
    shop.keeps({"nightly": policy(tmp_path) | words})
    told = shop.run("http://127.0.0.1:1", "validate", "--format", "json")
    assert f'"{rule}"' in told.out, told.out
    assert "secret" not in told.out + told.err


def test_labels_are_spelt_out_when_planned(node, shop, tmp_path):
    """Whoever runs the policy reads the ledger, where collections have no labels."""
    labelled = {"metadata": {"name": "products", "labels": {"team": "search"}}, "spec": PRODUCTS}
    plain = {"vectors": {"size": 4, "distance": "Dot"}}
    spec = policy(tmp_path / "backups", match_labels={"team": "search"})
    del spec["collections"]
    shop.keeps({"nightly": spec}, {"products": labelled, "reviews": plain})
    shop.done(node)
    assert record(node, "snapshot_policy/shop/dev/nightly")["spec"]["collections"] == ["products"]
    assert shop.run(node, "snapshots", "run").code == 0
    assert [found.parent.name for found in sets(tmp_path / "backups")] == ["products"]

    both = {"metadata": {"name": "reviews", "labels": {"team": "search"}}, "spec": plain}
    shop.keeps({"nightly": spec}, {"products": labelled, "reviews": both})
    field = shop.plan(node).field(NIGHTLY, "collections")
    assert (field["live"], field["desired"]) == (["products"], ["products", "reviews"])
    shop.keeps({"nightly": spec | {"collections": ["r*"]}}, {"products": labelled, "reviews": both})
    assert shop.plan(node).field(NIGHTLY, "collections")["desired"] == ["reviews"]
    shop.keeps({"nightly": spec}, {"reviews": plain})
    assert "QC167" in shop.plan(node).rules


def test_naming_a_file_takes_no_collection_out_of_a_policy(node, shop, tmp_path):
    """What its labels came to before stays, of collections that -f does not name."""

    def stated(*labels: str) -> dict[str, Any]:
        return {
            f"{name}{team}": {"metadata": {"name": f"{name}{team}", "labels": {"team": team}},
                              "spec": {"vectors": VECTORS}}
            for name, team in zip("abc", labels, strict=False)
        }  # fmt: skip

    def covered() -> list[str]:
        return record(node, "snapshot_policy/shop/dev/nightly")["spec"]["collections"]

    spec = policy(tmp_path / "backups", match_labels={"team": "x"})
    del spec["collections"]
    shop.keeps({"nightly": spec}, stated("x", "x"))
    shop.done(node)
    named = ("-f", str(shop.folder / "manifests" / "policies.yaml"))
    told = shop.plan(node, *named)
    assert (told.code, told.change(NIGHTLY)["action"]) == (0, "noop"), told.out
    assert shop.run(node, "drift", *named).code == 0

    shop.keeps({"nightly": spec | {"schedule": "0 4 * * *"}}, stated("x", "x"))
    told = shop.plan(node, *named)
    assert [field["path"] for field in told.change(NIGHTLY)["fields"]] == [["schedule"]]
    assert shop.apply(node, *named).code == 0
    assert covered() == ["ax", "bx"]
    # One that is named counts by its labels; without -f the manifests say all.
    shop.keeps({"nightly": spec}, {**stated("x"), "bx": {**stated("x", "x")["bx"],
               "metadata": {"name": "bx"}}})  # fmt: skip
    more = ("-f", str(shop.folder / "manifests" / "all.yaml"))
    assert shop.plan(node, *named, *more).field(NIGHTLY, "collections")["desired"] == ["ax"]
    shop.keeps({"nightly": spec}, {"cx": {**stated("x")["ax"], "metadata": {
               "name": "cx", "labels": {"team": "x"}}}})  # fmt: skip
    field = shop.plan(node, *named, *more).field(NIGHTLY, "collections")
    assert field["desired"] == ["ax", "bx", "cx"]
    assert shop.plan(node).field(NIGHTLY, "collections")["desired"] == ["cx"]
