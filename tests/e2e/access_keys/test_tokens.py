"""Tokens on a real server: dead on the next request, alive beside each other, in their sinks."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.key_registry import write_generations
from qdrantctl.adapters.tokens.signer import read_claims, sign_token
from qdrantctl.adapters.tokens.sinks import write_to_sink
from qdrantctl.model.access_keys.generation import REGISTRY_COLLECTION, Generation
from qdrantctl.model.errors import QdrantctlError
from tests.support.access_keys import READS, Project, asked, registry
from tests.support.cli import run_cli
from tests.support.project import record
from tests.support.servers import API_KEY

POINTS = "/collections/products/points?wait=true"
ONE = {"points": [{"id": 1, "vector": [0, 0, 0, 1]}]}


def test_what_a_token_claims(granted):
    claims = read_claims(granted.token("issue", "reader"))
    [point] = registry(granted.node)
    assert claims["access"] == [{"collection": "products", "access": "r"}]
    assert claims["sub"] == claims["subject"] == "shop/dev/reader"
    assert type(claims["exp"]) is int
    assert claims["exp"] - claims["iat"] == 90 * 86400
    matches = [{"key": "valid", "value": point["payload"]["id"]}]
    assert claims["value_exists"] == {"collection": REGISTRY_COLLECTION, "matches": matches}
    granted.states(named={**READS, "subject": "bi", "revocable": False})
    granted.done()
    claims = read_claims(granted.token("issue", "named"))
    assert claims["sub"] == claims["subject"] == "bi"
    assert "value_exists" not in claims


def test_only_a_point_keeps_a_token_alive(granted):
    token = granted.token("issue", "reader")
    [point] = registry(granted.node)
    path = f"/collections/{REGISTRY_COLLECTION}/points/delete?wait=true"
    granted.node.request("POST", path, {"points": [point["id"]]})
    assert asked(granted.node, token) == 401


def test_taken_out_by_hand_is_revoked(granted):
    token = granted.token("issue", "reader")
    [point] = registry(granted.node)
    body = {"keys": ["valid"], "points": [point["id"]]}
    path = f"/collections/{REGISTRY_COLLECTION}/points/payload/delete?wait=true"
    granted.node.request("POST", path, body)
    assert asked(granted.node, token) == 401
    assert granted.states_of("reader") == ["revoked"]
    assert granted.run("keys", "issue", "reader").code == 1


def test_keys_of_an_interrupted_apply_are_finished_first(granted):
    granted.token("issue", "reader")
    entry = record(granted.node, "access_key/shop/dev/reader")
    entry |= {"spec": {}, "pending": {"action": "create"}}
    with RestClient(Endpoint(granted.node.url, API_KEY)) as door:
        ledger.write_entries(door, [entry])
    assert granted.states_of("reader") == ["valid"]
    told = granted.run("keys", "issue", "reader")
    assert (told.code, "was interrupted" in told.err) == (1, True)
    granted.done()
    assert granted.run("keys", "issue", "reader").code == 0


def test_revoked_stays_revoked(granted):
    """Through apply, through a changed scope, and where the registry is put back as it was."""
    token = granted.token("issue", "reader")
    before = registry(granted.node)
    granted.token("revoke", "reader", "--auto-approve")
    granted.done()
    assert asked(granted.node, token) == 401
    told = granted.run("keys", "issue", "reader")
    assert told.code == 1
    assert "keys rotate reader" in told.err
    points = [{"id": p["id"], "vector": {}, "payload": p["payload"]} for p in before]
    granted.node.request(
        "PUT", f"/collections/{REGISTRY_COLLECTION}/points?wait=true", {"points": points}
    )
    assert asked(granted.node, token) == 200, "as after a restore"
    assert granted.run("drift").code == 2
    made = granted.plan()
    assert "it was revoked and is back" in made.change("access_key/reader")["fields"][0]["because"]
    granted.done()
    assert asked(granted.node, token) == 401
    granted.states(reader={**READS, "access": "r"})
    granted.done()
    assert granted.states_of("reader") == ["revoked", "revoked"]
    assert asked(granted.node, granted.token("rotate", "reader")) == 200
    assert asked(granted.node, token) == 401


def test_a_rotation_leaves_the_old_token_its_grace(granted):
    old = granted.token("issue", "reader")
    new = granted.token("rotate", "reader")
    assert old != new
    assert asked(granted.node, old) == asked(granted.node, new) == 200
    assert granted.states_of("reader") == ["ending", "valid"]
    assert granted.run("keys", "rotate", "--due").code == 0
    assert asked(granted.node, old) == 200
    _past(granted, number=1, ends=timedelta(seconds=-1))
    assert "past its grace" in granted.plan().message("QC148")
    told = granted.run("keys", "rotate", "--due")
    assert "reader: generation 1 has ended" in told.err
    assert asked(granted.node, old) == 401
    assert asked(granted.node, new) == 200
    granted.token("revoke", "reader", "--generation", "2", "--auto-approve")
    assert asked(granted.node, new) == 401
    missing = ("reader", "--generation", "7", "--auto-approve")
    assert "no generation 7" in granted.run("keys", "revoke", *missing).err


def test_what_is_due_is_rotated_into_its_sinks(project):
    sinks = [{"file": "secrets/token"}]
    project.states(reader={**READS, "rotate_before": "14d", "sinks": sinks}, bare=READS)
    project.done()
    told = project.run("keys", "issue", "--all")
    assert "bare: has no sinks" in told.err
    assert told.out == ""
    project.token("issue", "bare")
    assert "No rotation is due" in project.run("keys", "rotate", "--due").err
    first = (project.folder / "secrets/token").read_text().strip()
    _past(project, number=1, expires=timedelta(days=13), only="shop/dev/reader")
    assert "its rotation is due" in project.plan().message("QC148")
    assert project.states_of("reader") == ["due"]
    told = project.run("keys", "rotate", "--due")
    assert (told.code, told.out) == (0, "")
    second = (project.folder / "secrets/token").read_text().strip()
    assert first != second
    assert asked(project.node, first) == asked(project.node, second) == 200


def test_whoever_did_not_get_the_new_token_keeps_the_old(project):
    project.states(reader={**READS, "rotate_before": "14d", "sinks": [{"file": "a/token"}]})
    project.done()
    assert project.run("keys", "issue", "reader").code == 0
    old = (project.folder / "a/token").read_text().strip()
    (project.folder / "a/token").unlink()
    (project.folder / "a").rmdir()
    (project.folder / "a").write_text("in the way")
    _past(project, number=1, expires=timedelta(days=13))
    for _ in range(2):
        told = project.run("keys", "rotate", "--due")
        assert (told.code, "could not be written" in told.err) == (1, True)
        assert project.states_of("reader") == ["due", "valid"]
        assert asked(project.node, old) == 200
    (project.folder / "a").unlink()
    assert project.run("keys", "rotate", "--due").code == 0
    new = (project.folder / "a/token").read_text().strip()
    assert asked(project.node, old) == asked(project.node, new) == 200
    assert project.states_of("reader") == ["ending", "valid"], "its grace begins now"
    _past(project, number=1, ends=timedelta(seconds=-1))
    assert "generation 1 has ended" in project.run("keys", "rotate", "--due").err
    assert (asked(project.node, old), asked(project.node, new)) == (401, 200)


def test_an_expired_generation_is_not_issued_again(granted):
    granted.token("issue", "reader")
    _past(granted, number=1, expires=timedelta(seconds=-1))
    assert granted.states_of("reader") == ["expired"]
    assert "expired on" in granted.plan().message("QC148")
    told = granted.run("keys", "issue", "reader")
    assert (told.code, "is expired" in told.err) == (1, True)
    granted.token("rotate", "reader")
    assert granted.states_of("reader") == ["expired", "valid"]
    _past(granted, number=1, expires=timedelta(days=-40))
    assert granted.run("keys", "rotate", "--due").code == 0
    assert granted.states_of("reader") == ["valid"], "what expired long ago is forgotten"


def _past(project: Project, *, number: int, only: str = "", **moved: timedelta) -> None:
    """Put a generation's times elsewhere, as if it had been made at another time."""
    now = datetime.now(UTC)
    times = {word: now + length for word, length in moved.items()}
    found = [Generation.parse(point["payload"]) for point in registry(project.node)]
    chosen = [g for g in found if g.number == number and only in (g.key, "")]
    with RestClient(Endpoint(project.node.url, API_KEY)) as door:
        write_generations(door, [replace(one, **times) for one in chosen])


@pytest.mark.parametrize(
    ("moved", "status"),
    [(-25, 200), (-60, 403), (60, 200)],
    ids=["within the leeway of 30 s", "after it", "before its end"],
)
def test_the_end_of_a_token(granted, moved, status):
    ends = datetime.now(UTC) + timedelta(seconds=moved)
    one = Generation("shop/dev/x", 1, {"products": "r"}, expires=ends, id="x")
    token = sign_token(one, Endpoint(granted.node.url, API_KEY), revocable=False)
    assert asked(granted.node, token) == status


def test_a_clock_that_is_ahead_does_no_harm(granted):
    """The server looks neither at iat nor at nbf; the times of a token are those of its clock."""
    later = datetime.now(UTC) + timedelta(hours=1)
    one = Generation("k", 1, {"products": "r"}, issued=later, expires=later, id="x")
    token = sign_token(one, Endpoint(granted.node.url, API_KEY), revocable=False)
    assert asked(granted.node, token) == 200


def test_another_secret_is_refused_and_check_says_so(granted):
    ends = datetime.now(UTC) + timedelta(hours=1)
    one = Generation("k", 1, {"products": "r"}, expires=ends, id="x")
    token = sign_token(one, Endpoint(granted.node.url, "another-key-of-more-than-32-bytes-000"),
                 revocable=False)  # fmt: skip
    assert asked(granted.node, token) == 403
    told = granted.run("keys", "check", stdin=token)
    assert told.code == 1
    assert "signed with another API key" in told.out


def test_check_tells_why(granted):
    token = granted.token("issue", "reader")
    told = granted.run("keys", "check", "--collection", "other", "--format", "json", stdin=token)
    assert told.code == 0
    found = {(p["name"], p["action"]): p["allowed"] for p in told.document["probes"]}
    assert found["products", "read points and settings"] is True
    assert found["products", "write points"] is False
    assert found["other", "read points and settings"] is False
    assert token not in told.out + told.err
    granted.token("revoke", "reader", "--auto-approve")
    assert "it was revoked" in granted.run("keys", "check", stdin=token).out
    granted.node.request("DELETE", f"/collections/{REGISTRY_COLLECTION}")
    assert "the registry it depends on is missing" in granted.run("keys", "check", stdin=token).out
    assert granted.run("keys", "check", stdin="no token").code == 1
    with pytest.raises(QdrantctlError):
        read_claims("a.b.c")


def test_a_token_is_not_sent_where_others_read_it(granted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for url, told in (("http://qdrant.example.com:6333", "in the clear"),
                      ("https://qdrant.example.com:6333", "may not be sent to")):  # fmt: skip
        monkeypatch.setenv("QDRANTCTL_ALLOWED_HOSTS", "other.example.com")
        monkeypatch.setattr("sys.stdin", StringIO("eyJ.eyJ.x"))
        assert run_cli("keys", "check", "--url", url).code in (1, 64)
        assert told in capsys.readouterr().err


def test_check_warns_of_claims_that_mean_more_than_they_say(granted):
    import jwt

    claims = {"nbf": 1, "value_exists": {"collection": REGISTRY_COLLECTION, "matches": []}}
    granted.token("issue", "reader")
    token = jwt.encode(claims, API_KEY, algorithm="HS256")
    told = granted.run("keys", "check", stdin=token)
    assert told.code == 0, told.out
    for word in ("allows it everything", "never expires", "ignores nbf", "it cannot be revoked"):
        assert word in told.out
    assert asked(granted.node, token, "PATCH", "/collections/_nothing", {}) == 404


def test_a_registry_dropped_by_hand_fails_closed_and_drift_knows_the_way_back(granted):
    token = granted.token("issue", "reader")
    granted.node.request("DELETE", f"/collections/{REGISTRY_COLLECTION}")
    assert asked(granted.node, token) == 403
    told = granted.run("drift")
    assert told.code == 2
    assert "the registry of keys (_qdrantctl_keys) was deleted" in told.out
    assert "qdrantctl apply" in told.out
    assert granted.states_of("reader") == ["missing"]
    assert "Apply grants a new generation" in granted.run("keys", "issue", "reader").err
    granted.done()
    assert asked(granted.node, token) == 401, "what was lost does not come back"
    assert asked(granted.node, granted.token("issue", "reader")) == 200
    assert granted.states_of("reader") == ["missing", "valid"]


def test_a_generation_that_nobody_recorded_is_told(granted):
    granted.token("issue", "reader")
    [found] = [Generation.parse(point["payload"]) for point in registry(granted.node)]
    with RestClient(Endpoint(granted.node.url, API_KEY)) as door:
        write_generations(door, [replace(found, number=9, id="stranger")])
    made = granted.plan()
    assert "no ledger entry names generation 9" in made.message("QC149")
    granted.token("revoke", "reader", "--generation", "9", "--auto-approve")
    assert "valid" in granted.states_of("reader")


def test_a_scope_that_nobody_applied_is_not_minted(granted):
    [found] = [Generation.parse(point["payload"]) for point in registry(granted.node)]
    with RestClient(Endpoint(granted.node.url, API_KEY)) as door:
        write_generations(door, [replace(found, access={"*": "m"})])
    assert granted.run("drift").code == 2
    for words in (["issue"], ["rotate"]):
        told = granted.run("keys", *words, "reader")
        assert (told.code, told.out) == (1, "")
        assert "no token is signed with them" in told.err
    granted.done()
    claims = read_claims(granted.token("issue", "reader"))
    assert claims["access"] == [{"collection": "products", "access": "r"}]


@pytest.mark.parametrize("odd", [{}, {"generation": 0}, {"access": {"products": "x"}}, {"key": 1}])
def test_a_point_that_is_none_is_told_and_nothing_is_done(granted, odd):
    [point] = registry(granted.node)
    payload = {**point["payload"], **odd} if odd else {}
    stranger = {"id": 1, "vector": {}, "payload": payload}
    path = f"/collections/{REGISTRY_COLLECTION}/points?wait=true"
    granted.node.request("PUT", path, {"points": [stranger]})
    for words in (["plan"], ["apply", "--auto-approve"], ["drift"]):
        told = granted.run(*words)
        assert told.code == 1
        assert "holds a point 1 that qdrantctl did not write" in told.err


def test_two_rotations_at_once(granted):
    """The lease lets one in; the other waits and finds that nothing is due any more."""
    granted.token("issue", "reader")
    granted.states(reader={**READS, "sinks": [{"file": "token"}], "rotate_before": "14d"})
    granted.done()
    _past(granted, number=1, expires=timedelta(days=13))
    environ = {**os.environ, "KEYS_URL": granted.node.url, "KEYS_KEY": API_KEY}
    program = str(Path(sys.executable).parent / "qdrantctl")
    words = [program, "keys", "rotate", "--due", "--lease-timeout", "30"]

    def rotate(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=granted.folder, env=environ, capture_output=True, text=True
        )

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(rotate, range(2)))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    assert granted.states_of("reader") == ["ending", "valid"]
    assert asked(granted.node, (granted.folder / "token").read_text().strip()) == 200


def test_a_key_command_waits_for_nobody_and_says_who_holds_the_lease(granted):
    from qdrantctl.adapters.qdrant.lease_lock import acquire_lease
    from qdrantctl.model.actor import Actor

    with RestClient(Endpoint(granted.node.url, API_KEY)) as door:
        holding = acquire_lease(door, "shop/dev", Actor("ada", "", ""), "unique")
        told = granted.run("keys", "revoke", "reader", "--auto-approve")
        holding.release()
    assert told.code == 5
    assert "ada" in told.err


def test_sinks(project):
    secret = {"path": "k8s/secret.yaml", "name": "qdrant", "namespace": "shop", "key": "token"}
    sinks = [{"file": "a/token"}, {"dotenv": {"path": ".env", "name": "QDRANT_API_KEY"}},
             {"kubernetes_secret": secret}, {"command": ["sh", "-c", "cat > piped"]}]  # fmt: skip
    project.states(reader={**READS, "sinks": sinks})
    project.done()
    (project.folder / ".env").write_text("A=1\nexport QDRANT_API_KEY=old\nB=2\n")
    told = project.run("keys", "issue", "reader")
    assert (told.code, told.out) == (0, ""), told.err
    token = (project.folder / "piped").read_text()
    assert asked(project.node, token) == 200
    assert (project.folder / "a/token").read_text() == token + "\n"
    assert (project.folder / ".env").read_text() == (f"A=1\nexport QDRANT_API_KEY={token}\nB=2\n")
    manifest = (project.folder / "k8s/secret.yaml").read_text()
    assert f'"token": "{token}"' in manifest
    assert 'namespace: "shop"' in manifest
    for name in ("a/token", ".env", "k8s/secret.yaml"):
        assert stat.S_IMODE((project.folder / name).stat().st_mode) == 0o600
    assert token not in told.err


def test_a_dotenv_file_at_home_keeps_its_other_lines(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".env").write_text("A=1\nTOKEN=old\n")
    write_to_sink("new", {"dotenv": {"path": "~/.env", "name": "TOKEN"}}, tmp_path / "shop", {})
    assert (tmp_path / ".env").read_text() == "A=1\nTOKEN=new\n"


def test_a_sink_that_fails_says_so_without_the_token(project, monkeypatch):
    command = ["sh", "-c", "cat >&2; exit 3"]
    project.states(reader={**READS, "sinks": [{"command": command}]})
    project.done()
    told = project.run("keys", "issue", "reader")
    assert told.code == 1
    assert "failed with exit code 3" in told.err
    assert "eyJ" not in told.out + told.err
    monkeypatch.setenv("QDRANTCTL_NO_COMMANDS", "1")
    assert "QDRANTCTL_NO_COMMANDS" in project.run("keys", "issue", "reader").err
    (project.folder / "file").write_text("")
    project.states(reader={**READS, "sinks": [{"file": "file/below"}]})
    project.done()
    assert "could not be written" in project.run("keys", "issue", "reader").err


def test_all_go_on_where_one_fails(project):
    bad, good = {"command": ["false"]}, {"file": "token"}
    project.states(a={**READS, "sinks": [bad]}, b={**READS, "sinks": [good]})
    project.done()
    told = project.run("keys", "issue", "--all")
    assert told.code == 1
    assert "a: the command 'false' failed with exit code 1" in told.err
    assert asked(project.node, (project.folder / "token").read_text().strip()) == 200


def test_no_token_is_kept_anywhere(granted):
    tokens = [granted.token("issue", "reader"), granted.token("rotate", "reader")]
    granted.states(reader=READS, boss={"access": "m", "ttl": "1d", "grace": "1h",
                                       "revocable": False, "acknowledge": ["manage"]})  # fmt: skip
    granted.done()
    tokens.append(granted.token("issue", "boss"))
    kept = json.dumps([registry(granted.node), record(granted.node, "access_key/shop/dev/reader"),
                       record(granted.node, "access_key/shop/dev/boss")])  # fmt: skip
    kept += granted.plan().out + granted.run("keys", "list").out + granted.run("history").out
    kept += granted.run("show", "access_key/reader").out
    assert "issued" in kept
    for token in (*tokens, API_KEY):
        assert token not in kept
        assert token.rpartition(".")[2] not in kept


def test_words_that_make_no_sense(granted):
    assert granted.run("keys", "issue").code == 64
    assert granted.run("keys", "issue", "reader", "--all").code == 64
    told = granted.run("keys", "issue", "nobody")
    assert (told.code, "Applied are: reader" in told.err) == (1, True)
    granted.states(once={**READS, "revocable": False})
    granted.done()
    told = granted.run("keys", "revoke", "once", "--auto-approve")
    assert (told.code, "cannot be revoked" in told.err) == (1, True)
