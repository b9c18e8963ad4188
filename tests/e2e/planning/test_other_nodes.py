"""Where the url of an environment does not answer, the addresses under `nodes` are used."""

import pytest

from tests.support.project import VECTORS, Project, record
from tests.support.proxy import answer, proxied

CLOSED = "http://127.0.0.1:9"


@pytest.fixture
def project(tmp_path, empty_qdrant):
    result = Project(tmp_path)
    result.states({"c": {"vectors": VECTORS}})
    result.names([empty_qdrant])
    return result


def test_a_url_that_nobody_listens_at(project, empty_qdrant):
    project.done(CLOSED)
    assert project.run(CLOSED, "drift").code == 0
    project.states({"c": {"vectors": VECTORS, "hnsw_config": {"m": 20}}})
    assert project.done(CLOSED).document["outcomes"][0]["status"] == "done"
    assert record(empty_qdrant, "collection/c")["spec"]["hnsw_config"]["m"] == 20


def test_a_node_that_reads_no_replica_of_the_ledger(project, empty_qdrant):
    project.done(empty_qdrant)

    def without_ledger(_, head):
        return answer(500, b"{}") if b"/_qdrantctl/points" in head else None

    with proxied(empty_qdrant.http_port, without_ledger) as proxy:
        assert project.plan(proxy.url).code == 0
        assert project.run(proxy.url, "drift").code == 0


def test_what_a_node_refuses_is_not_asked_elsewhere(project, empty_qdrant):
    project.done(empty_qdrant)

    def forbidden(_, head):
        return answer(403, b"{}") if b"/_qdrantctl/points" in head else None

    with proxied(empty_qdrant.http_port, forbidden) as proxy:
        assert project.plan(proxy.url).code == 1


def test_without_nodes_the_error_is_that_of_the_url(project):
    project.names([])
    told = project.plan(CLOSED)
    assert told.code == 1
    assert CLOSED in told.err
