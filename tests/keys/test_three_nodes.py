"""On three nodes a key without its point is dead on every node, on the very next request."""

from __future__ import annotations

import pytest

from tests.keys.project import KEY, READS, TAKES_TOKENS, Project, asked
from tests.servers import Node, server_folder


@pytest.fixture(scope="module")
def nodes():
    words = {"api_key": KEY, "environ": dict(TAKES_TOKENS)}
    with server_folder() as folder:
        first = Node(folder / "0", **words).start()
        made = [first]
        made += [Node(folder / str(i), bootstrap=first.uri, **words).start() for i in (1, 2)]
        yield made
        for node in made:
            node.stop()


def test_revoked_is_dead_on_every_node(nodes, tmp_path):
    project = Project(tmp_path, nodes[0])
    project.states(reader=READS)
    project.done()
    info = nodes[2].request("GET", "/collections/_qdrantctl_keys")[1]["result"]
    assert info["config"]["params"]["replication_factor"] == 3
    token = project.token("issue", "reader")
    for turn in range(4):
        assert [asked(node, token) for node in nodes] == [200, 200, 200]
        project.node = nodes[turn % 3]
        project.token("revoke", "reader")
        assert [asked(node, token) for node in nodes] == [401, 401, 401], turn
        token = project.token("rotate", "reader")
    project.states()
    project.done()
    assert [asked(node, token) for node in nodes] == [401, 401, 401]


def test_revoking_works_with_a_node_down(nodes, tmp_path):
    project = Project(tmp_path, nodes[0])
    project.states(reader=READS)
    project.done()
    token = project.token("issue", "reader")
    nodes[2].stop()
    project.token("revoke", "reader")
    assert [asked(node, token) for node in nodes[:2]] == [401, 401]
