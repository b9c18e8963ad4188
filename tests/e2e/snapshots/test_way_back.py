"""Nothing is destroyed before its way back is proven."""

from __future__ import annotations

import pytest

from tests.e2e.snapshots.test_restore_set import back
from tests.support.project import Project, asked, emptied, record
from tests.support.proxy import answer, proxied, refuse_own_disk
from tests.support.snapshot_policies import Shop, policy
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

TOO_LARGE = answer(413, b"<html><title>413 Request Entity Too Large</title></html>")
LARGER = SPEC | {"vectors": {"size": 8, "distance": "Dot"}}
REPLACE = ("--allow-replace", FROM)


def body_limit(_: int, head: bytes) -> bytes | None:
    """A proxy that takes no upload."""
    return TOO_LARGE if b"/snapshots/upload" in head.split(b"\r\n", 1)[0] else None


def no_way(number: int, head: bytes) -> bytes | None:
    """The same before a server that recovers from no file of its own disk."""
    return refuse_own_disk(head) or body_limit(number, head)


@pytest.fixture
def project(tmp_path, node):
    made = Project(tmp_path)
    made.states({"products": SPEC, "other": OTHER})
    made.done(node)
    fill(node)
    return made


@pytest.mark.parametrize(
    ("wanted", "consent"),
    [
        pytest.param({"other": OTHER}, DELETE, id="delete"),
        pytest.param({"other": OTHER, "products": {"spec": LARGER}}, REPLACE, id="replace"),
    ],
)
@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        pytest.param(no_way, "Request Entity Too Large", id="body limit"),
        pytest.param(
            lambda number, head: answer(504) if no_way(number, head) == TOO_LARGE else
            refuse_own_disk(head), "answered 504", id="gateway timeout"),
    ],
)  # fmt: skip
def test_what_could_not_be_sent_back_is_not_destroyed(project, node, wanted, consent, fault, cause):
    before = contents(node, "products"), about(node, "products")
    project.states(wanted)
    with proxied(node.http_port, fault) as proxy:
        told = project.apply(proxy.url, *consent)
    assert told.code == 6, told.out + told.err
    outcome = next(o for o in told.document["outcomes"] if o["address"] == FROM)
    assert cause in outcome["error"]
    assert "could not be restored on trial" in outcome["error"]
    assert f"Nothing of {FROM} was destroyed." in outcome["error"]
    assert (contents(node, "products"), about(node, "products")) == before
    assert (files(node), taken(node)) == ([], [])
    assert "pending" not in record(node, FROM)
    assert names(node) == {"products", "other", "_qdrantctl"}
    project.done(node, *consent)


def test_the_way_back_leads_from_the_servers_own_disk(project, node):
    """Where nothing can be sent through the proxy, neither the proof nor the restore needs it."""
    before = contents(node, "products"), about(node, "products")
    project.states({"other": OTHER})
    with proxied(node.http_port, body_limit) as proxy:
        told = project.done(proxy.url, *DELETE)
        outcome = next(o for o in told.document["outcomes"] if o["address"] == FROM)
        command = outcome["way_back"].split()[1:]
        told = project.run(proxy.url, *command, "--as", "products", "--auto-approve")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "products"), about(node, "products")) == before


@pytest.mark.parametrize("folder", ["./elsewhere", "absolute with space"])
def test_wherever_the_server_has_its_snapshots(tmp_path, fresh_qdrant, folder):
    folder = folder if folder.startswith(".") else str(tmp_path / folder)
    node = fresh_qdrant(environ={"QDRANT__STORAGE__SNAPSHOTS_PATH": folder})
    project = Project(tmp_path)
    project.states({"products": SPEC, "other": OTHER})
    project.done(node)
    fill(node)
    before = contents(node, "products")
    project.states({"other": OTHER})
    with proxied(node.http_port, body_limit) as proxy:
        project.done(proxy.url, *DELETE)
        assert restored(project, proxy.url, "--as", "again").code == 0
    assert contents(node, "again") == before


def test_at_the_limit_of_collections_there_is_no_room_for_a_proof(tmp_path, fresh_qdrant):
    """Two of its own and the lease; a fourth, in which the way back is tried, is one too many.

    The plan counts it. Room that another user takes during the apply ends the proof.
    """
    node = fresh_qdrant(environ={"QDRANT__STORAGE__MAX_COLLECTIONS": "4"})
    last = {"vectors": {"size": 4, "distance": "Dot"}}
    project = Project(tmp_path)
    project.states({"products": SPEC})
    project.done(node)
    fill(node)
    project.states({"products": {"spec": LARGER}})
    asked(node, "PUT", "/collections/last", last)
    told = project.apply(node, *REPLACE)
    assert (told.code, "QC219" in told.out + told.err) == (3, True), told.out + told.err
    asked(node, "DELETE", "/collections/last")

    def take_the_room(_: int, head: bytes) -> None:
        if head.startswith(b"POST /collections/products/snapshots"):
            asked(node, "PUT", "/collections/last", last)

    with proxied(node.http_port, take_the_room) as proxy:
        told = project.apply(proxy.url, *REPLACE)
    assert told.code == 6, told.out + told.err
    assert "Max collections limit reached" in told.document["outcomes"][0]["error"]
    assert len(contents(node, "products")) == 30
    asked(node, "DELETE", "/collections/last")
    project.done(node, *REPLACE)


def test_a_restore_in_place_waits_until_its_set_is_proven_to_arrive(node, shop, kept):
    fill(node, first=100, count=5)
    before = contents(node, "products"), about(node, "products")
    with proxied(node.http_port, body_limit) as proxy:
        told = back(shop, proxy.url, kept, "--as", "products", "--allow-replace", FROM)
    assert told.code == 6, told.out + told.err
    assert "Request Entity Too Large" in told.out
    assert f"Nothing of {FROM} was destroyed" in told.out
    assert (contents(node, "products"), about(node, "products")) == before
    assert (files(node), taken(node)) == ([], [])
    assert names(node) == {"products", "_qdrantctl"}


def test_a_set_on_the_servers_is_restored_in_place_without_being_sent(node, shop, kept):
    then = contents(node, "products")
    shop.keeps({"nightly": policy("cluster")})
    shop.done(node)
    assert shop.run(node, "snapshots", "run").code == 0
    fill(node, first=100, count=5)
    words = ("snapshots", "restore", FROM, "--from", "cluster", "--auto-approve", "--as")
    with proxied(node.http_port, body_limit) as proxy:
        told = shop.run(proxy.url, *words, "products", "--allow-replace", FROM)
    assert told.code == 0, told.out + told.err
    assert contents(node, "products") == then


def test_what_a_killed_proof_has_left_is_taken_away_by_the_next(project, node):
    seen: list[str] = []

    def look(_: int, head: bytes) -> None:
        line = head.split(b"\r\n", 1)[0].decode()
        if "way-back" in line and not seen:
            seen.append(line.split("/")[2].split()[0])

    project.states({"other": OTHER})
    with proxied(node.http_port, look) as proxy:
        project.done(proxy.url, *DELETE)
    asked(node, "PUT", f"/collections/{seen[0]}", OTHER)
    project.states({"products": SPEC, "other": OTHER})
    project.done(node)
    fill(node)
    project.states({"other": OTHER})
    project.done(node, *DELETE)
    assert names(node) == {"other", "_qdrantctl"}


def test_on_three_nodes_each_file_is_proven_on_its_own(three_nodes, tmp_path):
    emptied(three_nodes)
    first = three_nodes[0]
    shop = Shop(tmp_path / "shop")
    shop.names(three_nodes)
    spec = {"vectors": SPEC["vectors"], "shard_number": 3, "replication_factor": 2}
    shop.states({"products": spec, "other": OTHER})
    shop.done(first)
    fill(first)
    before = contents(first, "products")
    shop.states({"other": OTHER})
    told = shop.run(first, "apply", "--auto-approve", "-vv", *DELETE)
    assert told.code == 0, told.out + told.err
    assert told.err.count("/snapshots/recover -> 200") == 3
    told = restored(shop, first, "--as", "again")
    assert told.code == 0, told.out + told.err
    assert [contents(node, "again") for node in three_nodes] == [before] * 3
