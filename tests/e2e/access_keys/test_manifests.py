"""Keys in what other commands write: state, rendered and imported manifests."""

from __future__ import annotations

import shutil

from tests.support.access_keys import READS, Project, registry
from tests.support.servers import API_KEY

BOSS = {"access": "m", "ttl": "1d", "grace": "1h", "acknowledge": ["manage"]}


def test_rendered_keys_are_manifests(granted, tmp_path):
    granted.states(reader=READS, boss=BOSS)
    text = granted.run("render", "access_key/*").out
    assert "access: [{collection: products, access: r}]" in text
    assert "access: m" in text
    (tmp_path / "rendered.yaml").write_text(text.replace("access: m,", "access: r,"))
    assert granted.run("validate", "-f", str(tmp_path / "rendered.yaml")).code == 0


def test_state_holds_scopes_and_no_token(granted):
    granted.token("issue", "reader")
    assert granted.run("lock").code == 0
    text = (granted.folder / "state/dev/access_key/reader.yaml").read_text()
    assert "products: r" in text
    assert registry(granted.node)[0]["payload"]["id"] not in text
    assert granted.run("lock", "--check").code == 0


def test_a_lost_manifest_is_imported_from_the_cluster(granted):
    granted.states(reader={**READS, "subject": "bi", "rotate_before": "7d"})
    granted.done()
    (granted.folder / "manifests/all.yaml").unlink()
    told = granted.run("import", "--all", "--out", str(granted.folder / "manifests"))
    assert told.code == 0, told.err
    assert granted.plan().code == 0


def test_a_key_of_another_project_is_not_imported(granted, tmp_path):
    other = Project(tmp_path / "other", granted.node, name="catalog")
    other.states(world=False, writer=READS)
    other.run("apply", "--auto-approve")
    shutil.rmtree(granted.folder / "manifests")
    told = granted.run("import", "--all", "--out", "-")
    assert "reader" in told.out
    assert "writer" not in told.out


def test_a_scope_that_was_changed_by_hand_is_taken_over_into_the_manifest(granted):
    [point] = registry(granted.node)
    body = {"payload": {"access": {"products": "rw", "other": "r"}}, "points": [point["id"]]}
    path = "/collections/_qdrantctl_keys/points/payload?wait=true"
    granted.node.request("POST", path, body)
    told = granted.run("import", "--update", "access_key/reader")
    assert told.code == 0, told.err
    text = (granted.folder / "manifests/all.yaml").read_text()
    assert '"rw"' in text or "rw" in text
    assert granted.plan().change("access_key/reader")["action"] == "adopt"
    assert API_KEY not in text
