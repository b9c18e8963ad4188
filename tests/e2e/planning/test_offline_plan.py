"""`plan --offline`: manifests beside the committed state, for who has neither server nor key."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.e2e.project.test_json_schemas import errors
from tests.support.git_repo import PROJECT, collection

KEY = 'prod: {url: "https://qdrant.invalid", api_key: {command: [touch, asked]}'


@pytest.fixture
def fork(repo):
    """A pull request that changes, adds and removes, merged for a try as CI checks it out."""
    (repo.folder / "qdrantctl.yaml").write_text(
        PROJECT.replace("prod: {url: {env: CLUSTER_URL}", KEY)
    )
    repo.commit(products=collection("products"), users=collection("users"))
    repo.git("checkout", "--quiet", "-b", "fork")
    (repo.folder / "manifests" / "users.yaml").unlink()
    repo.commit(products=collection("products", 32), orders=collection("orders", 24))
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "--no-ff", "--no-edit", "fork")
    return repo


def test_a_pull_request_beside_its_target(fork):
    plan = fork.plan("--offline", "--base", "HEAD^1", env="prod")
    assert errors("plan", plan) == []
    assert {c["address"]: c["action"] for c in plan["changes"]} == {
        "collection/orders": "create",
        "collection/products": "update",
        "collection/users": "delete",
    }
    (field,) = next(c for c in plan["changes"] if c["action"] == "update")["fields"]
    assert (field["recorded"], field["desired"], field["effect"]) == (16, 32, "rebuild")
    assert field["cause"] == "edit"
    assert field["origin"] == {"file": "manifests/products.yaml", "line": 6}
    assert not any(c["steps"] for c in plan["changes"])
    assert plan["offline"] == {"ref": "HEAD^1", "commit": fork.git("rev-parse", "HEAD^1")}
    assert plan["applicable"] is False
    assert [(v["rule"], v["address"]) for v in plan["violations"] if v["severity"] == "error"] == [
        ("QC202", "collection/users")
    ]
    assert not (fork.folder / "asked").exists()
    assert (
        fork.run("plan", "--offline", "--base", "HEAD^1", "-e", "dev", "--detailed-exitcode")[0]
        == 3
    )


def test_every_format_says_that_no_cluster_was_asked(fork):
    sha = fork.git("rev-parse", "--short=12", "HEAD^1")
    words = ("plan", "-e", "prod", "--offline", "--base", "HEAD^1")
    said = "not with a cluster: points, drift and the features of the server are unknown."
    _, text, _ = fork.run(*words)
    assert text.splitlines()[:2] == [
        "qdrantctl plan: shop/prod",
        f"Compared with the committed state at HEAD^1 ({sha}), {said}",
    ]
    assert "Offline plan: 1 to add, 1 to change, 1 to destroy." in text
    _, markdown, _ = fork.run(*words, "--format", "markdown")
    assert (
        markdown.splitlines()[1]
        == "### Blocked. Offline plan: 1 to add, 1 to change, 1 to destroy."
    )
    assert (
        f"`shop/prod`: **Compared with the committed state at `HEAD^1` ({sha}), {said}**"
        in markdown
    )


def test_it_can_be_shown_and_never_applied(fork):
    path = fork.folder / "plan.json"
    path.write_text(json.dumps(fork.plan("--offline", "--base", "HEAD^1")))
    assert "Offline plan: 1 to add" in fork.run("show", str(path))[1]
    code, _, err = fork.run("apply", str(path), "-e", "dev")
    assert code == 64
    assert "not with a cluster" in err


def test_fields_of_any_server_may_be_asked(repo):
    new = collection("products", 16, "  read_fan_out_delay_ms: 5\n  sharding_method: custom\n")
    repo.write(products=new)
    assert repo.plan("--offline")["summary"]["create"] == 1


def test_without_git_the_files_are_compared(fork):
    shutil.rmtree(fork.folder / ".git")
    fork.write(orders=collection("orders", 20))
    plan = fork.plan("--offline")
    assert (plan["summary"]["update"], plan["offline"]["commit"]) == (1, "")
    assert "Compared with the committed state, not" in fork.run("plan", "--offline", "-e", "dev")[1]
