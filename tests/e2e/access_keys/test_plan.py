"""Keys in plans: granted, widened, narrowed, refused, taken over, owned by one of several."""

from __future__ import annotations

import pytest

from tests.support.access_keys import READS, Project, asked
from tests.support.servers import API_KEY, READ_ONLY_KEY

WRITES = {"access": [{"collection": "products", "access": "rw"}], "ttl": "90d"}


def test_granting_makes_the_registry_and_says_what_that_means(project):
    project.states(reader=READS, once={"access": "r", "ttl": "1d", "grace": "1h",
                                       "revocable": False})  # fmt: skip
    text = project.run("plan").out
    assert "the registry of keys (collection _qdrantctl_keys) will be created" in text
    assert "every token that can be revoked depends on it" in text
    assert "gains: read points and settings, download snapshots; widens" in text
    made = project.plan()
    paths = [step["call"]["path"] for step in made.document["prepare"]]
    assert paths == ["/collections/_qdrantctl", "/collections/_qdrantctl_keys",
                     "/collections/_qdrantctl_keys/index"]  # fmt: skip
    assert made.change("access_key/once").get("steps") == []
    assert made.change("access_key/reader")["record"]["address"] == "access_key/shop/dev/reader"
    project.done()
    info = project.node.request("GET", "/collections/_qdrantctl_keys")[1]["result"]
    assert info["payload_schema"]["valid"]["data_type"] == "keyword"
    assert info["config"]["strict_mode_config"]["enabled"] is False
    assert info["config"]["params"]["shard_number"] == 1


def test_without_a_ledger_nobody_knows_what_was_applied(granted):
    granted.node.request("DELETE", "/collections/_qdrantctl")
    assert "There is no ledger on the cluster" in granted.run("keys", "list").out
    granted.states()
    granted.done()
    assert granted.run("keys", "list").out == "No access key was applied yet.\n"


@pytest.mark.parametrize(
    ("before", "after", "direction", "because"),
    [
        ({"products": "r"}, {"products": "rw"}, "widens", "gains: write points, make payload"),
        ({"products": "rw"}, {"products": "r"}, "narrows", "loses: write points, make payload"),
        ({"products": "r"}, {"products": "prw"}, "widens", "gains: write points; loses: download"),
        ({"products": "r"}, {"products": "r", "other": "r"}, "widens", "gains: read points"),
        ({"products": "r", "other": "r"}, {"products": "r"}, "narrows", "loses: read points"),
        ("r", {"products": "r"}, "narrows", "loses: read points and settings"),
        ({"products": "r"}, "r", "widens", "see the whole cluster"),
    ],
)  # fmt: skip
def test_a_changed_scope_says_who_gains_what(project, before, after, direction, because):
    project.states(reader=_key(before))
    project.done()
    project.states(reader=_key(after))
    change = project.plan().change("access_key/reader")
    weighed = {field["direction"] for field in change["fields"] if "direction" in field}
    assert weighed == {direction}
    assert any(because in field["because"] for field in change["fields"])
    gate = project.plan("--fail-on-widening")
    assert gate.code == (3 if direction == "widens" else 2)
    assert ("QC240" in gate.rules) is (direction == "widens")
    project.done()


def _key(scope):
    if isinstance(scope, str):
        return {"access": scope, "ttl": "90d"}
    return {"access": [{"collection": n, "access": a} for n, a in scope.items()], "ttl": "90d"}


@pytest.mark.parametrize("why", ["read-only", "token", "off", "open"])
def test_keys_are_planned_without_the_signing_key_and_refused_where_no_token_counts(
    why, project, fresh_qdrant
):
    key = {"read-only": READ_ONLY_KEY, "token": "", "off": API_KEY, "open": "nobody-asks-for-it"}[
        why
    ]
    if why == "token":
        project.states(boss={"access": "m", "ttl": "1d", "grace": "1h", "acknowledge": ["manage"]})
        project.done()
        key = project.token("issue", "boss")
    elif why == "off":
        project.node = fresh_qdrant(api_key=API_KEY)
    elif why == "open":
        project.node = fresh_qdrant()
    project.states(reader=READS, **_boss(why))
    made = project.plan(key=key)
    change = made.change("access_key/reader")
    if why in ("read-only", "token"):  # nothing is signed by a plan or an apply
        assert (made.code, change["action"]) == (2, "create"), made.err
    else:
        assert (made.code, change["action"]) == (3, "refused"), made.err
        told = {"off": "jwt_rbac", "open": "accepts any token"}[why]
        assert told in change["because"]
    others = {c["action"] for c in made.document["changes"] if c["address"] != "access_key/reader"}
    assert others <= {"create", "noop"}
    if why != "token":
        assert made.change("collection/products")["action"] == "create"
    told = project.run("keys", "issue", "boss", key=key) if why == "token" else None
    assert told is None or (told.code, "no token can be issued" in told.err) == (1, True)


def _boss(why):
    if why != "token":
        return {}
    return {"boss": {"access": "m", "ttl": "1d", "grace": "1h", "acknowledge": ["manage"]}}


def test_two_teams_have_a_key_of_one_name(granted, tmp_path):
    mine = granted.token("issue", "reader")
    team = Project(tmp_path / "team", granted.node, name="catalog")
    team.states(world=False, reader=WRITES)
    made = team.plan()
    assert made.change("access_key/reader")["action"] == "create"
    assert "access_key/shop/dev/reader" not in made.document["unmanaged"]
    told = team.run("apply", "--auto-approve")
    assert told.code == 0, told.out + told.err
    theirs = team.token("issue", "reader")
    assert granted.plan().code == 0
    team.token("revoke", "reader", "--auto-approve")
    assert asked(granted.node, mine) == 200
    assert asked(granted.node, theirs) == 401
    addresses = {
        event["address"]
        for event in granted.run("history", "--all-owners", "--format", "json").document["events"]
    }
    assert {"access_key/reader", "access_key/catalog/dev/reader"} <= addresses
