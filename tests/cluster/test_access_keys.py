"""On three nodes a key without its point is dead on every node, on the very next request."""

from __future__ import annotations

from tests.support.access_keys import READS, Project, asked
from tests.support.servers import API_KEY, TAKES_TOKENS

NODE_WORDS = {"api_key": API_KEY, "environ": dict(TAKES_TOKENS)}


def test_revoked_is_dead_on_every_node(three_nodes, tmp_path):
    nodes = three_nodes
    project = Project(tmp_path, nodes[0])
    project.states(reader=READS)
    project.done()
    info = nodes[2].request("GET", "/collections/_qdrantctl_keys")[1]["result"]
    assert info["config"]["params"]["replication_factor"] == 3
    token = project.token("issue", "reader")
    for turn in range(4):
        assert [asked(node, token) for node in nodes] == [200, 200, 200]
        project.node = nodes[turn % 3]
        project.token("revoke", "reader", "--auto-approve")
        assert [asked(node, token) for node in nodes] == [401, 401, 401], turn
        token = project.token("rotate", "reader")
    project.states()
    project.done()
    assert [asked(node, token) for node in nodes] == [401, 401, 401]


def test_revoking_works_with_a_node_down(three_nodes, tmp_path):
    nodes = three_nodes
    project = Project(tmp_path, nodes[0])
    project.states(reader=READS)
    project.done()
    token = project.token("issue", "reader")
    nodes[2].stop()
    project.token("revoke", "reader", "--auto-approve")
    assert [asked(node, token) for node in nodes[:2]] == [401, 401]
