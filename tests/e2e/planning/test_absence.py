"""Nothing is concluded from a list or a 404 that does not establish that something is absent."""

from __future__ import annotations

import json

import pytest

from tests.support.project import VECTORS, Project, asked
from tests.support.proxy import answer, proxied

PLAIN = {"vectors": VECTORS}
NOT_FOUND = [
    answer(404, b"<html><h1>404 Not Found</h1>nginx</html>", "content-type: text/html"),
    answer(404),
    answer(404, b'{"message":"no Route matched"}', "content-type: application/json"),
]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def paths(node):
    return {c["name"] for c in asked(node, "GET", "/collections")["collections"]}


@pytest.mark.parametrize("response", NOT_FOUND)
def test_a_404_that_is_not_qdrants_is_no_missing_ledger(empty_qdrant, project, response):
    project.states({"c": PLAIN})
    project.done(empty_qdrant)

    def fault(_, head):
        return response if b"/collections/_qdrantctl/points/scroll" in head else None

    project.states({"c": PLAIN, "d": PLAIN})
    before = paths(empty_qdrant)
    with proxied(empty_qdrant.http_port, fault) as proxy:
        for command in (project.plan, project.apply):
            told = command(proxy.url)
            assert told.code == 1
            assert "Whether the resource exists is not known" in told.err
    assert paths(empty_qdrant) == before


def test_a_ledger_that_exists_although_none_was_found_stops_the_apply(empty_qdrant, project):
    """The ledger is hidden until it is to be created: that answers 409."""
    project.states({"c": PLAIN})
    project.done(empty_qdrant)
    missing = (
        b'{"status":{"error":"Not found: Collection `_qdrantctl` doesn\'t exist!"},"time":0.1}'
    )
    hidden = [True]

    def fault(_, head):
        if head.startswith(b"PUT /collections/_qdrantctl "):
            hidden[0] = False
        is_read = b"/collections/_qdrantctl/points/scroll" in head
        return answer(404, missing) if is_read and hidden[0] else None

    asked(empty_qdrant, "PATCH", "/collections/c", {"hnsw_config": {"m": 32}})
    project.states({"c": PLAIN, "d": PLAIN})
    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = project.apply(proxy.url, "--adopt", "collection/c")
    assert told.code == 4, told.out + told.err
    assert "the ledger exists, but it was not found when the plan was made" in told.err
    assert "d" not in paths(empty_qdrant)


LISTS = {
    "/telemetry?details_level=2": ("collections", "collections"),
    "/collections": ("collections",),
}


def test_a_section_that_is_a_number_is_no_fault_of_the_program(empty_qdrant, project):
    project.states({"c": PLAIN})
    project.done(empty_qdrant)

    def fault(_, head):
        if not head.startswith(b"GET /telemetry?details_level=2 "):
            return None
        whole = empty_qdrant.request("GET", "/telemetry?details_level=2")[1]
        for entry in whole["result"]["collections"]["collections"]:
            entry["config"]["strict_mode_config"] = 5
        return answer(200, json.dumps(whole).encode())

    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = project.plan(proxy.url)
    assert told.code == 1
    assert "what the server sent cannot be read" in told.err


@pytest.mark.parametrize("path", LISTS)
def test_a_list_that_lacks_a_collection(empty_qdrant, project, path):
    project.states({"c": PLAIN})
    project.done(empty_qdrant)

    def fault(_, head):
        if not head.startswith(f"GET {path} ".encode()):
            return None
        whole = empty_qdrant.request("GET", path)[1]
        part = whole["result"]
        for key in LISTS[path][:-1]:
            part = part[key]
        part[LISTS[path][-1]] = []
        return answer(200, json.dumps(whole).encode())

    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = project.plan(proxy.url)
    assert told.code == 1
    assert "contradict each other" in told.err
    assert "collection/c" in told.err


def test_a_list_that_lacks_an_alias(empty_qdrant, project):
    asked(empty_qdrant, "PUT", "/collections/other", PLAIN)
    create = {"create_alias": {"collection_name": "other", "alias_name": "live"}}
    asked(empty_qdrant, "POST", "/collections/aliases", {"actions": [create]})
    empty = answer(200, b'{"result":{"aliases":[]},"status":"ok","time":0.1}')

    def fault(_, head):
        return empty if head.startswith(b"GET /aliases ") else None

    project.states({"c": PLAIN}, {"live": "c"})
    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = project.apply(proxy.url)
    assert (told.code, "alias/live exists, but is not in GET /aliases" in told.err) == (1, True)
    project.states({"other": PLAIN}, {"live": "other"})
    project.done(empty_qdrant)
    asked(empty_qdrant, "PUT", "/collections/other/points?wait=true",
          {"points": [{"id": 1, "vector": [1, 0, 0, 0]}]})  # fmt: skip
    project.states({})
    with proxied(empty_qdrant.http_port, fault) as proxy:
        told = project.apply(proxy.url, "--allow-delete", "collection/other")
    assert told.code == 1
    assert "different aliases of collection/other" in told.err
    assert "other" in paths(empty_qdrant)
