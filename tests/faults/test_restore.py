"""Killed between the snapshot and the destruction, or in the middle of the way back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.support.project import VECTORS, Project, asked, record, upsert
from tests.support.proxy import proxied, refuse_own_disk
from tests.support.snapshots import (
    DELETE,
    FROM,
    OTHER,
    SPEC,
    about,
    contents,
    files,
    fill,
    names,
    restored,
    taken,
)


@pytest.fixture
def project(tmp_path, node):
    made = Project(tmp_path)
    made.states({"products": SPEC, "other": OTHER})
    made.done(node)
    fill(node)
    made.states({"other": OTHER})
    return made


def killed(project, node, start: bytes, *words: str, after: bool = False) -> None:
    """Run the program until a request begins so; SIGKILL then, or once the server has acted."""
    victim: list[subprocess.Popen[bytes]] = []

    def kill(_: int, head: bytes) -> str | bytes | None:
        if not head.startswith(start):
            return None if b"/snapshots/recover" in start else refuse_own_disk(head)
        if after:
            return "cut"
        os.kill(victim[0].pid, signal.SIGKILL)
        return "drop"

    with proxied(node.http_port, kill) as proxy:
        proxy.after_cut = lambda: os.kill(victim[0].pid, signal.SIGKILL)
        command = [sys.executable, "-m", "qdrantctl", *words, "--auto-approve"]
        environ = {**os.environ, "FLOWS_URL": proxy.url}
        process = subprocess.Popen(command, cwd=project.folder, env=environ, stderr=-1, stdout=-1)
        victim.append(process)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    held = [name for name in names(node) if name.startswith("_qdrantctl_lease")]
    assert held
    for name in held:
        told = project.run(node, "lease", "break", name, "--auto-approve")
        assert told.code == 0, told.err


def test_killed_between_the_snapshot_and_the_deletion(project, node):
    before = contents(node, "products"), about(node, "products")
    killed(project, node, b"DELETE /collections/products", "apply", *DELETE)
    [first] = taken(node)
    assert record(node, FROM)["pending"] == {"action": "delete", "snapshot": first["id"]}
    assert contents(node, "products") == before[0]
    asked(node, "POST", "/collections/products/points/delete?wait=true", {"points": [1]})
    project.done(node, *DELETE)
    assert len(taken(node)) == 2
    old = taken(node)[0]
    assert old == first
    assert len(files(node)) == 2
    told = restored(project, node, "--as", "old", what=f"{FROM}@{old['id']}")
    assert told.code == 0, told.out + told.err
    assert (contents(node, "old"), about(node, "old")) == before
    told = restored(project, node, "--as", "new")
    assert told.code == 0, told.out + told.err
    assert contents(node, "new") == before[0][1:]


def test_interrupted_while_the_snapshot_is_taken(project, node):
    """Ctrl-C ends it between two requests: nothing was destroyed, nothing is pending."""
    victim: list[subprocess.Popen[bytes]] = []

    def interrupt(_: int, head: bytes) -> None:
        if head.startswith(b"POST /collections/products/snapshots"):
            os.kill(victim[0].pid, signal.SIGINT)

    with proxied(node.http_port, interrupt) as proxy:
        command = [sys.executable, "-m", "qdrantctl", "apply", "--auto-approve", *DELETE]
        environ = {**os.environ, "FLOWS_URL": proxy.url}
        process = subprocess.Popen(command, cwd=project.folder, env=environ, stderr=-1, stdout=-1)
        victim.append(process)
        out, _err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in out
    assert "pending" not in record(node, FROM)
    assert about(node, "products")[2] == 30
    project.done(node, *DELETE)


def test_killed_while_the_snapshot_is_taken(project, node):
    """Nothing was written down, so nothing is pending; the snapshot is there and listed."""
    killed(project, node, b"POST /collections/products/snapshots", "apply", *DELETE, after=True)
    assert "pending" not in record(node, FROM)
    assert taken(node) == []
    told = project.run(node, "snapshots", "list", FROM)
    assert files(node)[0].name in told.out
    project.done(node, *DELETE)
    assert len(taken(node)) == 1


def is_placeholder(node, name: str) -> bool:
    found = asked(node, "GET", f"/collections/{name}")
    return (found["config"]["params"].get("vectors") or {}, found["points_count"]) == ({}, 0)


@pytest.mark.parametrize(
    ("start", "after"),
    [
        (b"PUT /collections/products ", False),
        (b"PUT /collections/products ", True),
        (b"GET /collections/products/snapshots/products-", False),
        (b"PUT /collections/again/snapshots/recover", False),
        (b"PUT /collections/again/snapshots/recover", True),
        (b"POST /collections/again/snapshots/upload", False),
        (b"POST /collections/again/snapshots/upload", True),
        (b"DELETE /collections/again/snapshots/", False),
    ],
)
def test_a_killed_restore_is_finished_by_the_next(project, node, start, after):
    """An empty placeholder stands for the old collection only where its file is downloaded.

    It goes with the next restore, and the copy of the file goes, too.
    """
    before = contents(node, "products"), about(node, "products")
    project.done(node, *DELETE)
    words = ("snapshots", "restore", FROM, "--as", "again")
    killed(project, node, start, *words, after=after)
    assert record(node, "collection/again")["restoring"]["collection"] == "products"
    assert project.plan(node).code == 0
    from_disk, not_yet = b"/recover" in start, start.startswith(b"PUT") and not after
    left = set() if from_disk or not_yet else {"products"}
    assert names(node) - {"again"} == {"other", "_qdrantctl"} | left
    assert all(is_placeholder(node, name) for name in left)
    made = "again" in names(node)
    if made:  # somebody may have written into it since
        told = restored(project, node, "--as", "again")
        assert (told.code, "is unfinished" in told.err) == (1, True), told.out + told.err
    consent = ("--allow-replace", "collection/again") if made else ()
    told = restored(project, node, "--as", "again", *consent)
    assert told.code == 0, told.out + told.err
    assert (contents(node, "again"), about(node, "again")) == before
    assert [e["name"] for e in asked(node, "GET", "/collections/again/snapshots")] == [
        known["files"][0]["name"] for known in taken(node, "collection/again")
    ]
    entry = record(node, "collection/again")
    assert (bool(entry.get("snapshots")), "restoring" in entry) == (made, False)
    assert (entry["deleted"], bool(entry["restored_at"])) == (True, True)
    assert names(node) == {"other", "again", "_qdrantctl"}


def test_nobody_takes_what_a_killed_restore_has_left(project, node):
    before = contents(node, "products")
    project.done(node, *DELETE)
    upload = b"POST /collections/again/snapshots/upload"
    words = ("snapshots", "restore", FROM, "--as", "again")
    killed(project, node, upload, *words, after=True)
    upsert(node, "again", 2)
    project.states({"other": OTHER, "again": SPEC})
    plan = project.plan(node)
    assert (plan.code, "QC216" in plan.rules) == (3, True)
    [found] = [v for v in plan.document["violations"] if v["rule"] == "QC216"]
    assert "restore collection/products@" in found["hint"]
    assert project.apply(node).code == 3
    told = restored(project, node, "--as", "again", "--allow-replace", "collection/again")
    assert told.code == 0, told.out + told.err
    assert contents(node, "again") == before
    project.done(node)


def test_what_is_made_while_the_file_is_sent_stays(project, node):
    project.done(node, *DELETE)

    def meanwhile(_: int, head: bytes) -> bytes | None:
        if head.startswith(b"GET /collections/products/snapshots/products-"):
            asked(node, "PUT", "/collections/again", {"vectors": VECTORS})
            upsert(node, "again", 2)
        return refuse_own_disk(head)

    with proxied(node.http_port, meanwhile) as proxy:
        told = restored(project, proxy.url, "--as", "again")
    assert (told.code, "was created meanwhile" in told.out) == (6, True), told.out + told.err
    assert len(contents(node, "again")) == 2
    assert names(node) == {"other", "again", "_qdrantctl"}
