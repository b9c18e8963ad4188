"""What breaks: stores, nodes, the run itself. Never a sidecar without data, never a lost set."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.project import asked, emptied, record
from tests.support.proxy import proxied
from tests.support.servers import free_port
from tests.support.snapshot_policies import (
    PRODUCTS,
    Shop,
    backdate,
    ledger_holds,
    ledger_sets,
    ledger_tells,
    policy,
    sets,
    stray,
)
from tests.support.snapshots import contents, files, fill

TAKEN = "snapshot_sets/shop/dev/nightly"
"""What the ledger remembers of the sets of the policy."""


@contextmanager
def moto(*, strict: bool = False):
    """An S3 on loopback with the bucket backups. Where it is `strict` no credentials are right."""
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environ = os.environ | ({"INITIAL_NO_AUTH_ACTION_COUNT": "1"} if strict else {})
    process = subprocess.Popen(
        words, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/backups", method="PUT"))
                break
            except OSError:
                time.sleep(0.1)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def s3():
    with moto() as url:
        yield url


@pytest.fixture
def store(s3, monkeypatch):
    words = {"AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "canary-id", "AWS_REGION": "us-east-1",
             "AWS_SECRET_ACCESS_KEY": "canary-secret"}  # fmt: skip
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    from qdrantctl.adapters.stores.store import open_store

    found = open_store("s3://backups")
    for name, _ in list(found.list_files("")):
        found.delete(name)
    return found


@pytest.fixture
def filled(node, shop):
    shop.keeps({})
    shop.done(node)
    fill(node)
    return node


def applied(node, shop, destination, **words):
    shop.keeps({"nightly": policy(destination, **words)})
    shop.done(node)


def test_a_bucket(filled, shop, store):
    applied(filled, shop, "s3://backups/qdrant")
    told = shop.run(filled, "snapshots", "run")
    assert told.code == 0, told.out
    names = dict(store.list_files(""))
    [sidecar] = [name for name in names if name.endswith("/set.json")]
    assert len(names) == 2
    about = json.loads(b"".join(store.read(sidecar)))
    [file] = about["snapshot"]["files"]
    data = b"".join(store.read(sidecar.replace("set.json", f"{file['peer']}.snapshot")))
    assert hashlib.sha256(data).hexdigest() == file["checksum"]
    assert files(filled) == []
    told = shop.run(filled, "snapshots", "verify")
    assert told.code == 0, told.out + told.err
    told = shop.run(filled, "snapshots", "restore", "collection/products", "--as", "again",
                    "--from", "s3://backups/qdrant", "--auto-approve")  # fmt: skip
    assert told.code == 0, told.out + told.err
    assert contents(filled, "again") == contents(filled, "products")
    store.write(sidecar.replace("set.json", f"{file['peer']}.snapshot"), [data[:-1], b"x"])
    told = shop.run(filled, "snapshots", "verify")
    assert (told.code, "no longer what was taken" in told.out) == (6, True)


@pytest.mark.parametrize("what", ["down", "bucket", "credentials"])
def test_a_store_that_cannot_be_used_costs_no_snapshot(filled, shop, store, monkeypatch, what):
    destination = "s3://backups/qdrant"
    if what == "down":
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    elif what == "bucket":
        destination = "s3://no-such-bucket/qdrant"
    applied(filled, shop, destination)
    if what == "credentials":
        with moto(strict=True) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            told = shop.run(filled, "snapshots", "run", "--format", "json")
    else:
        told = shop.run(filled, "snapshots", "run", "--format", "json")
    assert told.code == 6, told.out + told.err
    said = told.document["outcomes"][0]["error"]
    word = {"down": "Is the store up", "bucket": "no such bucket", "credentials": "refuses"}[what]
    assert word in said
    assert "canary" not in told.out + told.err
    assert files(filled) == []
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    listed = shop.run(filled, "snapshots", "list")
    assert (listed.code, "the list is incomplete" in listed.err) == (1, True)
    assert destination in listed.err


@pytest.mark.parametrize("name", ["shop/dev/a%1Bb/set.json", "shop//x", "shop/dev/%2E%2E/x"])
def test_a_name_in_a_bucket_that_is_no_path_hides_no_set(filled, shop, s3, store, name):
    where = f"s3://odd-{uuid4().hex}"
    bucket = f"{s3}/{where.removeprefix('s3://')}"
    urllib.request.urlopen(urllib.request.Request(bucket, method="PUT"))
    shop.keeps({"nightly": policy([where])})
    shop.done(filled)
    assert shop.run(filled, "snapshots", "run").code == 0
    urllib.request.urlopen(urllib.request.Request(f"{bucket}/{name}", data=b"{}", method="PUT"))
    assert "1 taken" not in shop.run(filled, "snapshots", "run").out
    rows = shop.run(filled, "snapshots", "list", "--format", "json").document["sets"]
    assert [row["state"] for row in rows if row["state"] != "orphan"] == ["complete"]
    told = shop.run(filled, "snapshots", "restore", "collection/products", "--from", where,
                    "--as", "again", "--auto-approve")  # fmt: skip
    assert told.code == 0, told.err


STAGES = {
    "before the snapshot": (b"POST /collections/products/snapshots", "drop"),
    "once it is taken": (b"POST /collections/products/snapshots", "cut"),
    "before it is read": (b"GET /collections/products/snapshots/products-", "drop"),
    "half read": (b"GET /collections/products/snapshots/products-", "half"),
    "before the copy goes": (b"DELETE /collections/products/snapshots/products-", "drop"),
    "once it is gone": (b"DELETE /collections/products/snapshots/products-", "cut"),
}


@pytest.mark.parametrize("stage", STAGES)
def test_killed_and_run_again(filled, shop, tmp_path, stage):
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    assert shop.run(filled, "snapshots", "run").code == 0
    backdate(folder, 1)
    start, how = STAGES[stage]
    victim = []

    def kill(_, head):
        if not head.startswith(start):
            return None
        if how == "drop":
            os.kill(victim[0].pid, signal.SIGKILL)
        return how

    with proxied(filled.http_port, kill) as proxy:
        proxy.after_cut = lambda: os.kill(victim[0].pid, signal.SIGKILL)
        command = [sys.executable, "-m", "qdrantctl", "snapshots", "run"]
        environ = {**os.environ, "FLOWS_URL": proxy.url}
        if how == "half":
            command = [sys.executable, "-c", DIES]
        process = subprocess.Popen(command, cwd=shop.folder, env=environ, stderr=-1, stdout=-1)
        victim.append(process)
        told = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, told
    for found in sets(folder):
        whole(found)
    asked(filled, "DELETE", "/collections/_qdrantctl_lease.shop.dev.~snapshots.1")
    told = shop.run(filled, "snapshots", "run")
    assert told.code == 0, told.out + told.err
    assert len(sets(folder)) == 2
    for found in sets(folder):
        whole(found)
    assert [file for file in stray(folder) if file.suffix != ".part"] == []
    # Whoever dies before the name of a snapshot is known cannot tell that it is its own.
    assert len(files(filled)) == (stage == "once it is taken")


DIES = """
import os, signal, sys
from qdrantctl.adapters.qdrant import client as cluster
from qdrantctl.cli.main import run
real = cluster.RestClient.download
def download(self, call):
    for piece in real(self, call):
        yield piece[:100]
        os.kill(os.getpid(), signal.SIGKILL)
cluster.RestClient.download = download
run(["snapshots", "run"])
"""


def whole(folder):
    about = json.loads((folder / "set.json").read_text())
    for file in about["snapshot"]["files"]:
        data = (folder / f"{file['peer']}.snapshot").read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["checksum"]


@contextmanager
def full_disk():
    """No folder takes a snapshot. Told, not real, so that it is tried wherever tests run, and
    between other steps; `test_a_disk_that_is_really_full` says that it is told truly."""
    opened = Path.open

    class Full:
        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def fileno(self):
            return self.file.fileno()

        def write(self, _):
            raise OSError(28, "No space left on device")

    def small(self, *words):
        file = opened(self, *words)
        return Full(file) if self.name.endswith(".snapshot.part") else file

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", small)
        yield


def full(filled, shop):
    """A run that finds the disk full."""
    with full_disk():
        return shop.run(filled, "snapshots", "run", "--format", "json")


def test_a_full_disk(filled, shop, tmp_path):
    """The set is finished by the run after, with what the server still has."""
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    told = full(filled, shop)
    assert told.code == 6
    assert "No space left" in told.document["outcomes"][0]["error"]
    assert (sets(folder), len(files(filled))) == ([], 1)
    told = shop.run(filled, "snapshots", "run")
    assert told.code == 0, told.out
    [found] = sets(folder)
    whole(found)
    assert (stray(folder), files(filled)) == ([], [])


OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def may_mount() -> bool:
    """Whether this system lets its users mount in a namespace of their own; Linux often does."""
    with suppress(OSError):
        words = [*OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    return False


@pytest.mark.skipif(not may_mount(), reason="only root may mount here")
def test_a_disk_that_is_really_full(filled, shop, tmp_path):
    """What is in the way is deleted by hand, and the next run finishes."""
    folder, kept = tmp_path / "backups", tmp_path / "kept"
    folder.mkdir()
    kept.mkdir()
    applied(filled, shop, folder)
    run = shlex.join(
        [sys.executable, "-m", "qdrantctl", "snapshots", "run", "-C", str(shop.folder)]
    )
    script = f"""
        mount -t tmpfs -o size=32m tmpfs {folder}
        dd if=/dev/zero of={folder}/other bs=1M count=30
        {run}; echo "first: $?"
        rm {folder}/other
        {run}; echo "second: $?"
        cp -r {folder}/. {kept}
    """
    environ = os.environ | {"FLOWS_URL": filled.url}
    words = [*OWN_MOUNTS, "sh", "-c", script]
    told = subprocess.run(words, env=environ, capture_output=True, text=True, check=False)
    assert "No space left" in told.stdout, told
    assert "first: 6" in told.stdout
    assert "second: 0" in told.stdout
    [found] = sets(kept)
    whole(found)
    assert (stray(kept), files(filled)) == ([], [])


def test_a_disk_that_stays_full_does_not_fill_those_of_the_servers(filled, shop, tmp_path):
    """No other snapshot is taken for the same time, and the next one takes its place."""
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    for day in range(3):
        for _ in range(2):
            assert full(filled, shop).code == 6
            [file] = files(filled)
            [begun] = folder.rglob("begun.json")
            assert json.loads(begun.read_text())["snapshot"]["files"][0]["name"] == file.name
        if day < 2:
            backdate(folder, 1)
    assert shop.run(filled, "snapshots", "run").code == 0
    assert (len(sets(folder)), stray(folder), files(filled)) == (1, [], [])


@pytest.mark.parametrize("named", [False, True], ids=["by itself", "named"])
def test_two_places_that_give_up_the_same_set(filled, shop, tmp_path, named):
    one, two = tmp_path / "one", tmp_path / "two"
    applied(filled, shop, [f"file://{one}", f"file://{two}"])
    assert full(filled, shop).code == 6
    [begun] = one.rglob("begun.json")
    if named:
        words = ("prune", "--orphan", str(begun.parent.relative_to(one)))
        assert shop.run(filled, "snapshots", *words).code == 0
        assert (stray(one), stray(two), files(filled)) == ([], [], [])
        return
    backdate(one, 1)
    backdate(two, 1)
    assert full(filled, shop).code == 6
    assert len(files(filled)) == 1
    assert not begun.exists()


def test_what_is_not_finished_goes_with_the_files_of_the_servers(filled, shop, tmp_path):
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    assert full(filled, shop).code == 6
    [begun] = folder.rglob("begun.json")
    named = str(begun.parent.relative_to(folder))
    assert shop.run(filled, "snapshots", "prune").code == 0
    assert (len(files(filled)), begun.exists()) == (1, True)
    assert shop.run(filled, "snapshots", "prune", "--orphan", named).code == 0
    assert (files(filled), begun.exists()) == ([], False)


def test_giving_up_one_place_leaves_another_its_files(filled, shop, tmp_path):
    """Those on the servers are a set of the cluster's, too."""
    folder = tmp_path / "backups"
    applied(filled, shop, ["cluster", f"file://{folder}"])
    assert full(filled, shop).code == 6
    [file] = files(filled)
    [begun] = folder.rglob("begun.json")
    named = str(begun.parent.relative_to(folder))
    assert shop.run(filled, "snapshots", "prune", "--orphan", named).code == 0
    assert (files(filled), begun.exists()) == ([file], False)
    assert shop.run(filled, "snapshots", "run").code == 0
    assert file in files(filled)


def test_two_policies_in_the_same_second(filled, shop, tmp_path):
    """A snapshot is named after its second: each gets one of its own."""
    one, two = tmp_path / "one", tmp_path / "two"
    shop.keeps({"a": policy(one, server_copy="keep"), "b": policy(two, server_copy="keep")})
    shop.done(filled)
    assert shop.run(filled, "snapshots", "run").code == 0
    assert len(files(filled)) == 2
    for found in (*sets(one), *sets(two)):
        whole(found)


def test_a_clock_that_stepped_back(filled, shop, tmp_path):
    """What was taken an hour ahead still counts; a year ahead was a wrong clock, and does not."""
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    assert shop.run(filled, "snapshots", "run").code == 0
    backdate(folder, -1 / 24)
    assert shop.run(filled, "snapshots", "run").code == 0
    assert len(sets(folder)) == 1
    backdate(folder, -365)
    assert shop.run(filled, "snapshots", "run").code == 0
    assert len(sets(folder)) == 2
    for found in sets(folder):
        whole(found)


def test_what_a_wrong_clock_dated_pushes_nothing_out(filled, shop, tmp_path):
    folder = tmp_path / "backups"
    applied(filled, shop, folder, retention={"keep_last": 1})
    assert shop.run(filled, "snapshots", "run").code == 0
    [wrong] = sets(folder)
    backdate(folder, -365)
    for _ in range(2):
        assert shop.run(filled, "snapshots", "run").code == 0
        [good] = [each for each in sets(folder) if each != wrong]
    assert shop.run(filled, "snapshots", "verify").code == 0
    assert [file.parent for file in folder.rglob("verified.json")] == [good]
    listed = shop.run(filled, "snapshots", "list", "--format", "json").document["sets"]
    assert [each["kept_by"] for each in listed] == [
        ["ahead of the clock"],
        ["keep_last", "last verified"],
    ]
    named = str(wrong.relative_to(folder))
    assert shop.run(filled, "snapshots", "prune", "--orphan", named).code == 0
    assert sets(folder) == [good]


def test_two_runs_at_once(filled, shop, tmp_path):
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    environ = {**os.environ, "FLOWS_URL": filled.url}
    command = [sys.executable, "-m", "qdrantctl", "snapshots", "run"]
    both = [subprocess.Popen(command, cwd=shop.folder, env=environ, stderr=-1, stdout=-1)
            for _ in range(2)]  # fmt: skip
    for process in both:
        process.communicate(timeout=60)
    assert sorted(process.returncode for process in both) in ([0, 0], [0, 5])
    assert len(sets(folder)) == 1
    assert (stray(folder), files(filled)) == ([], [])


def test_a_node_that_is_gone_for_good(filled, shop):
    """What it had is lost; the rest of the destination is used on."""
    applied(filled, shop, "cluster")
    assert shop.run(filled, "snapshots", "run").code == 0
    [(name, about)] = ledger_sets(filled).items()
    [file] = about["snapshot"]["files"]
    about["snapshot"]["files"].append({**file, "peer": "1"})
    ledger_holds(filled, {name: about})
    told = shop.run(filled, "snapshots", "run")
    assert told.code == 0, told.out
    listed = shop.run(filled, "snapshots", "list", "--format", "json").document["sets"]
    assert [each["state"] for each in listed] == ["bad", "complete"]
    told = shop.run(filled, "snapshots", "prune", "--orphan", name.rpartition("/")[0])
    assert told.code == 0, told.err
    assert (len(ledger_sets(filled)), len(files(filled))) == (1, 1)


def test_what_only_a_node_had_that_is_gone_is_not_waited_for(filled, shop, tmp_path):
    folder = tmp_path / "backups"
    applied(filled, shop, folder)
    assert full(filled, shop).code == 6
    [begun] = folder.rglob("begun.json")
    about = json.loads(begun.read_text())
    about["snapshot"]["files"].append({**about["snapshot"]["files"][0], "peer": "1"})
    begun.write_text(json.dumps(about))
    [(place, remembered)] = record(filled, TAKEN)["taken"].items()
    remembered["files"]["1"] = remembered["files"][about["snapshot"]["files"][0]["peer"]]
    ledger_tells(filled, TAKEN, {"taken": {place: remembered}})
    told = shop.run(filled, "snapshots", "run")
    assert told.code == 0, told.out
    assert (len(sets(folder)), stray(folder), files(filled)) == (1, [], [])


@pytest.fixture
def nodes(three_nodes):
    emptied(three_nodes)
    for node in three_nodes:
        for file in (node.folder / "snapshots").rglob("*.snapshot*"):
            file.unlink()
    return three_nodes


def test_nodes_without_a_shard_have_no_part_in_a_set(nodes, tmp_path):
    shop = Shop(tmp_path / "shop")
    shop.keeps({"nightly": policy("cluster")}, {"products": {**PRODUCTS, "shard_number": 1}})
    shop.names(nodes)
    shop.done(nodes[0])
    fill(nodes[0])
    told = shop.run(nodes[0], "snapshots", "run")
    assert told.code == 0, told.out
    assert sum(len(files(node)) for node in nodes) == 1
    told = shop.run(nodes[0], "snapshots", "verify")
    assert told.code == 0, told.out + told.err
    told = shop.run(nodes[0], "snapshots", "restore", "collection/products", "--as", "again",
                    "--from", "cluster", "--auto-approve")  # fmt: skip
    assert told.code == 0, told.out + told.err
    assert contents(nodes[1], "again") == contents(nodes[0], "products")


def test_three_nodes_make_one_set(nodes, tmp_path):
    shop = Shop(tmp_path / "shop")
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder)})
    shop.done(nodes[0])
    fill(nodes[0])
    told = shop.run(nodes[0], "snapshots", "run", "--format", "json")
    assert told.code == 6
    assert "cannot reach every node" in told.document["outcomes"][0]["error"]
    assert sets(folder) == []
    shop.names(nodes)
    told = shop.run(nodes[0], "snapshots", "run")
    assert told.code == 0, told.out
    [found] = sets(folder)
    whole(found)
    about = json.loads((found / "set.json").read_text())
    held = {shard for file in about["snapshot"]["files"] for shard in file["shards"]}
    assert held == {"0", "1", "2"}
    assert all(files(node) == [] for node in nodes)


def test_a_node_that_is_down_is_told_once(nodes, tmp_path):
    """It befalls every collection alike."""
    shop = Shop(tmp_path / "shop")
    folder = tmp_path / "backups"
    names = ("one", "products", "two")
    spec = {**PRODUCTS, "shard_number": 3}
    shop.keeps({"nightly": policy(["cluster", f"file://{folder}"])}, dict.fromkeys(names, spec))
    shop.names(nodes)
    shop.done(nodes[0])
    fill(nodes[0])
    project = shop.folder / "qdrantctl.yaml"
    project.write_text(project.read_text().replace(nodes[2].url, "http://127.0.0.1:1"))
    told = shop.run(nodes[0], "snapshots", "run")
    assert told.code == 6
    assert told.out.count("cannot reach every node that holds its shards") == 1
    assert told.out.count("Connection refused") == 1
    about = ", ".join(f"collection/{name}" for name in names)
    assert f"run failed: {about}: cannot reach every node" in told.out
    shop.names(nodes)
    assert shop.run(nodes[0], "snapshots", "run").code == 0
    project.write_text(project.read_text().replace(nodes[2].url, "http://127.0.0.1:1"))
    [note] = [v for v in shop.plan(nodes[0]).document["violations"] if v["rule"] == "QC165"]
    assert "while every node is up" in note["hint"]
