"""An API key appears nowhere: every command, every format, `-vvv`, and whatever goes wrong.

Nothing that is printed, written to a file or kept on the cluster holds it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO

import click
import pytest

from qdrantctl.cli.main import COMMANDS, root
from tests.support.cli import run_cli
from tests.support.proxy import answer, proxied

CANARY = "canary-key-5e0b91"
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    prod:
      url: {env: CLUSTER_URL}
      api_key: {env: CLUSTER_KEY}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
  hnsw_config: {m: 16}
  payload_indexes: {a: keyword}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: live}
spec: {collection: products}
---
apiVersion: qdrantctl/v1
kind: AccessKey
metadata: {name: reader}
spec:
  access: [{collection: live, access: r}]
  ttl: 1d
  grace: 1h
  sinks: [{file: tokens/reader}]
---
apiVersion: qdrantctl/v1
kind: AccessKey
metadata: {name: bare}
spec: {access: [{collection: live, access: r}], ttl: 1d, grace: 1h}
"""
TAKES_TOKENS = {"QDRANT__SERVICE__JWT_RBAC": "true"}
WORDS: dict[str, list[list[str]]] = {
    "init": [["new"]],
    "validate": [[]],
    "plan": [[], ["--out", "plan.json"], ["--target", "collection/products"]],
    "apply": [["--auto-approve", "--receipt", "receipt.json"], ["plan.json"]],
    "destroy": [["snapshot_policy/*", "--auto-approve", "--receipt", "destroyed.json"]],
    "show": [["collection/products"], ["plan.json"]],
    "history": [[], ["--diff"]],
    "import": [["--all", "--out", "-"], ["--update", "collection/products"]],
    "drift": [[], ["--unmanaged", "--baseline", "baseline.json", "--update-baseline"]],
    "audit": [["--prove-writes", "--grpc-port", "1"], ["--read-only-key-env", "CLUSTER_KEY"]],
    "lock": [[], ["--check"]],
    "migrate": [["--to-memory", "--check"]],
    "upgrade-check": [["--to", "1.20.0"]],
    "snapshots list": [[]],
    "snapshots run": [["--dry-run"], []],
    "snapshots prune": [["--dry-run"], []],
    "snapshots verify": [[]],
    "snapshots restore": [["collection/products", "--auto-approve"]],
    "generate": [["cron"], ["systemd"], ["k8s-cronjob"], ["github-actions"]],
    "lease show": [[]],
    "lease break": [["1", "--auto-approve"]],
    "replacement status": [[]],
    "replacement pause": [["collection/products"]],
    "replacement resume": [["collection/products", "--auto-approve"]],
    "replacement abort": [["collection/products", "--auto-approve"]],
    "replacement rollback": [["collection/products", "--auto-approve"]],
    "replacement finish": [["collection/products", "--auto-approve"]],
    "keys issue": [["reader"], ["--all"]],
    "keys rotate": [["reader"], ["--due"], ["reader", "--now", "--auto-approve"]],
    "keys revoke": [["bare", "--auto-approve"]],
    "keys list": [[]],
    "keys replace-api-key": [[]],
    "keys check": [["--collection", "products"]],
    "render": [[], ["collection/products"]],
    "schema": [[]],
    "dev up": [[]],
    "dev status": [[]],
    "dev env": [[]],
    "dev down": [[]],
    "completion": [["bash"]],
    "version": [[]],
}
"""What each command is given; a command that is missing here fails the test."""
DEV = frozenset({"dev up", "dev status", "dev env", "dev down"})
"""They know no cluster but their own, which has no key."""


def leaves() -> Iterator[tuple[str, click.Command]]:
    """Every command that can be run, by its words."""
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", found) for inner, found in command.commands.items())
        else:
            yield name, command


def lines(*, every_format: bool) -> Iterator[list[str]]:
    """Every command line that is tried, in the order in which one prepares for the next."""
    for name, command in leaves():
        if name in DEV:
            continue
        options = {word: option for option in command.params for word in option.opts}
        output = options.get("--format")
        choices = output.type.choices if output else []
        formats = [["--format", choice] for choice in choices] or [[]]
        loud = ["-vvv"] if "-v" in options else []
        for words in WORDS[name]:
            for chosen in formats if every_format else formats[:1]:
                yield [*name.split(), *words, *chosen, *loud]


def test_every_command_is_tried():
    assert {name for name, _ in leaves()} == set(WORDS)


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "all.yaml").write_text(MANIFEST)
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLUSTER_KEY", CANARY)
    monkeypatch.setattr("qdrantctl.adapters.qdrant.client.RETRY_PAUSE", 0.001)
    monkeypatch.setattr("sys.stdin", StringIO(CANARY))
    return tmp_path


def told(project, capfdbinary, tried: list[list[str]]) -> bytes:
    """Everything that those command lines print and write."""
    codes = {run_cli(*line).code for line in tried}
    assert codes <= {0, 1, 2, 3, 4, 6, 64}, codes
    captured = capfdbinary.readouterr()
    written = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
    assert captured.out or captured.err
    return b"\n".join([captured.out, captured.err, *written])


def test_when_all_goes_well(project, capfdbinary, fresh_qdrant, monkeypatch):
    node = fresh_qdrant(api_key=CANARY, environ=TAKES_TOKENS)
    monkeypatch.setenv("CLUSTER_URL", node.url)
    shown = told(project, capfdbinary, list(lines(every_format=True)))
    assert b"collection/products" in shown
    assert CANARY.encode() not in shown
    body = {"limit": 100, "with_payload": True}
    status, kept = node.request("POST", "/collections/_qdrantctl/points/scroll", body)
    assert status == 200
    assert "products" in json.dumps(kept)
    assert CANARY not in json.dumps(kept)


REPLACED = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: moved}
spec: {vectors: {size: 4, distance: DISTANCE}}
lifecycle: {replace: blue_green}
---
apiVersion: qdrantctl/v1
kind: Alias
metadata: {name: moved-live}
spec: {collection: moved}
"""


def test_a_replacement(project, capfdbinary, fresh_qdrant, monkeypatch):
    node = fresh_qdrant(api_key=CANARY, environ=TAKES_TOKENS)
    monkeypatch.setenv("CLUSTER_URL", node.url)
    address, loud = "collection/moved", ["--auto-approve", "-vv"]
    shown = b""
    for distance in ("Dot", "Cosine"):
        text = REPLACED.replace("DISTANCE", distance)
        (project / "manifests" / "all.yaml").write_text(text)
        shown += told(project, capfdbinary, [["apply", "--progress", "json", *loud]])
    body = {"points": [{"id": 1, "vector": [1, 2, 3, 4]}]}
    assert node.request("PUT", "/collections/moved-live/points?wait=true", body)[0] == 200
    shown += told(
        project,
        capfdbinary,
        [
            ["replacement", "status", address, "--format", "prometheus"],
            ["replacement", "rollback", address, *loud],
            ["replacement", "finish", address, *loud],
        ],
    )
    assert b"moved--2" in shown
    assert CANARY.encode() not in shown
    scroll = {"limit": 100, "with_payload": True}
    status, kept = node.request("POST", "/collections/_qdrantctl/points/scroll", scroll)
    assert status == 200
    assert CANARY not in json.dumps(kept)


@pytest.mark.parametrize("where", ["plain", "named", "folded", "template", "vars", "project file"])
def test_when_it_was_pasted_into_a_file(where, project, capfdbinary, fresh_qdrant, monkeypatch):
    """Nobody tells what stands there, no state is written, and nothing reaches the cluster."""
    node = fresh_qdrant(api_key=CANARY, environ=TAKES_TOKENS)
    monkeypatch.setenv("CLUSTER_URL", node.url)
    pasted = project / "manifests" / "pasted.yaml"
    if where == "plain":
        pasted.write_text(PASTED.format(f"note: it is {CANARY}"))
    elif where == "named":
        pasted.write_text(PASTED.format(f"api_key: {CANARY}, {CANARY}: 1"))
    elif where == "folded":
        pasted.write_text(PASTED.format(f'note: "it\n    is {CANARY}\n    and", unknown: ['))
    elif where == "template":
        pasted = pasted.with_suffix(".yaml.j2")
        pasted.write_text("{% set k = '" + CANARY + "' %}\n" + PASTED.format("note: {{ k }}"))
    elif where == "vars":
        text = PROJECT + f"      vars: {{note: {CANARY}}}\n"
        (pasted := project / "qdrantctl.yaml").write_text(text)
    else:
        text = PROJECT + f"  manifests: [manifests, {CANARY}]\n"
        (pasted := project / "qdrantctl.yaml").write_text(text)
    tried = [["validate"], ["plan"], ["plan", "--out", "plan.json"], ["apply", "--auto-approve"],
             ["lock"], ["lock", "--check"], ["drift"], ["audit"], ["render"],
             ["render", "collection/*"], ["import", "--update", "collection/*"],
             ["import", "--all", "--out", "other"], ["keys", "check"]]  # fmt: skip
    codes = [run_cli(*line).code for line in tried]
    assert codes[:6] == [1] * 6
    captured = capfdbinary.readouterr()
    assert b"(hidden)" in captured.out + captured.err
    assert not (project / "state").exists()
    written = [p.read_bytes() for p in project.rglob("*") if p.is_file() and p != pasted]
    assert CANARY.encode() not in b"\n".join([captured.out, captured.err, *written])
    assert node.request("GET", "/collections")[1]["result"]["collections"] == []


PASTED = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {{name: pasted}}
spec:
  vectors: {{size: 4, distance: Dot}}
  metadata: {{{0}}}
"""


def test_tokens_are_told_by_nobody(project, capfdbinary, fresh_qdrant, monkeypatch):
    """Only `keys issue` and `keys rotate` print one, of a key that has no sink."""
    node = fresh_qdrant(api_key=CANARY, environ=TAKES_TOKENS)
    monkeypatch.setenv("CLUSTER_URL", node.url)
    assert run_cli("apply", "--auto-approve").code == 0
    capfdbinary.readouterr()
    assert run_cli("keys", "issue", "bare").code == run_cli("keys", "issue", "reader").code == 0
    printed = capfdbinary.readouterr().out.strip()
    file = project / "tokens" / "reader"
    sunk = file.read_bytes().strip()
    file.unlink()
    tokens = [printed, sunk]
    tried = [line for line in lines(every_format=True) if line[:2] not in _GIVING]
    assert {run_cli(*line).code for line in tried} <= {0, 1, 2, 3, 4, 6, 64}
    captured = capfdbinary.readouterr()
    for token in tokens:
        assert token.count(b".") == 2
        signature = token.rpartition(b".")[2]
        assert signature not in captured.out + captured.err
        written = [path.read_bytes() for path in project.rglob("*") if path.is_file()]
        assert not any(signature in text for text in written)
    for name in ("_qdrantctl", "_qdrantctl_keys"):
        body = {"limit": 100, "with_payload": True}
        kept = json.dumps(node.request("POST", f"/collections/{name}/points/scroll", body)[1])
        assert CANARY not in kept
        assert "eyJ" not in kept


_GIVING = (["keys", "issue"], ["keys", "rotate"])


@pytest.mark.parametrize("where", ["a dead server", "another key", "a key that may not", "echo"])
def test_when_it_goes_wrong(where, project, capfdbinary, fresh_qdrant, monkeypatch):
    """The server's own words repeat the key, too."""
    if where == "a dead server":
        monkeypatch.setenv("CLUSTER_URL", "http://127.0.0.1:1")
    elif where == "another key":
        monkeypatch.setenv("CLUSTER_URL", fresh_qdrant(api_key="another").url)
    elif where == "a key that may not":
        environ = {"QDRANT__SERVICE__READ_ONLY_API_KEY": CANARY}
        monkeypatch.setenv("CLUSTER_URL", fresh_qdrant(api_key="another", environ=environ).url)
    if where != "echo":
        shown = told(project, capfdbinary, list(lines(every_format=False)))
        assert CANARY.encode() not in shown
        return
    node = fresh_qdrant(api_key=CANARY)
    for status in (400, 401, 403, 409, 429, 500):
        echo = answer(status, json.dumps({"status": {"error": f"bad key {CANARY}"}}).encode())
        with proxied(node.http_port, lambda *_, echo=echo: echo) as proxy:
            monkeypatch.setenv("CLUSTER_URL", proxy.url)
            shown = told(project, capfdbinary, list(lines(every_format=False)))
        assert CANARY.encode() not in shown
