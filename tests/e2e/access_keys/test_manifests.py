"""Keys in what other commands write: state, rendered and imported manifests."""

from __future__ import annotations

import shutil

from tests.support.access_keys import READS, Project, registry


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
