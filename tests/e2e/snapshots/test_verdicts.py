"""What says something of the bytes of a set condemns it, a refusal of the environment does not."""

from __future__ import annotations

import json
import os
from hashlib import sha256

import pytest

from tests.e2e.snapshots.test_restore_set import back
from tests.support.project import asked
from tests.support.proxy import answer, proxied
from tests.support.snapshot_policies import backdate, sets
from tests.support.snapshots import contents, fill, names

CONDEMNED = {"when": "2026-11-01T00:00:00Z", "good": False, "server": "1.16.3", "missed": ["x"]}


def state(shop, node):
    rows = shop.run(node, "snapshots", "list", "--format", "json").document["sets"]
    return [(row["state"], row["verified"] and row["verified"]["good"]) for row in rows]


def said(text: str) -> bytes:
    return json.dumps({"status": {"error": text}}).encode()


REFUSALS = {
    "limit of collections": (400, said("Bad request: Max collections limit reached: 3")),
    "read-only volume": (500, said("Service internal error: Read-only file system (os error 30)")),
    "full volume": (500, said("Service internal error: File IO error: failed to unpack `/x.tar`")),
    "form not stored": (400, b"An error occurred processing field: snapshot"),
    "quota": (507, said("Insufficient storage")),
    "proxy's form check": (422, b"<html>Unprocessable</html>"),
    "rate limit": (429, said("Rate limiting exceeded")),
    "timeout": (504, b"<html>Gateway Time-out</html>"),
    "rights": (403, said("Forbidden")),
}


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
@pytest.mark.parametrize("before", ["untried", "good", "bad"])
def test_a_refusal_of_the_environment_leaves_a_verdict_as_it_was(node, shop, kept, refusal, before):
    file = sets(kept)[0] / "verified.json"
    if before != "untried":
        file.write_text(json.dumps(CONDEMNED | {"good": before == "good"}))
    known, listed = file.exists() and file.read_text(), state(shop, node)

    def refuse(_: int, head: bytes) -> bytes | None:
        asks = b"/snapshots/upload" in head.split(b"\r\n", 1)[0]
        return answer(*REFUSALS[refusal]) if asks else None

    with proxied(node.http_port, refuse) as proxy:
        told = shop.run(proxy.url, "snapshots", "verify", "--format", "json")
    assert (told.code, told.document["verified"]) == (6, []), told.out
    assert len(told.document["untried"]) == 1
    assert (file.exists() and file.read_text(), state(shop, node)) == (known, listed)
    assert names(node) == {"products", "_qdrantctl"}


def test_a_real_limit_of_collections_condemns_no_set(tmp_path, fresh_qdrant, shop):
    from tests.support.snapshot_policies import policy

    node = fresh_qdrant(environ={"QDRANT__STORAGE__MAX_COLLECTIONS": "4"})
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(node)
    fill(node)
    assert shop.run(node, "snapshots", "run").code == 0
    asked(node, "PUT", "/collections/last", {"vectors": {"size": 4, "distance": "Dot"}})
    told = shop.run(node, "snapshots", "verify")
    assert (told.code, "holds at most 4 collections" in told.err) == (6, True), told.out + told.err
    told = shop.run(node, "snapshots", "restore", "collection/products", "--from", folder.as_uri(),
                    "--as", "again", "--auto-approve")  # fmt: skip
    assert told.code == 1
    assert "QC219" in told.err and "needs 6 at the same time: 3 exist, 3 are added" in told.err
    assert names(node) == {"products", "_qdrantctl", "last"}
    assert state(shop, node) == [("complete", None)]
    asked(node, "DELETE", "/collections/last")
    assert shop.run(node, "snapshots", "verify").code == 0


def test_a_later_verification_lifts_a_verdict_of_an_older_set_too(node, shop, kept):
    backdate(kept, 1)
    assert shop.run(node, "snapshots", "run").code == 0
    for found in sets(kept):
        found.joinpath("verified.json").write_text(json.dumps(CONDEMNED))
    assert state(shop, node) == [("bad", False)] * 2
    told = shop.run(node, "snapshots", "verify")
    assert told.code == 0, told.out + told.err
    assert state(shop, node) == [("complete", True)] * 2


def test_a_file_that_is_not_listed_leaves_no_verdict(node, shop, kept):
    [file] = sets(kept)[0].glob("*.snapshot")
    away = kept / "away"
    file.rename(away)
    assert shop.run(node, "snapshots", "verify").code == 6
    assert state(shop, node) == [("bad", None)]
    away.rename(file)
    assert state(shop, node) == [("complete", None)]


def test_settings_that_a_server_overrides_are_no_fault_of_the_set(node, shop, kept):
    file = sets(kept)[0] / "set.json"
    about = json.loads(file.read_text())
    about["snapshot"]["spec"]["hnsw_config"] = {"m": 21}
    file.write_text(json.dumps(about))
    told = shop.run(node, "snapshots", "verify", "--format", "json")
    assert told.code == 0, told.out + told.err
    [met] = told.document["verified"]
    assert (met["good"], "hnsw_config" in met["notes"][0]) == (True, True)
    assert "changed by this server: " in shop.run(node, "snapshots", "verify").out


def test_a_verdict_can_be_ignored(node, shop, kept):
    then = contents(node, "products")
    sets(kept)[0].joinpath("verified.json").write_text(json.dumps(CONDEMNED))
    told = back(shop, node, kept, "--as", "again")
    assert (told.code, "holds no set" in told.err) == (1, True)
    name = f"collection/products@{sets(kept)[0].name}"
    told = back(shop, node, kept, "--as", "again", what=name)
    assert (told.code, "--ignore-verdict restores it anyway" in told.err) == (1, True)
    told = back(shop, node, kept, "--as", "again", "--ignore-verdict")
    assert told.code == 0, told.out + told.err
    assert "Warning: the set" in told.err
    assert "failed its verification at 2026-11-01" in told.err
    assert contents(node, "again") == then
    words = ("snapshots", "restore", "collection/products", "--auto-approve", "--ignore-verdict")
    told = shop.run(node, *words)
    assert (told.code, "needs --from" in told.err) == (64, True)


def test_what_is_no_archive_is_not_restored_in_place_of_anything(node, shop, kept):
    """With its verdict ignored: the proof shows that no server makes anything of it."""
    data = os.urandom(5000)
    found = sets(kept)[0]
    next(found.glob("*.snapshot")).write_bytes(data)
    about = json.loads((found / "set.json").read_text())
    about["snapshot"]["files"][0] |= {"size": 5000, "checksum": sha256(data).hexdigest()}
    (found / "set.json").write_text(json.dumps(about))
    before = contents(node, "products")
    told = shop.run(node, "snapshots", "verify", "--format", "json")
    assert told.code == 6
    assert "the file is not a complete archive" in told.document["verified"][0]["missed"][1]
    words = ("--as", "products", "--allow-replace", "collection/products", "--ignore-verdict")
    told = back(shop, node, kept, *words)
    assert (told.code, "was destroyed" in told.out) == (6, True), told.out + told.err
    assert contents(node, "products") == before
