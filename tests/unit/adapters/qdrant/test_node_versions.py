"""The versions of all nodes, from answers as 1.16.3 and 1.19.0 give them."""

import pytest

from qdrantctl.adapters.qdrant.node_versions import with_node_versions
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.server import Server, Version

NEW = Version(1, 19, 0)
SERVER = Server(NEW, "http://localhost:6333", distributed=True, peers=3)
CLUSTER = {"status": "enabled", "peer_id": 1, "peers": {"1": {}, "2": {}, "3": {}}}


def telemetry(**versions):
    """`cluster` of GET /telemetry?details_level=3; keys are `p` and the id."""
    told = {peer.removeprefix("p"): {"version": version} for peer, version in versions.items()}
    return lambda _: {"cluster": {"enabled": True, "peer_metadata": told}}


def test_the_oldest_node_decides():
    server = with_node_versions(SERVER, CLUSTER, telemetry(p1="1.19.0", p2="1.16.3", p3="1.18.3"))
    assert (server.version, server.newest_version) == (Version(1, 16, 3), NEW)
    assert (server.is_mixed, server.untold) == (True, 0)
    assert server.describe_version() == "the oldest node is 1.16.3"


def test_nodes_of_one_version():
    server = with_node_versions(SERVER, CLUSTER, telemetry(p1="1.19.0", p2="1.19.0", p3="1.19.0"))
    assert (server.version, server.is_mixed, server.untold) == (NEW, False, 0)


def test_a_node_has_its_own_version_from_its_first_answer():
    """After an upgrade the others hear of it a moment later."""
    server = with_node_versions(SERVER, CLUSTER, telemetry(p1="1.16.3", p2="1.19.0", p3="1.19.0"))
    assert not server.is_mixed


@pytest.mark.parametrize(
    ("told", "untold"),
    [
        (telemetry(p1="1.19.0", p2="1.19.0"), 1),
        (telemetry(p2="odd", p3="1.19.0"), 1),
        (lambda _: {"cluster": {"enabled": True}}, 2),
        (lambda _: {}, 2),
    ],
)
def test_what_is_not_told_is_counted(told, untold):
    server = with_node_versions(SERVER, CLUSTER, told)
    assert (server.version, server.untold) == (NEW, untold)


def test_a_refusal_is_no_end():
    def refuse(_):
        raise ClusterError("no")

    assert with_node_versions(SERVER, CLUSTER, refuse).untold == 2


def test_one_node_needs_no_request():
    one = {"status": "enabled", "peer_id": 1, "peers": {"1": {}}}
    assert with_node_versions(SERVER, one, lambda _: 1 / 0) == SERVER
    assert with_node_versions(SERVER, {"status": "disabled"}, lambda _: 1 / 0) == SERVER
