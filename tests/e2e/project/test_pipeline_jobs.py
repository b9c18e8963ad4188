"""The shell of every generated job, run as its CI runs it, on a real server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.project.test_init_ci import PACKAGE
from tests.support.cli import run_cli
from tests.support.forge import Github, Gitlab, gitlab_api
from tests.support.servers import API_KEY, READ_ONLY_KEY, Node

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: embedded}
    eu: {url: {env: Q_URL}, api_key: {file: keys/eu}}
    us: {url: {env: Q_URL}, api_key: {command: [cat, /tmp/qdrantctl-no-such-key]}}
    prod: {url: {env: PROD_URL}, api_key: {env: PROD_KEY}, protected: true}
"""
MANIFESTS = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Cosine}
  strict_mode_config: {enabled: true, max_query_limit: 1000}
---
apiVersion: qdrantctl/v1
kind: SnapshotPolicy
metadata: {name: nightly}
spec: {collections: [products], schedule: "* * * * *", destination: "file://FOLDER",
       retention: {keep_last: 2}}
"""
needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="GitHub's runners have jq")


class Shop:
    """A repository with the project, and its changes."""

    def __init__(self, folder: Path, backups: Path) -> None:
        self.folder = folder
        (folder / "manifests").mkdir(parents=True)
        self.git("init", "--quiet", "-b", "main")
        key_command = folder.parent / "key"
        key_command.write_text(READ_ONLY_KEY)
        self.write(
            "qdrantctl.yaml", PROJECT.replace("/tmp/qdrantctl-no-such-key", str(key_command))
        )
        self.write("manifests/all.yaml", MANIFESTS.replace("FOLDER", str(backups)))
        (folder / ".gitignore").write_text(".qdrantctl/\nkeys/\n")
        for ci in ("github", "gitlab"):
            assert run_cli("init", folder, "--ci", ci, "--package", PACKAGE).code == 0
        self.commit()

    def git(self, *words: str) -> None:
        user = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
        subprocess.run(["git", "-C", self.folder, *user, *words], check=True, capture_output=True)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def commit(self) -> None:
        assert run_cli("lock", project=self.folder).code == 0
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "Change")

    def edit(self, old: str, new: str) -> None:
        """Change the manifests in a commit."""
        path = self.folder / "manifests" / "all.yaml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        self.commit()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "shop", tmp_path / "backups")


@pytest.fixture
def github(shop: Shop, empty_token_qdrant: Node, tmp_path: Path) -> Github:
    url, key = empty_token_qdrant.url, READ_ONLY_KEY
    reading = {"PROD_KEY_READ_ONLY": key, "QDRANT_API_KEY_READ_ONLY": key}
    writing = {"PROD_KEY": API_KEY, "QDRANT_API_KEY": API_KEY}
    urls = {"PROD_URL": url, "Q_URL_EU": url, "Q_URL_US": url}
    return Github(shop.folder, tmp_path / "forge", urls | reading | writing)


def marker(environment: str, command: str = "plan") -> str:
    return f"<!-- qdrantctl {command} project=shop environment={environment} -->"


def add_point(node: Node) -> None:
    body = {"points": [{"id": 1, "vector": [0.1, 0.2, 0.3, 0.4]}]}
    assert node.request("PUT", "/collections/products/points?wait=true", body)[0] == 200


def set_limit(node: Node, limit: int) -> None:
    body = {"strict_mode_config": {"enabled": True, "max_query_limit": limit}}
    assert node.request("PATCH", "/collections/products", body)[0] == 200


def test_the_check_and_the_plan_of_a_fork(github, shop):
    shop.edit("1000", "500")
    github.run_job("check", fork=True)
    assert github.code == 0, github.log
    assert github.summary.count("not with a cluster") == 3
    manifests = shop.folder / "manifests" / "all.yaml"
    manifests.write_text(manifests.read_text().replace("500", "400"))
    shop.git("commit", "--quiet", "--all", "--message", "Without its state")
    github.run_job("check")
    assert github.code == 2, "the committed state is out of date"


@needs_jq
def test_a_pull_request_has_one_comment_for_each_environment(github, shop):
    for name in ("eu", "us", "prod"):
        assert github.run_job(f"plan-{name}") == {"code": "2"}, github.log
        assert github.code == 0
    github.run_job("comment")
    assert github.code == 0, github.log
    made = github.requests()
    assert [request[:2] for request in made] == [
        ["GET", "repos/acme/shop/issues/7/comments?per_page=100"],
        ["POST", "repos/acme/shop/issues/7/comments"],
    ] * 3
    assert {marker(name) for name in ("eu", "us", "prod")} == {
        request[2]["body"].splitlines()[0] for request in made if request[2]
    }
    shop.edit("1000", "500")
    github.run_job("plan-prod")
    github.run_job("comment")
    assert [r[1] for r in github.requests() if r[0] == "PATCH"] == [
        f"repos/acme/shop/issues/comments/{number}" for number in (103, 104, 105)
    ]
    bodies = [each["body"] for each in github.state["comments"]]
    assert len(bodies) == 6
    prod = next(body for body in bodies if body.startswith(marker("prod")))
    assert "500" in prod


@needs_jq
def test_a_whole_pull_request_and_its_merge(github, shop):
    """Every job in its order. The three environments are one cluster here, so one can own it."""
    assert github.run_workflow("pull_request") == {
        "check": "success", "plan-eu": "success", "apply-eu": "skipped",
        "plan-us": "success", "apply-us": "skipped", "plan-prod": "success",
        "apply-prod": "skipped", "comment": "success",
    }  # fmt: skip
    assert github.run_workflow("push") == {
        "check": "success", "plan-eu": "success", "apply-eu": "success",
        "plan-us": "failure", "apply-us": "skipped", "plan-prod": "skipped",
        "apply-prod": "skipped", "comment": "skipped",
    }, github.log  # fmt: skip
    github.requests()
    shop.edit("1000", "500")
    results = github.run_workflow("pull_request")
    assert (results["plan-us"], results["plan-prod"]) == ("failure", "failure"), "red, and planned"
    assert results["comment"] == "success"
    assert [each[0] for each in github.requests()] == ["GET", "PATCH"] * 3
    assert github.run_workflow("push")["apply-eu"] == "success"
    manifests = shop.folder / "manifests" / "all.yaml"
    manifests.write_text(manifests.read_text().replace("500", "400"))
    shop.git("commit", "--quiet", "--all", "--message", "Without its state")
    assert set(github.run_workflow("push").values()) == {"failure", "skipped"}
    assert set(github.run_workflow("pull_request").values()) == {"failure", "skipped", "success"}


def test_a_plan_that_is_cut_links_to_its_page(github, shop):
    """The comment fits the forge; the artifact holds a page with every change."""
    one = (
        "---\napiVersion: qdrantctl/v1\nkind: Collection\nmetadata: {name: many-NUMBER}\n"
        "spec: {vectors: {size: SIZE, distance: Cosine}, metadata: {note: '" + "x" * 60 + "'}}\n"
    )
    path = shop.folder / "manifests" / "all.yaml"
    path.write_text(
        path.read_text()
        + "".join(
            one.replace("NUMBER", f"{number:03}").replace("SIZE", str(number + 1))
            for number in range(400)
        )
    )
    shop.commit()
    github.run_job("plan-prod")
    assert github.code == 0, github.log
    comment = (github.artifacts / "plan-prod" / "plan-prod.md").read_text()
    assert len(comment) <= 65536
    address = "https://forge.example.com/acme/shop/actions/runs/42#artifacts"
    assert comment.rstrip().endswith(f"It is kept at <{address}>._")
    page = (github.artifacts / "plan-prod" / "plan-prod.html").read_text()
    assert 'data-address="collection/many-399"' in page
    assert "many-399" not in comment


@needs_jq
def test_a_blocked_plan_is_red_and_a_failed_one_too(github, shop, empty_token_qdrant):
    github.run_job("plan-prod")
    github.run_job("apply-prod")
    assert github.code == 0, github.log
    add_point(empty_token_qdrant)
    shop.edit("size: 4", "size: 8")
    assert github.run_job("plan-prod") == {"code": "3"}
    assert github.code == 3
    github.run_job("comment")
    assert "collection/products" in github.requests()[-1][2]["body"]
    github.secrets = {**github.secrets, "PROD_KEY_READ_ONLY": "wrong"}
    assert github.run_job("plan-prod") == {"code": "1"}
    assert github.code == 1
    github.run_job("comment")
    body = github.requests()[-1][2]["body"]
    assert body == f"{marker('prod')}\n### The plan for prod failed. " + (
        "The log of the pipeline says why.\n"
    )
    assert "wrong" not in github.log


def test_exactly_the_approved_plan_is_applied(github, shop, empty_token_qdrant):
    """With the key of the environment: the other one cannot write."""
    assert github.run_job("plan-prod") == {"code": "2"}
    shown = (github.artifacts / "plan-prod" / "plan-prod.json").read_text()
    assert READ_ONLY_KEY not in shown + github.log
    github.secrets = {**github.secrets, "PROD_KEY": READ_ONLY_KEY}
    github.run_job("apply-prod")
    assert github.code != 0
    github.secrets = {**github.secrets, "PROD_KEY": API_KEY}
    github.run_job("apply-prod")
    assert github.code == 0, github.log
    assert "Apply complete! 2 added" in github.summary
    receipt = json.loads((github.artifacts / "receipt-prod" / "receipt-prod.json").read_text())
    assert [outcome["status"] for outcome in receipt["outcomes"]] == ["done", "done"]
    assert github.run_job("plan-prod") == {"code": "0"}
    shop.edit("1000", "500")
    assert github.run_job("plan-prod") == {"code": "2"}
    set_limit(empty_token_qdrant, 7)
    github.run_job("apply-prod")
    assert github.code == 4, "the cluster has changed since the approval"


@needs_jq
def test_drift_opens_updates_and_closes_one_issue(github, empty_token_qdrant):
    github.run_job("plan-prod")
    github.run_job("apply-prod")
    for limit, request in ((7, "POST"), (8, "PATCH")):
        set_limit(empty_token_qdrant, limit)
        github.run_job("drift-prod")
        assert github.code == 2
        assert "max_query_limit" in github.summary
        github.run_job("issues")
        assert github.code == 0, github.log
        made = github.requests()
        assert [each[0] for each in made] == ["GET", request]
    [issue] = github.state["issues"]
    assert issue["title"] == "Drift in prod"
    assert issue["body"].startswith(marker("prod", "drift"))
    set_limit(empty_token_qdrant, 1000)
    github.run_job("drift-prod")
    assert github.code == 0, github.log
    github.run_job("issues")
    assert github.requests()[-1][1:] == [
        "repos/acme/shop/issues/1",
        {"body": github.state["issues"][0]["body"], "state": "closed",
         "state_reason": "completed"},
    ]  # fmt: skip
    github.run_job("drift-prod")
    github.run_job("issues")
    assert [each[0] for each in github.requests()] == ["GET"], "without drift none is opened"


def test_the_audit_uploads_its_findings(github):
    github.run_job("audit-prod")
    assert github.code in (0, 2), github.log
    report = json.loads((github.folder / "qdrantctl-prod").read_text())
    assert report["runs"][0]["tool"]["driver"]["name"] == "qdrantctl"
    (github.folder / "qdrantctl-prod").unlink()
    github.secrets = {**github.secrets, "PROD_URL": "http://127.0.0.1:1"}
    github.run_job("audit-prod")
    assert github.code == 1
    assert not (github.folder / "qdrantctl-prod").exists()


def test_snapshots_are_taken_and_verified(github, empty_token_qdrant, tmp_path):
    github.run_job("plan-prod")
    github.run_job("apply-prod")
    add_point(empty_token_qdrant)
    github.run_job("run-prod")
    assert github.code == 0, github.log
    assert list((tmp_path / "backups").rglob("set.json"))
    github.run_job("verify-prod")
    assert github.code == 0, github.log
    assert list((tmp_path / "backups").rglob("verified.json")), github.log


@pytest.fixture
def gitlab(shop: Shop, empty_token_qdrant: Node, tmp_path: Path) -> Iterator[Gitlab]:
    url, key = empty_token_qdrant.url, READ_ONLY_KEY
    names = {"PROD_URL": url, "Q_URL_EU": url, "Q_URL_US": url, "PROD_KEY": "of-another-job",
             "PROD_KEY_READ_ONLY": key, "QDRANT_API_KEY_READ_ONLY": key}  # fmt: skip
    with gitlab_api() as (address, api):
        forge = Gitlab(shop.folder, tmp_path / "forge", names, url=address)
        forge.folder.mkdir()
        forge.api = api
        yield forge


def test_gitlab_comments_and_applies(gitlab, shop):
    gitlab.run_job("check")
    assert gitlab.code == 0, gitlab.log
    shop.edit("1000", "500")
    gitlab.run_job("offline plan", CI_MERGE_REQUEST_DIFF_BASE_SHA="HEAD^1")
    assert gitlab.code == 0, gitlab.log
    assert gitlab.log.count("max_query_limit : 1000 -> 500") == 3
    gitlab.api.notes += [{"id": n, "author": {"id": 1}, "body": "x"} for n in range(1, 4)]
    for round_, methods in enumerate((["GET", "GET", "GET", "POST"], ["GET"] * 3 + ["PUT"])):
        for name in ("eu", "us", "prod")[: 3 - 2 * round_]:
            gitlab.run_job(f"plan {name}")
            assert gitlab.code == 0, gitlab.log
        gitlab.api.requests.clear()
        gitlab.run_job("comment")
        assert gitlab.code == 0, gitlab.log
        assert [method for method, _ in gitlab.api.requests][:4] == methods
    firsts = [note["body"].splitlines()[0] for note in gitlab.api.notes]
    assert sorted(firsts) == sorted(["x"] * 3 + [marker(name) for name in ("eu", "us", "prod")])
    assert "collection/products" in (gitlab.artifacts / "plan-prod.html").read_text()
    gitlab.run_job("plan to apply prod")
    assert gitlab.code == 0, gitlab.log
    gitlab.run_job("apply prod", PROD_KEY=API_KEY)
    assert gitlab.code == 0, gitlab.log
    assert json.loads((gitlab.artifacts / "receipt-prod.json").read_text())["outcomes"]


def test_gitlab_looks_for_drift_and_audits(gitlab, empty_token_qdrant, tmp_path):
    gitlab.run_job("plan to apply prod")
    gitlab.run_job("apply prod", PROD_KEY=API_KEY)
    steps: list[tuple[int, int, list[str]]] = [
        (7, 2, ["GET", "GET", "POST"]), (8, 2, ["GET", "GET", "PUT"]),
        (1000, 0, ["GET", "GET", "PUT"]), (1000, 0, ["GET", "GET"]),
    ]  # fmt: skip
    for limit, code, methods in steps:
        set_limit(empty_token_qdrant, limit)
        shutil.rmtree(gitlab.artifacts)
        gitlab.run_job("drift prod")
        assert gitlab.code == code, gitlab.log
        gitlab.api.requests.clear()
        gitlab.run_job("issues")
        assert gitlab.code == 0, gitlab.log
        assert [method for method, _ in gitlab.api.requests] == methods
    [issue] = gitlab.api.issues
    assert (issue["title"], issue["state"]) == ("Drift in prod", "closed")
    gitlab.run_job("audit prod")
    assert gitlab.code in (0, 2), gitlab.log
    assert json.loads((gitlab.artifacts / "audit-prod.sarif").read_text())["runs"]
    for verb in ("run", "verify"):
        gitlab.run_job(f"snapshots {verb} prod", PROD_KEY=API_KEY)
        assert gitlab.code == 0, gitlab.log
    assert list((tmp_path / "backups").rglob("set.json"))
