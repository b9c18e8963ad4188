"""Keys in plans: granted, widened, narrowed, refused, taken over, owned by one of several."""

from __future__ import annotations

import json

import pytest

from tests.support.access_keys import READS, Project, asked, registry
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


def test_a_registry_without_its_index_gets_it_back(granted):
    granted.node.request("DELETE", "/collections/_qdrantctl_keys/index/valid?wait=true")
    granted.states(reader=READS, second=READS)
    granted.done()
    info = granted.node.request("GET", "/collections/_qdrantctl_keys")[1]["result"]
    assert "valid" in info["payload_schema"]


def test_without_a_ledger_nobody_knows_what_was_applied(granted):
    granted.node.request("DELETE", "/collections/_qdrantctl")
    assert "There is no ledger on the cluster" in granted.run("keys", "list").out
    granted.states()
    granted.done()
    assert granted.run("keys", "list").out == "No access key was applied yet.\n"


def test_only_keys_that_cannot_be_revoked_need_no_registry(project):
    project.states(once={**READS, "revocable": False})
    project.done()
    assert project.node.request("GET", "/collections/_qdrantctl_keys")[0] == 404
    project.states(once={**WRITES, "revocable": False})
    assert project.plan().field("access_key/once", "access", "products")["direction"] == "widens"
    project.done()
    project.states()
    told = project.run("apply", "--auto-approve")
    assert told.code == 0, told.err
    assert project.plan().code == 0
    assert project.run("drift").code == 0


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


def test_the_gate_ends_with_3_and_a_consent_opens_it(granted):
    granted.states(reader=WRITES)
    assert granted.run("plan", "--fail-on-widening").code == 3
    told = granted.run("apply", "--auto-approve", "--fail-on-widening")
    assert told.code == 3
    assert "{widen: access_key/reader, until: YYYY-MM-DD" in told.out
    consent = (
        "  consents:\n    - {widen: access_key/reader, until: 2099-12-31, reason: asked for}\n"
    )
    Project(granted.folder, granted.node, more=consent)
    assert granted.run("plan", "--fail-on-widening").code == 0
    assert granted.run("apply", "--auto-approve", "--fail-on-widening").code == 0


def test_a_narrowed_scope_says_which_tokens_keep_theirs(project):
    project.states(writer=WRITES)
    project.done()
    old = project.token("issue", "writer")
    project.states(writer=READS)
    assert "tokens of generation 1 keep their scope until 1d after" in project.plan().message(
        "QC148"
    )
    project.done()
    assert project.states_of("writer") == ["valid", "not issued"]
    assert "has no token yet" in project.plan().message("QC148")
    new = project.token("issue", "writer")
    assert project.states_of("writer") == ["ending", "valid"]
    body = {"points": [1]}
    path = "/collections/products/points/delete"
    assert asked(project.node, old, "POST", path, body) == 200
    assert asked(project.node, new, "POST", path, body) == 403


def test_terms_change_in_place_and_the_token_stays(granted):
    token = granted.token("issue", "reader")
    granted.states(reader={**READS, "ttl": "30d", "grace": "2h"})
    change = granted.plan().change("access_key/reader")
    assert change["action"] == "update"
    granted.done()
    assert len(granted.listed("reader")) == 1
    assert granted.token("issue", "reader") == token
    granted.states(reader={**READS, "revocable": False})
    assert granted.plan().change("access_key/reader")["action"] == "refused"


def test_a_scope_must_name_something_that_is_there(project):
    project.states(reader=_key({"prodcuts": "r"}))
    assert "QC145" in project.plan().rules
    assert project.run("apply", "--auto-approve").code == 3
    project.states(reader=_key({"products": "r", "live": "r", "other": "r"}))
    assert project.plan().rules == set()
    project.states(reader=_key({"other": "r"}))
    assert project.plan().rules == {"QC146"}
    project.done()
    project.states(world=False, reader=_key({"other": "r"}))
    assert "QC145" in project.plan().rules


def test_removing_the_manifest_kills_the_tokens(granted):
    token = granted.token("issue", "reader")
    assert asked(granted.node, token) == 200
    granted.states()
    assert granted.plan().change("access_key/reader")["action"] == "delete"
    granted.done()
    assert asked(granted.node, token) == 401
    assert registry(granted.node) == []


def test_the_saved_plan_of_a_key_is_applied_as_it_is(project):
    project.states(reader=READS)
    path = str(project.folder / "plan.json")
    assert project.run("plan", "--out", path).code == 0
    told = project.run("apply", path)
    assert told.code == 0, told.err
    assert project.plan().code == 0
    project.states(reader=WRITES)
    assert project.run("plan", "--out", path).code == 0
    granted = project.token("issue", "reader")
    told = project.run("apply", path)
    assert told.code == 4, "a token was issued since, so the scope needs a generation of its own"
    assert asked(project.node, granted) == 200


@pytest.mark.parametrize("why", ["read-only", "token", "off", "open"])
def test_where_nothing_can_be_signed_keys_are_refused_and_the_rest_is_planned(
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
    assert made.code == 3, made.err
    change = made.change("access_key/reader")
    assert change["action"] == "refused"
    told = {"read-only": "read-only", "token": "itself a token", "off": "jwt_rbac",
            "open": "takes any token"}[why]  # fmt: skip
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
    team.token("revoke", "reader")
    assert asked(granted.node, mine) == 200
    assert asked(granted.node, theirs) == 401
    addresses = {
        event["address"]
        for event in granted.run("history", "--all-owners", "--format", "json").document["events"]
    }
    assert {"access_key/reader", "access_key/catalog/dev/reader"} <= addresses


def test_a_renamed_project_keeps_its_keys(granted):
    token = granted.token("issue", "reader")
    file = granted.folder / "qdrantctl.yaml"
    text = file.read_text()
    file.write_text(text.replace("{name: shop}", "{name: store, previous_names: [shop]}"))
    assert granted.plan().change("access_key/reader")["action"] == "adopt"
    granted.done()
    assert granted.token("issue", "reader") == token
    granted.token("revoke", "reader")
    assert asked(granted.node, token) == 401
    assert granted.plan().code == 0


def test_a_lost_ledger_adopts_keys_with_their_generations(granted):
    token = granted.token("issue", "reader")
    granted.node.request("DELETE", "/collections/_qdrantctl")
    made = granted.plan()
    assert made.change("access_key/reader")["action"] == "adopt"
    granted.done()
    assert granted.token("issue", "reader") == token


def test_a_key_is_shown_recorded_and_live(granted):
    shown = granted.run("show", "access_key/reader", "--format", "json").document
    assert shown["recorded"]["access"] == shown["live"]["access"] == {"products": "r"}
    assert shown["owner"] == "shop/dev"
    assert json.dumps(shown).count("widens") == 0


def test_an_alias_that_no_manifest_states_is_told(granted):
    alias = {"create_alias": {"alias_name": "by-hand", "collection_name": "products"}}
    granted.node.request("POST", "/collections/aliases", {"actions": [alias]})
    assert "may know products as by-hand" in granted.plan().message("QC146")
