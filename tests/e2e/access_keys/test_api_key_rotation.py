"""Replacing the cluster's API key: what it breaks, and that `keys issue --all` mends it."""

from __future__ import annotations

from qdrantctl.model.server import Server, Version
from tests.support.access_keys import READS, Project, asked
from tests.support.servers import API_KEY, TAKES_TOKENS, server_version

NEW = "the-api-key-that-comes-next-with-32-bytes"


def test_a_new_api_key_breaks_every_token_until_they_are_issued_again(fresh_qdrant, tmp_path):
    node = fresh_qdrant(api_key=API_KEY, environ=dict(TAKES_TOKENS))
    project = Project(tmp_path, node)
    project.states(reader={**READS, "sinks": [{"file": "token"}]}, gone=READS, unissued=READS)
    project.done()
    project.token("issue", "reader")
    project.token("issue", "gone")
    project.token("revoke", "gone", "--auto-approve")
    told = project.run("keys", "replace-api-key", "--format", "json").document
    assert [(one["owner"], one["name"]) for one in told["broken"]] == [("shop/dev", "reader")]
    takes_two_keys = server_version() >= Version(1, 17, 0)
    assert told["rolling"] is takes_two_keys
    text = project.run("keys", "replace-api-key").out
    assert ("so clients are interrupted" in text) is not takes_two_keys
    old = (tmp_path / "token").read_text().strip()

    node.stop()
    node.api_key = project.key = NEW
    node.start()
    assert asked(node, old) == 403
    assert project.plan().code == 0, "scopes and the registry are as they were"
    assert project.run("keys", "issue", "--all").code == 0
    new = (tmp_path / "token").read_text().strip()
    assert new != old
    assert asked(node, new) == 200
    assert len(project.listed("reader")) == 1


def test_a_server_that_takes_two_keys_is_told_so(project, monkeypatch):
    # No server of 1.17 comes as a package; what is asked of this one is its version alone.
    newer = Server(Version(1, 17, 0), "http://cluster:6333", peers=3)
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.RestClient.server", newer)
    told = project.run("keys", "replace-api-key")
    assert told.code == 0, told.err
    assert "alt_api_key, so no client is interrupted" in told.out
    assert "3 nodes" in told.out
