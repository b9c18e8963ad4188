"""What plan and apply make of the committed state, on a real server."""

from __future__ import annotations

import shutil

import pytest

from tests.e2e.state.test_lock import FILE
from tests.support.git_repo import PROJECT, collection


def entry(node, address="collection/products"):
    """What the ledger remembers of a resource."""
    body = {"limit": 100, "with_payload": True}
    points = node.request("POST", "/collections/_qdrantctl/points/scroll", body)[1]["result"]
    (found,) = (p["payload"] for p in points["points"] if p["payload"].get("address") == address)
    return found


def test_an_unlocked_apply_refreshes_the_state(applied, empty_qdrant):
    applied.write(products=collection("products", 20), users=collection("users"))
    assert applied.plan()["changes"][0]["schema_version"] == {"desired": 2}
    assert applied.version() == 1
    told = applied.apply()
    assert "Note: state/dev: 2 files refreshed; commit it with the manifests." in told
    assert applied.version() == 2
    assert applied.version(env="prod") == 1
    found = entry(empty_qdrant)
    assert (found["schema_version"], found["digest"]) == (2, digest(applied))
    assert "refreshed" not in applied.apply()
    assert applied.run("plan", "-e", "dev", "--detailed-exitcode")[0] == 0


def digest(repo, env="dev"):
    return repo.state(env)[FILE].partition("\ndigest: ")[2].partition("\n")[0]


def test_it_begins_state_where_there_is_none(repo, monkeypatch, empty_qdrant):
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    repo.write(products=collection("products"))
    assert repo.plan()["changes"][0]["schema_version"] == {"desired": 1}
    repo.apply()
    assert repo.state().keys() == {FILE}
    assert not (repo.folder / "state" / "prod").exists()


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_plan_and_apply_agree_where_the_state_is_gone(applied, empty_qdrant, env):
    """Without a state in git the versions begin anew, and the plan says so before apply does it."""
    applied.write(products=collection("products", 20))
    applied.run("lock")
    applied.keep()
    applied.apply(env=env)
    assert entry(empty_qdrant)["schema_version"] == 2
    shutil.rmtree(applied.folder / "state")
    applied.keep()
    (change,) = applied.plan(env=env)["changes"]
    assert (change["action"], change["schema_version"]) == ("adopt", {"recorded": 2, "desired": 1})
    applied.apply(env=env)
    assert entry(empty_qdrant)["schema_version"] == 1
    assert applied.run("plan", "-e", env, "--detailed-exitcode")[0] == 0


def test_a_saved_plan_of_a_protected_environment(applied):
    saved = str(applied.folder / "plan.json")
    applied.plan("--out", saved, env="prod")
    applied.write(products=collection("products", 20))
    assert applied.run("apply", saved)[0] == 2
    applied.git("checkout", "manifests")
    assert applied.run("apply", saved)[0] == 0
    assert applied.run("plan", "-e", "prod", "--detailed-exitcode")[0] == 0


def test_a_saved_plan_is_applied_as_it_was_counted(applied, empty_qdrant):
    applied.apply()
    applied.commit(products=collection("products", 20))
    saved = str(applied.folder / "plan.json")
    applied.plan("--out", saved)
    assert applied.run("apply", saved)[0] == 0
    assert entry(empty_qdrant)["schema_version"] == 2


def test_an_edit_that_was_never_applied_counts_in_the_record(applied, empty_qdrant):
    """Else the newest checkout would leave no trace, and an older one would not know."""
    applied.apply()
    applied.commit(products=collection("products", 20))
    applied.commit(products=collection("products"))
    plan = applied.plan()
    assert (plan["summary"]["adopt"], plan["changes"][0]["schema_version"]["desired"]) == (1, 3)
    applied.apply("--locked")
    found = entry(empty_qdrant)
    assert (found["schema_version"], found["commit"]) == (3, applied.git("rev-parse", "HEAD"))


def test_a_revert_applies(applied, empty_qdrant):
    applied.apply("--locked", env="prod")
    applied.commit(products=collection("products", 20))
    applied.apply("--locked", env="prod")
    applied.git("revert", "--no-edit", "HEAD")
    assert applied.run("lock", "--check")[0] == 0
    applied.apply("--locked", env="prod")
    found = entry(empty_qdrant)
    assert found["commit"] == applied.git("rev-parse", "HEAD")
    assert (found["schema_version"], applied.version(env="prod")) == (1, 1)
    config = empty_qdrant.request("GET", "/collections/products")[1]["result"]["config"]
    assert config["hnsw_config"]["m"] == 16


def test_an_older_checkout_is_refused(applied, empty_qdrant):
    old = applied.git("rev-parse", "HEAD")
    new = applied.commit(products=collection("products", 20), users=collection("users"))
    applied.apply(env="prod")
    before = entry(empty_qdrant)
    applied.git("checkout", "--quiet", old)
    told = applied.apply(env="prod", code=4)
    assert f"collection/products was last applied from commit {new[:12]} by ada" in told
    assert "which this checkout does not contain" in told
    assert "no changes were made" in told
    plan = applied.plan(env="prod")
    behind = {v["address"] for v in plan["violations"] if v["rule"] == "QC230"}
    assert behind == {"collection/products", "collection/users"}
    assert applied.run("plan", "-e", "prod", "--detailed-exitcode")[0] == 3
    applied.plan("--out", str(applied.folder / "plan.json"), env="prod")
    assert applied.run("apply", str(applied.folder / "plan.json"))[0] == 4
    assert entry(empty_qdrant) == before
    told = applied.apply("--allow-older", "collection/products", env="prod", code=4)
    assert "collection/users was last applied" in told
    products = ("--allow-older", "collection/*", "--target", "collection/products")
    applied.apply(*products, env="prod")
    assert entry(empty_qdrant)["commit"] == old


def test_what_a_newer_checkout_deleted_is_not_made_again(applied, empty_qdrant):
    applied.commit(users=collection("users"))
    applied.apply()
    old = applied.git("rev-parse", "HEAD")
    (applied.folder / "manifests" / "users.yaml").unlink()
    applied.commit()
    applied.apply()
    applied.git("checkout", "--quiet", old)
    (found,) = (v for v in applied.plan()["violations"] if v["rule"] == "QC230")
    assert (found["address"], found["severity"]) == ("collection/users", "warning")


def test_elsewhere_an_older_checkout_is_warned(applied, empty_qdrant):
    old = applied.git("rev-parse", "HEAD")
    applied.commit(products=collection("products", 20))
    applied.apply()
    applied.git("checkout", "--quiet", old)
    assert "QC230" in applied.apply()
    assert entry(empty_qdrant)["commit"] == old


def test_what_is_the_same_in_an_older_checkout_does_not_matter(applied):
    old = applied.git("rev-parse", "HEAD")
    applied.commit(users=collection("users"))
    applied.apply(env="prod")
    applied.git("checkout", "--quiet", old)
    told = applied.apply(env="prod", code=4)
    assert "collection/products" not in told.partition("Error:")[2]


@pytest.fixture
def twice(applied):
    """Applied to prod at version 2 from the newest commit; also the commit before."""
    before = applied.git("rev-parse", "HEAD")
    applied.commit(products=collection("products", 20))
    applied.apply(env="prod")
    return applied, before


def test_a_shallow_clone_goes_by_versions(twice, tmp_path, empty_qdrant):
    applied, _ = twice
    applied.git("revert", "--no-edit", "HEAD")
    shallow = applied.clone(tmp_path / "shallow", "--depth", "1")
    told = shallow.apply(env="prod", code=4)
    assert "at version 2, and the committed state is at 1" in told
    assert "git fetch --unshallow" in told
    shallow.git("fetch", "--quiet", "--unshallow")
    shallow.apply(env="prod")
    assert entry(empty_qdrant)["schema_version"] == 1
    applied.commit(products=collection("products", 40))
    applied.clone(tmp_path / "newer", "--depth", "1").apply(env="prod")
    assert entry(empty_qdrant)["schema_version"] == 2


def test_a_folder_without_git_goes_by_versions(twice, tmp_path):
    applied, before = twice
    older = applied.clone(tmp_path / "older")
    older.git("checkout", "--quiet", before)
    (older.folder / ".git").rename(tmp_path / "git")
    told = older.apply(env="prod", code=4)
    assert "at version 2, and the committed state is at 1" in told
    (older.folder / ".git").mkdir()
    older.apply("--allow-older", "collection/products", env="prod")


def test_the_commit_is_the_one_that_git_has(applied, empty_qdrant, monkeypatch):
    """Whatever the CI says it was started for; that is recorded beside it."""
    for name in ("QDRANTCTL_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA"):
        monkeypatch.setenv(name, "f" * 40)
        applied.commit(products=collection("products", 20 + len(name)))
        applied.apply(env="prod")
        found = entry(empty_qdrant)
        assert found["commit"] == applied.git("rev-parse", "HEAD")
        assert found["stated_commit"] == found["history"][-1]["stated_commit"] == "f" * 40
        monkeypatch.delenv(name)
    assert "(CI started for ffffffff" in applied.run("history", "-e", "prod")[1]
    monkeypatch.setenv("GITHUB_SHA", applied.commit(products=collection("products", 20)))
    applied.apply(env="prod")
    assert "stated_commit" not in entry(empty_qdrant)


def test_a_commit_that_git_does_not_have_is_said_and_versions_decide(twice, tmp_path, empty_qdrant):
    """It may be newer and not fetched, or gone since the branch was rewritten."""
    applied, before = twice
    older = applied.clone(tmp_path / "older")
    older.git("reset", "--quiet", "--hard", before)
    older.git("remote", "remove", "origin")
    older.git("reflog", "expire", "--expire=now", "--all")
    older.git("gc", "--quiet", "--prune=now")
    told = older.apply(env="prod", code=4)
    assert "at version 2, and the committed state is at 1" in told
    for size in (40, 48):
        older.commit(products=collection("products", size))
    assert "which git does not have here" in older.apply(env="prod")
    assert entry(empty_qdrant)["commit"] == older.git("rev-parse", "HEAD")
    assert "QC230" not in older.apply(env="prod")


def test_an_embedded_server_has_no_state_to_be_locked(repo):
    (repo.folder / "qdrantctl.yaml").write_text(
        PROJECT.replace("{env: CLUSTER_URL}", "embedded", 1)
    )
    repo.write(products=collection("products"))
    assert "dev is embedded" in repo.apply("--locked", code=64)
    assert not (repo.folder / "state").exists()
