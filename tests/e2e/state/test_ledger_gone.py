"""A cluster whose ledger was deleted, and a project that has committed state."""

from __future__ import annotations

import shutil

import pytest

from qdrantctl.flows.state.ledger_entry import new_ledger_entry
from qdrantctl.model.change import Change
from tests.e2e.state.test_committed_state import entry
from tests.support.git_repo import collection

ALIAS = (
    "apiVersion: qdrantctl/v1\nkind: Alias\nmetadata: {name: live}\nspec: {collection: products}\n"
)


def by_hand(node, method, path, body=None):
    status, answer = node.request(method, path, body)
    assert status == 200, answer


def blocked(plan):
    return {(v["rule"], v["address"]) for v in plan["violations"] if v["severity"] == "error"}


@pytest.fixture
def lost(applied, empty_qdrant):
    applied.commit(live=ALIAS)
    applied.apply()
    by_hand(empty_qdrant, "DELETE", "/collections/_qdrantctl")
    return applied


def test_what_is_named_under_removed_is_forgotten(lost, empty_qdrant):
    (lost.folder / "manifests" / "live.yaml").unlink()
    file = lost.folder / "qdrantctl.yaml"
    file.write_text(file.read_text() + "  removed: [{address: alias/live}]\n")
    actions = {change["address"]: change["action"] for change in lost.plan()["changes"]}
    assert actions == {"collection/products": "adopt", "alias/live": "forget"}
    lost.apply()
    found = entry(empty_qdrant, "alias/live")
    assert (found["owner"], found["deleted"], found["spec"]) == ("shop/dev", True, {})
    assert empty_qdrant.request("GET", "/aliases")[1]["result"]["aliases"]
    assert lost.run("plan", "-e", "dev", "--detailed-exitcode")[0] == 0


def test_what_is_named_per_owner_is_recorded_under_its_owner():
    gone = Change(address="access_key/analytics", action="delete", cause="edit")
    found = new_ledger_entry(gone, "shop/dev")
    assert (found["address"], found["object"]) == ("access_key/shop/dev/analytics", "analytics")


def test_a_first_apply_is_none_of_this(applied, empty_qdrant):
    """Nothing is there that the state speaks of: it is made, also where drift is refused."""
    plan = applied.plan(env="prod")
    assert (plan["summary"]["create"], plan["violations"]) == (1, [])
    by_hand(
        empty_qdrant, "PUT", "/collections/products", {"vectors": {"size": 4, "distance": "Dot"}}
    )
    applied.commit(products=collection("products", 20))
    assert blocked(applied.plan(env="prod")) == {("QC204", "collection/products")}


def strangers(repo, node, monkeypatch, way):
    """A collection that somebody else made, m 16, and a manifest that asks m 64."""
    monkeypatch.setenv("CLUSTER_URL", node.url)
    file = repo.folder / "qdrantctl.yaml"
    file.write_text(file.read_text().replace("dev: {", f"dev: {{on_drift: {way}, "))
    body = {"vectors": {"size": 4, "distance": "Dot"}, "hnsw_config": {"m": 16}}
    by_hand(node, "PUT", "/collections/products", body)
    repo.write(products=collection("products", 64))


def m(node):
    config = node.request("GET", "/collections/products")[1]["result"]["config"]
    return config["hnsw_config"]["m"]


@pytest.fixture
def ways(request, repo, empty_qdrant, monkeypatch):
    on_drift, git = request.param
    strangers(repo, empty_qdrant, monkeypatch, on_drift)
    if not git:
        shutil.rmtree(repo.folder / ".git")
    return repo


WAYS = pytest.mark.parametrize(
    "ways",
    [(on_drift, git) for on_drift in ("keep", "revert", "refuse") for git in (True, False)],
    indirect=True,
    ids=lambda way: f"{way[0]}-{'git' if way[1] else 'no git'}",
)


@WAYS
def test_an_apply_takes_nothing_that_it_has_just_written_for_applied(ways, empty_qdrant):
    plan = ways.run("plan", "-e", "dev")[1]
    assert "error[QC204]" in plan
    assert "was not created by this project" in plan
    told = ways.apply(code=3)
    assert plan in told
    assert m(empty_qdrant) == 16
    assert "error[QC204]" in ways.apply(code=3)
    assert m(empty_qdrant) == 16
    assert empty_qdrant.request("GET", "/collections/_qdrantctl")[0] == 404


@WAYS
def test_what_is_taken_over_with_consent_is_made_as_stated(ways, empty_qdrant):
    consent = ("--adopt", "collection/products")
    assert "16 -> 64" in ways.run("plan", "-e", "dev", *consent)[1]
    told = ways.apply(*consent)
    assert "16 -> 64" in told
    assert "allows nothing" not in told
    assert (m(empty_qdrant), entry(empty_qdrant)["spec"]["hnsw_config"]) == (64, {"m": 64})
    assert ways.state().keys() == {"collection/products.yaml"}


def test_keeping_drift_takes_over_nothing_that_only_the_state_knows(
    repo, empty_qdrant, monkeypatch
):
    """A state that was committed and never applied does not make a stranger's collection ours."""
    strangers(repo, empty_qdrant, monkeypatch, "keep")
    repo.commit()
    plan = repo.plan()
    assert blocked(plan) == {("QC204", "collection/products")}
    repo.apply(code=3)
    repo.apply("--adopt", "collection/products")
    assert m(empty_qdrant) == 64


def test_the_state_is_made_current_where_nothing_else_is_to_do(applied):
    applied.apply()
    shutil.rmtree(applied.folder / "state")
    assert "1 file refreshed" in applied.apply()
    assert applied.run("lock", "--check", "-e", "dev")[0] == 0
