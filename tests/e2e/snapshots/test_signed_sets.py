"""Sets with the signature of the project: others are refused."""

from __future__ import annotations

import json

import pytest

from tests.support.snapshot_policies import backdate, sets
from tests.support.snapshots import FROM, names

KEY = "canary-signing-key-5f0c"
RESTORE = ("snapshots", "restore", FROM, "--auto-approve", "--as", "again", "--from")


def state(shop, node) -> tuple[str, str]:
    """State of the only set, and the reason."""
    told = shop.run(node, "snapshots", "list", "--format", "json")
    [row] = told.document["sets"]
    assert KEY not in told.out + told.err
    return row["state"], row["problem"]


@pytest.fixture
def signs(shop, monkeypatch):
    """Has the project want signatures by keys in these variables, the first of which signs."""

    def sign(*variables: str) -> None:
        project = shop.folder / "qdrantctl.yaml"
        text = project.read_text().partition("  snapshot_signing:")[0]
        first, *more = ({"env": name} for name in variables)
        stated = json.dumps({"key": first, "previous_keys": more})
        project.write_text(f"{text}  snapshot_signing: {stated}\n")

    monkeypatch.setenv("SIGNING_KEY", KEY)
    monkeypatch.setenv("NEW_KEY", "another-key")
    return sign


def test_unsigned_sets_are_refused(node, shop, kept, signs):
    signs("SIGNING_KEY")
    assert state(shop, node) == (
        "orphan",
        "set.json is not signed, and the project wants signed sets",
    )
    told = shop.run(node, *RESTORE, f"file://{kept}")
    assert (told.code, "is not signed" in told.err, "again" in names(node)) == (1, True, False)
    assert shop.run(node, "snapshots", "verify").out == "Nothing to verify.\n"
    assert shop.run(node, "snapshots", "run").code == 0
    assert len(sets(kept)) == 2, "one that counts"
    told = shop.run(node, *RESTORE, f"file://{kept}")
    assert told.code == 0, told.err


@pytest.fixture
def signed(node, shop, kept, signs):
    """The folder of the only set, which is signed."""
    signs("SIGNING_KEY")
    for file in sets(kept)[0].iterdir():
        file.unlink()
    assert shop.run(node, "snapshots", "run").code == 0
    assert state(shop, node) == ("complete", "")
    [folder] = sets(kept)
    return folder


def test_a_change_of_what_is_signed_is_seen(node, shop, kept, signed):
    text = (signed / "set.json").read_text()
    backdate(kept, 2)
    assert state(shop, node) == ("orphan", "set.json is signed with none of the project's keys")
    (signed / "set.json").write_text(text)
    # What was signed as one file is no other file.
    (signed / "pruned.json").write_text(text)
    assert state(shop, node)[0] == "orphan"
    (signed / "pruned.json").unlink()
    assert shop.run(node, "snapshots", "verify").code == 0
    assert state(shop, node) == ("complete", "")
    told = json.loads((signed / "verified.json").read_text())
    (signed / "verified.json").write_text(json.dumps(told | {"good": False}))
    assert state(shop, node) == ("complete", "")


def test_a_key_is_replaced(node, shop, kept, signs, signed):
    signs("NEW_KEY")
    assert state(shop, node)[0] == "orphan"
    signs("NEW_KEY", "SIGNING_KEY")
    assert state(shop, node) == ("complete", "")


def test_without_the_key_nothing_is_read_or_written(node, shop, kept, signed, monkeypatch):
    monkeypatch.delenv("SIGNING_KEY")
    before = sorted(kept.rglob("*"))
    told = shop.run(node, "snapshots", "run")
    assert (told.code, "SIGNING_KEY is not set" in told.out) == (6, True)
    told = shop.run(node, *RESTORE, f"file://{kept}")
    assert (told.code, "SIGNING_KEY is not set" in told.err) == (1, True)
    assert shop.run(node, "plan").code == 0
    assert sorted(kept.rglob("*")) == before


def test_a_key_never_stands_in_the_project_file(node, shop, kept, signs):
    project = shop.folder / "qdrantctl.yaml"
    project.write_text(f"{project.read_text()}  snapshot_signing: {{key: {KEY}}}\n")
    told = shop.run(node, "plan")
    assert (told.code, KEY in told.out + told.err) == (1, False)
