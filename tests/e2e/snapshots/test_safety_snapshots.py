"""Whatever destroys points leaves a way back, and the way back leads to what was there."""

from __future__ import annotations

import json
import re

import pytest

from qdrantctl.adapters.qdrant.ledger import ledger_point_id
from tests.support.git_repo import commit_all
from tests.support.project import VECTORS, Project, asked, record
from tests.support.proxy import answer, proxied, refuse_own_disk
from tests.support.snapshots import (
    DELETE,
    FROM,
    OTHER,
    SPEC,
    about,
    contents,
    files,
    fill,
    names,
    restored,
    taken,
)


@pytest.fixture
def project(tmp_path, node):
    """`products` holds points and stands under an alias; the manifests state it no longer."""
    made = Project(tmp_path)
    made.states({"products": SPEC, "other": OTHER}, {"live": "products"})
    made.done(node)
    fill(node)
    made.states({"other": OTHER})
    return made


def test_a_deleted_collection_is_had_again(project, node):
    before = contents(node, "products"), about(node, "products")
    plan = project.plan(node, *DELETE)
    steps = plan.change(FROM)["steps"]
    assert steps[0] == {"snapshot": {"collection": "products", "nodes": []}}
    assert "QC210" not in plan.rules

    told = project.done(node, *DELETE)
    assert names(node) == {"other", "_qdrantctl"}
    outcome = next(o for o in told.document["outcomes"] if o["address"] == FROM)
    [known] = taken(node)
    command = f"qdrantctl snapshots restore {FROM}@{known['id']} -e dev"
    assert outcome["way_back"] == command
    entry = record(node, FROM)
    assert entry["deleted"]
    assert entry["history"][-1]["snapshot"] == known["id"]
    assert known["aliases"] == ["live"]
    assert f"{command}\n" in project.run(node, "history", FROM).out
    assert [file.name for file in files(node)] == [known["files"][0]["name"]]

    told = project.run(node, *command.split()[1:-2], "--as", "again", "--auto-approve")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "again"), about(node, "again")) == before
    assert "again holds 30 points, as many as products had" in told.out
    [alias] = [json.loads(line) for line in told.out.splitlines() if line.startswith("  {")]
    assert (alias["metadata"]["name"], alias["spec"]["collection"]) == ("live", "again")
    assert asked(node, "GET", "/collections/again/snapshots") == []

    told = restored(project, node, "--as", "products")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "products"), about(node, "products")) == before
    assert len(files(node)) == 1
    plan = project.plan(node)
    assert plan.code == 0
    assert plan.document["unmanaged"] == ["collection/again", "collection/products"]
    project.states({"other": OTHER, "products": SPEC}, {"live": "products"})
    assert project.plan(node).change(FROM)["action"] == "adopt"
    project.done(node)


def test_the_restored_collection_has_a_name_of_its_own(project, node):
    project.done(node, *DELETE)
    told = restored(project, node, "--format", "json")
    assert told.code == 0, told.err
    [outcome] = told.document["outcomes"]
    assert outcome["address"].startswith("collection/products-restored-20")
    assert (outcome["action"], outcome["status"]) == ("create", "done")
    assert outcome["address"].removeprefix("collection/") in names(node)


def test_what_was_replaced_is_restored_beside_what_took_its_place(project, node):
    before = contents(node, "products"), about(node, "products")
    larger = {"spec": SPEC | {"vectors": {"size": 8, "distance": "Dot"}}}
    project.states({"products": larger, "other": OTHER}, {"live": "products"})
    plan = project.plan(node)
    assert plan.code == 3
    assert "snapshot" in plan.change(FROM)["steps"][0]
    project.done(node, "--allow-replace", FROM)
    assert asked(node, "GET", "/aliases")["aliases"][0]["collection_name"] == "products"
    told = restored(project, node, "--as", "products-small")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "products-small"), about(node, "products-small")) == before
    assert about(node, "products")[2] == 0

    listed = project.run(node, "snapshots", "list", FROM, "--format", "json").document
    [entry] = listed["snapshots"]
    assert (entry["owner"], entry["listed"]) == ("shop/dev", True)
    assert entry["id"] == taken(node)[0]["id"]


@pytest.mark.parametrize("dropped_before", [False, True])
def test_what_was_under_a_shard_key_is_had_again(tmp_path, node, dropped_before):
    """Shards have numbers; where a key was dropped earlier, a number is missing."""
    spec = {"vectors": VECTORS, "sharding_method": "custom", "shard_number": 2}
    spec |= {"payload_indexes": {"brand": "keyword"}}
    keys = [*(["first"] if dropped_before else []), "eu", {"key": 7, "shards_number": 1}, "us"]
    project = Project(tmp_path)
    project.states({"products": spec | {"shard_keys": keys}})
    project.done(node)
    if dropped_before:
        keys.remove("first")
        project.states({"products": spec | {"shard_keys": keys}})
        assert "snapshot" not in project.plan(node).change(FROM)["steps"][0]
        project.done(node, *DELETE)
        assert taken(node) == []
    fill(node, key="eu")
    fill(node, key=7, count=5, first=100)
    before = contents(node, "products"), about(node, "products")
    project.states({"products": spec | {"shard_keys": ["eu", "us"]}})
    told = project.apply(node)
    assert told.code == 3, told.out
    told = project.done(node, *DELETE)
    assert told.document["outcomes"][0]["way_back"]
    assert about(node, "products")[2] == 30
    told = restored(project, node, "--as", "products-whole")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "products-whole"), about(node, "products-whole")) == before
    shards = asked(node, "GET", "/collections/products-whole/shards")["shard_keys"]
    assert {entry["key"] for entry in shards} == {"eu", 7, "us"}


def test_without_points_there_is_nothing_to_keep(project, node):
    asked(node, "POST", "/collections/products/points/delete?wait=true", {"filter": {}})
    project.done(node)
    assert files(node) == []
    told = restored(project, node)
    assert told.code == 1
    assert "has no snapshot collection/products" in told.err


def test_somebody_may_go_without(project, node):
    flags = (*DELETE, "--no-safety-snapshot", "collection/p*")
    plan = project.plan(node, *flags)
    assert "no snapshot is taken before" in plan.message("QC210")
    assert all("snapshot" not in step for step in plan.change(FROM)["steps"])
    told = project.done(node, *flags)
    assert all(not outcome["way_back"] for outcome in told.document["outcomes"])
    assert files(node) == []
    assert project.plan(node, "--no-safety-snapshot", "products").code == 64


def test_nobody_goes_without_in_a_protected_environment(project, node):
    file = project.folder / "qdrantctl.yaml"
    consent = '  consents: [{delete: "*/*", until: 2099-12-31}]\n'
    file.write_text(file.read_text().replace("URL}}", "URL}, protected: true}") + consent)
    assert project.run(node, "lock").code == 0
    commit_all(project.folder)
    flag = ("--no-safety-snapshot", FROM)
    plan = project.plan(node, *flag)
    assert "QC210" not in plan.rules
    assert "--no-safety-snapshot allows nothing in this plan" in plan.message("QC221")
    assert "snapshot" in plan.change(FROM)["steps"][0]
    told = project.apply(node, *flag)
    assert told.code == 0, told.err
    assert any(outcome["way_back"] for outcome in told.document["outcomes"])
    assert len(files(node)) == 1


@pytest.mark.parametrize("flags", [(), ("--no-safety-snapshot", FROM)])
def test_a_saved_plan_takes_it_too(project, node, flags):
    saved = str(project.folder / "plan.json")
    assert project.run(node, "plan", "--out", saved, *DELETE, *flags).code == 0
    told = project.run(node, "apply", saved, *DELETE)
    assert told.code == 0, told.out + told.err
    assert len(files(node)) == len(taken(node)) == (0 if flags else 1)
    assert names(node) == {"other", "_qdrantctl"}
    if not flags:
        assert restored(project, node, "--as", "again").code == 0


@pytest.mark.parametrize("request_", ["POST", "GET"])
def test_a_snapshot_that_fails_ends_apply_before_anything_is_destroyed(project, node, request_):
    before = contents(node, "products")

    def broken(_, head):
        path = b" /collections/products/snapshots"
        failed = answer(500, b'{"status":{"error":"the disk is full"}}')
        return failed if head.startswith(request_.encode() + path) else None

    with proxied(node.http_port, broken) as proxy:
        told = project.apply(proxy.url, *DELETE)
    assert told.code == 6, told.out + told.err
    outcome = next(o for o in told.document["outcomes"] if o["address"] == FROM)
    assert outcome["status"] == "failed"
    assert "the disk is full" in outcome["error"]
    assert "Nothing of collection/products was destroyed." in outcome["error"]
    assert contents(node, "products") == before
    assert "pending" not in record(node, FROM)
    project.done(node, *DELETE)


def test_a_snapshot_that_is_not_what_was_written_is_not_trusted(project, node):
    other = answer(200, b"not what was written")

    def swapped(_, head):
        return other if head.startswith(b"GET /collections/products/snapshots/") else None

    with proxied(node.http_port, swapped) as proxy:
        told = project.apply(proxy.url, *DELETE)
    assert told.code == 6, told.out + told.err
    assert "differs from what the server reported" in told.out
    assert "products" in names(node)


def test_a_file_that_was_changed_is_not_restored(project, node):
    project.done(node, *DELETE)
    [file] = files(node)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    told = restored(project, node, "--as", "again")
    assert told.code == 6, told.out + told.err
    assert "is no longer what was taken" in told.out
    assert "Restore stopped part-way! 0 added, " in told.out
    assert "apply" not in told.out.split("Plan: ")[1]
    assert names(node) == {"other", "_qdrantctl"}
    assert "restoring" not in record(node, FROM)
    file.unlink()
    told = restored(project, node, "--as", "again")
    assert told.code == 6
    assert "The file was deleted there." in told.out


def test_files_of_a_deleted_collection_are_read_through_a_placeholder(project, node):
    """Where a server restores nothing from its own disk, they have to be downloaded."""
    before = contents(node, "products"), about(node, "products")
    project.done(node, *DELETE)
    refused = answer(403, b'{"status":{"error":"forbidden"},"time":0.0}')
    heads = []

    def refuse(_, head):
        heads.append(head)
        return refused if b"/snapshots/recover" in head else None

    with proxied(node.http_port, refuse) as proxy:
        told = restored(project, proxy.url, "--as", "products")
        assert told.code == 6
        assert "only while a collection of that name exists" in told.out + told.err
        assert names(node) == {"other", "_qdrantctl"}
        told = restored(project, proxy.url, "--as", "again")
        assert told.code == 0, told.out + told.err
    assert any(head.startswith(b"PUT /collections/products ") for head in heads)
    assert not any(head.startswith(b"GET /snapshots") for head in heads)
    assert (contents(node, "again"), about(node, "again")) == before
    assert names(node) == {"again", "other", "_qdrantctl"}

    # One that a killed run has left is used and goes, and so does nothing that is not empty.
    mark = {"collection": "products", "snapshot": "y", "stand_in": True}
    entry = record(node, FROM) | {"address": "collection/x", "restoring": mark}
    points = [{"id": ledger_point_id("collection/x"), "vector": {}, "payload": entry}]
    asked(node, "PUT", "/collections/_qdrantctl/points?wait=true", {"points": points})
    asked(node, "PUT", "/collections/products", {"vectors": {}})
    with proxied(node.http_port, refuse) as proxy:
        told = restored(project, proxy.url, "--as", "third")
    assert told.code == 0, told.out + told.err
    assert names(node) == {"again", "third", "other", "_qdrantctl"}


def test_what_cannot_be_restored_is_refused(project, node, monkeypatch):
    project.done(node, *DELETE)
    for words, code, said in (
        (("--as", "other"), 1, "collection/other exists"),
        (("--as", "_qdrantctl2"), 64, "reserved for qdrantctl"),
        (("--as", "..."), 64, "path segment"),
    ):
        told = restored(project, node, *words)
        assert (told.code, said in told.err) == (code, True), told.err
    for what, code in ((f"{FROM}@2020-01-01-00-00-00", 1), ("products", 64), ("alias/x", 1)):
        assert restored(project, node, what=what).code == code
    told = project.run(node, "snapshots", "restore", FROM)
    assert told.code == 64
    asked(node, "PUT", "/collections/_qdrantctl_lease.shop.dev.1", {"vectors": {}})
    assert restored(project, node).code == 5
    text = (project.folder / "qdrantctl.yaml").read_text()
    (project.folder / "qdrantctl.yaml").write_text(text.replace("shop", "store"))
    assert "owned by shop/dev" in restored(project, node).err


def test_with_a_key(tmp_path, fresh_qdrant, monkeypatch):
    node = fresh_qdrant(api_key="the-secret-key-of-this-test-server")
    project = Project(tmp_path)
    text = (tmp_path / "qdrantctl.yaml").read_text()
    text = text.replace("FLOWS_URL}", "FLOWS_URL}, api_key: {env: FLOWS_KEY}")
    (tmp_path / "qdrantctl.yaml").write_text(text)
    monkeypatch.setenv("FLOWS_KEY", node.api_key)
    project.states({"products": SPEC})
    project.done(node)
    fill(node)
    before = contents(node, "products")
    project.states({"other": OTHER})
    told = [project.done(node, *DELETE), restored(project, node, "--as", "again")]
    told += [project.run(node, "snapshots", "list")]
    assert [each.code for each in told] == [0, 0, 0], told
    assert contents(node, "again") == before
    assert all(node.api_key not in each.out + each.err for each in told)


def test_a_server_without_cluster_mode(tmp_path, fresh_qdrant):
    node = fresh_qdrant(cluster=False)
    project = Project(tmp_path)
    project.states({"products": SPEC, "other": OTHER})
    project.done(node)
    fill(node)
    before = contents(node, "products"), about(node, "products")
    project.states({"other": OTHER})
    project.done(node, *DELETE)
    told = restored(project, node, "--as", "products")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "products"), about(node, "products")) == before


def test_one_of_the_same_second_is_not_written_over(project, node):
    """A snapshot is named after its second."""
    by_hand = asked(node, "POST", "/collections/products/snapshots?wait=true")
    project.done(node, *DELETE)
    assert taken(node)[0]["files"][0]["name"] != by_hand["name"]
    assert len(files(node)) == 2


def test_words_for_a_person(project, node):
    told = project.run(node, "apply", "--auto-approve", *DELETE, "--format", "markdown")
    assert told.code == 0
    back = f"qdrantctl snapshots restore {FROM}@{taken(node)[0]['id']} -e dev"
    assert f"To restore {FROM} as it was: {back}" in told.out
    told = project.run(node, "snapshots", "list")
    assert f"{FROM}@{taken(node)[0]['id']}" in told.out
    assert "not listed" in told.out
    [head, row] = told.out.splitlines()
    assert re.search(r"  \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d  ", row), row
    assert row[head.index("state") :] == "not listed"
    assert project.run(node, "snapshots", "list", "collection/other").out == (
        "There are no snapshots.\n"
    )


def test_what_is_being_done_is_told(project, node):
    told = project.run(node, "apply", "--auto-approve", "-v", *DELETE)
    assert f"collection/products: taking a snapshot on {node.url}" in told.err
    assert "collection/products: reading the snapshot back" in told.err
    told = restored(project, node, "--as", "again", "-vv")
    assert "PUT /collections/again/snapshots/recover -> 200" in told.err
    with proxied(node.http_port, lambda _, head: refuse_own_disk(head)) as proxy:
        told = restored(project, proxy.url, "--as", "third", "-vv")
    assert "POST /collections/third/snapshots/upload -> 200" in told.err
    assert "GET /collections/products/snapshots/products-" in told.err
