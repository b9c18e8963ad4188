"""What a person or a pipeline sees of the lease: plan's note, `lease show`, `lease break`."""

import json
import os
import sys

import pytest

from tests.e2e.applying.test_apply import on_terminal
from tests.support.cli import run_cli
from tests.support.leases import Project, collections, ended, holding, leases, m_of

NAME = "_qdrantctl_lease.shop.dev.3"
ADA = {"id": "x", "holder": "ada", "run": "https://ci.example/1", "commit": "c0ffee",
       "acquired": "2026-01-01T00:00:00Z", "expires": "2100-01-01T00:00:00Z"}  # fmt: skip
HELD = "ada, run https://ci.example/1, since 2026-01-01T00:00:00Z"


@pytest.fixture
def shop(tmp_path, monkeypatch, empty_qdrant):
    monkeypatch.setenv("LEASE_URL", empty_qdrant.url)
    return Project(tmp_path / "shop").write()


def put(node, **more):
    assert (
        node.request("PUT", f"/collections/{NAME}", {"vectors": {}, "metadata": ADA | more})[0]
        == 200
    )


def cli(shop, *words):
    return run_cli(*words, project=shop.folder).code


def test_plan_needs_none_and_says_when_one_is_held(shop, empty_qdrant, capsys):
    for output in ("text", "json", "markdown"):
        empty_qdrant.wipe()
        assert cli(shop, "plan", "--format", output) == 0
        free = capsys.readouterr()
        put(empty_qdrant)
        assert cli(shop, "plan", "--format", output) == 0
        while_held = capsys.readouterr()
        assert while_held.out == free.out
        assert free.err == ""
        assert f"An apply of shop/dev is running: {HELD}." in while_held.err
        put_expired = {"metadata": {"expires": "2020-01-01T00:00:00Z"}}
        assert empty_qdrant.request("PATCH", f"/collections/{NAME}", put_expired)[0] == 200
        assert cli(shop, "plan", "--format", output) == 0
        assert capsys.readouterr().err == ""


def test_drift_says_it_too(shop, empty_qdrant, capsys):
    assert cli(shop, "apply", "--auto-approve") == 0
    capsys.readouterr()
    assert cli(shop, "drift") == 0
    free = capsys.readouterr()
    put(empty_qdrant)
    assert cli(shop, "drift") == 0
    while_held = capsys.readouterr()
    assert while_held.out == free.out
    assert f"An apply of shop/dev is running: {HELD}." in while_held.err
    assert free.err == ""


def test_show(shop, empty_qdrant, capsys):
    assert cli(shop, "lease", "show") == 0
    assert capsys.readouterr().out == "no apply of shop/dev is running\n"
    assert cli(shop, "lease", "show", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == {"owner": "shop/dev", "lease": None}
    put(empty_qdrant)
    assert cli(shop, "lease", "show") == 0
    shown = capsys.readouterr().out
    for words in (
        "shop/dev",
        NAME,
        "ada",
        "https://ci.example/1",
        "c0ffee",
        "2026-01-01T00:00:00Z",
    ):
        assert words in shown
    assert cli(shop, "lease", "show", "--format", "json") == 0
    lease = json.loads(capsys.readouterr().out)["lease"]
    assert lease.pop("remaining_seconds") > 2_000_000_000
    assert lease == {
        "id": NAME, "number": 3, "holder": "ada", "run": "https://ci.example/1",
        "commit": "c0ffee", "since": "2026-01-01T00:00:00Z", "expires": "2100-01-01T00:00:00Z",
        "expired": False,
    }  # fmt: skip
    empty_qdrant.request(
        "PATCH", f"/collections/{NAME}", {"metadata": {"expires": "2020-01-01T00:00:00Z"}}
    )
    assert cli(shop, "lease", "show") == 0
    assert "2020-01-01T00:00:00Z (expired)" in capsys.readouterr().out


def test_show_needs_neither_manifests_nor_a_project(tmp_path, empty_qdrant):
    words = ["-C", str(tmp_path), "--url", empty_qdrant.url]
    result = run_cli("lease", "show", *words)
    assert result.code == 0
    assert result.out == "no apply of -/- is running\n"
    body = {"vectors": {}, "metadata": ADA}
    empty_qdrant.request("PUT", "/collections/_qdrantctl_lease.-.-.1", body)
    result = run_cli("lease", "show", *words)
    assert result.code == 0
    assert "_qdrantctl_lease.-.-.1" in result.out
    manifest = tmp_path / "a.yaml"
    Project(tmp_path).write()
    (tmp_path / "qdrantctl.yaml").unlink()
    manifest = str(tmp_path / "manifests" / "all.yaml")
    assert run_cli("apply", "-f", manifest, "--url", empty_qdrant.url, "--auto-approve").code == 5


@pytest.mark.parametrize("word", ["3", NAME])
def test_break(shop, empty_qdrant, capsys, word):
    put(empty_qdrant)
    assert cli(shop, "lease", "break", word, "--auto-approve") == 0
    assert f"broke {NAME}, held by {HELD}" in capsys.readouterr().out
    assert leases(empty_qdrant) == []
    assert cli(shop, "apply", "--auto-approve") == 0
    assert cli(shop, "lease", "break", word, "--auto-approve") == 1
    assert "no lease of shop/dev is held" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["2", "4", "03", "", "_qdrantctl_lease.shop.dev.2", "products"])
def test_only_the_lease_that_is_held_can_be_broken(shop, empty_qdrant, capsys, word):
    put(empty_qdrant)
    assert cli(shop, "lease", "break", word, "--auto-approve") == 1
    told = capsys.readouterr().err
    assert "is not the lease of shop/dev that is held" in told
    assert f"{NAME}, held by {HELD}" in told
    assert leases(empty_qdrant) == [NAME]


def test_break_asks(shop, empty_qdrant, capsys):
    put(empty_qdrant)
    assert cli(shop, "lease", "break", "3") == 64
    assert "--auto-approve" in capsys.readouterr().err
    for answer, code, left in (("no", 1, [NAME]), ("yes", 0, [])):
        ended_with, shown = on_terminal(shop.folder, "lease", "break", "3", answers=[answer])
        assert ended_with == code, shown
        assert f"Break the lease {NAME} of {HELD}?" in shown
        assert leases(empty_qdrant) == left


def test_whoever_is_broken_stops(shop, empty_qdrant):
    with holding(empty_qdrant) as held:
        first = shop.start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        sent = held.writes
        assert cli(shop, "lease", "break", "1", "--auto-approve") == 0
        held.go.set()
        code, told = ended(first)
    assert code == 6, told
    assert "the lease _qdrantctl_lease.shop.dev.1 of this apply was broken" in told
    assert held.writes == sent
    assert cli(shop, "apply", "--auto-approve") == 0
    assert cli(shop, "plan", "--detailed-exitcode") == 0


def test_what_changed_since_yes_is_not_applied(shop, empty_qdrant, monkeypatch):
    """Between the question and the answer somebody else applies."""
    assert cli(shop, "apply", "--auto-approve") == 0
    shop.write(m=32)

    def meanwhile(*_):
        body = {"hnsw_config": {"m": 20}}
        assert empty_qdrant.request("PATCH", "/collections/products", body)[0] == 200
        return True

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("qdrantctl.cli.terminal.confirm", meanwhile)
    result = run_cli("apply", project=shop.folder)
    assert result.code == 4
    assert "changed after you approved the plan" in result.err
    assert m_of(empty_qdrant) == 20
    assert leases(empty_qdrant) == []
    assert cli(shop, "apply") == 0
    assert m_of(empty_qdrant) == 32


def test_a_saved_plan_is_held_against_what_the_other_left(shop, empty_qdrant):
    saved = str(shop.folder / "plan.json")
    assert cli(shop, "apply", "--auto-approve") == 0
    shop.write(m=32)
    assert cli(shop, "plan", "--out", saved) == 0
    put(empty_qdrant)
    assert cli(shop, "apply", saved) == 5
    assert m_of(empty_qdrant) == 16
    assert cli(shop, "lease", "break", "3", "--auto-approve") == 0
    with holding(empty_qdrant, "PATCH /collections/products") as held:
        first = shop.write(m=40).start(held.proxy.url, "apply", "--auto-approve")
        held.there()
        words = ("apply", saved, "--lease-timeout", "60")
        second = shop.start(empty_qdrant.url, *words, who="bob")
        assert "Waiting" in second.stderr.readline()
        held.go.set()
        assert ended(first)[0] == 0
        code, told = ended(second)
    assert code == 4, told
    assert "products hnsw_config.m: live was 16, is now 40" in told
    assert cli(shop, "plan", "--out", saved) == 0
    assert cli(shop, "apply", saved) == 0
    assert leases(empty_qdrant) == []


def test_manifests_from_stdin_are_read_once(shop, empty_qdrant, monkeypatch):
    manifest = (shop.folder / "manifests" / "all.yaml").read_text()
    reader, writer = os.pipe()
    os.write(writer, manifest.encode())
    os.close(writer)
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert cli(shop, "apply", "--auto-approve", "-f", "-") == 0
    assert collections(empty_qdrant) == {"_qdrantctl", "products"}
