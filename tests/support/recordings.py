"""Answers of a real server: recorded by a proxy, and given again by a server on loopback.

The server that replays them is no mock of Qdrant: it knows nothing, and gives to each request the
answer that a real server of that version gave to the very same request, at the level of HTTP. A
request that was never recorded has no answer, and is named in `missing`. So reader, differ and
planner run on what a version really says, where its program cannot be had.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from qdrantctl.model.server import Version
from tests.support.cli import run_cli

FOLDER = Path(__file__).parents[1] / "recorded"
SERVER_URL = "http://recorded:6333"
"""What recordings call the address of the server, which is another in each run."""
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: recorded}
spec:
  manifests: [manifests]
  environments:
    dev: {url: {env: RECORDED_URL}}
"""
OF_THE_RUN = ("digest", "qdrantctl_version", "generated_at")
COMMANDS = {
    "plan_of_nothing": ("stated", ("plan", "--format", "json")),
    "plan_of_changes": ("changed", ("plan", "--format", "json")),
    "drift": ("stated", ("drift", "--format", "json")),
}
"""What is told of a server: by name, the project and the command line."""


@dataclass(frozen=True)
class Exchange:
    """A request and its answer."""

    method: str
    target: str
    body: Any
    """Parsed; null without one."""
    status: int
    date: str
    answer: Any
    """Parsed, or the text where it is not JSON."""

    @property
    def request(self) -> tuple[str, str, str]:
        return self.method, self.target, json.dumps(self.body, sort_keys=True)


@dataclass
class Recording:
    """What one version answered, and what the tool made of it."""

    version: str
    date: str
    exchanges: list[Exchange]
    told: dict[str, Any]
    """By the name of a command in COMMANDS, and `import`."""

    def write(self, file: Path) -> None:
        """One exchange a line, so that a difference can be read."""
        lines = ",\n".join(json.dumps(asdict(each)) for each in self.exchanges)
        told = json.dumps(self.told, indent=1)
        head = f'{{"version": "{self.version}", "date": "{self.date}",\n'
        file.write_text(f'{head}"exchanges": [\n{lines}\n],\n"told": {told}}}\n')


def read(file: Path) -> Recording:
    document = json.loads(file.read_text())
    exchanges = [Exchange(**each) for each in document.pop("exchanges")]
    return Recording(exchanges=exchanges, **document)


@dataclass
class Served:
    """A server on loopback. What it was asked, and what it has no answer for."""

    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@contextmanager
def recorded(port: int) -> Iterator[Served]:
    """A proxy before the real server on this port; `exchanges` grows with each request."""
    served = Served()

    def forward(method: str, target: str, body: bytes) -> Exchange:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, target, body, {"content-type": "application/json"})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        found = Exchange(
            method, target, _parsed(body.decode()), response.status,
            response.headers["date"], _parsed(text),
        )  # fmt: skip
        served.exchanges.append(found)
        return found

    with _serving(forward) as served.url:
        yield served


@contextmanager
def replayed(recording: Recording) -> Iterator[Served]:
    """A server that gives the recorded answers, each time in their order; the last one stays."""
    served = Served(exchanges=recording.exchanges)
    answers: dict[tuple[str, str, str], list[Exchange]] = defaultdict(list)
    for exchange in recording.exchanges:
        answers[exchange.request].append(exchange)
    lock = threading.Lock()

    def give(method: str, target: str, body: bytes) -> Exchange:
        asked = Exchange(method, target, _parsed(body.decode()), 400, "", {"status": "missing"})
        with lock:
            found = answers[asked.request]
            if not found:
                served.missing.append(f"{method} {target} {asked.body}")
                return asked
            return found.pop(0) if len(found) > 1 else found[0]

    with _serving(give) as served.url:
        yield served


@contextmanager
def _serving(answer: Callable[[str, str, bytes], Exchange]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            found = answer(self.command, self.path, self.rfile.read(length))
            text = found.answer if isinstance(found.answer, str) else json.dumps(found.answer)
            self.send_response_only(found.status)
            if found.date:
                self.send_header("date", found.date)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join(5)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def write_projects(folder: Path, version: str) -> None:
    """The projects of COMMANDS with the manifests of this version, and an empty one for import."""
    for name in ("stated", "changed", "copy"):
        manifests = folder / name / "manifests"
        manifests.mkdir(parents=True)
        (folder / name / "qdrantctl.yaml").write_text(PROJECT)
        for file in (FOLDER / name).glob("*.yaml"):
            if Version.parse(file.stem) <= Version.parse(version):
                (manifests / file.name).write_text(file.read_text())


def tell(folder: Path, url: str) -> dict[str, Any]:
    """What the tool says of the server: the plans, the drift, and the imported manifests."""
    environ = {"RECORDED_URL": url, "QDRANTCTL_ACTOR": "recorder"}
    told: dict[str, Any] = {}
    for name, (project, words) in COMMANDS.items():
        result = run_cli(*words, project=folder / project, env=environ)
        told[name] = {"exit": result.code, "document": _without_run(result.document, url)}
    run_cli("import", "--all", project=folder / "copy", env=environ)
    files = sorted((folder / "copy" / "manifests").rglob("*.yaml"))
    told["import"] = {file.name: file.read_text() for file in files}
    return told


def _without_run(document: Any, url: str) -> Any:
    if isinstance(document, dict):
        return {k: _without_run(v, url) for k, v in document.items() if k not in OF_THE_RUN}
    if isinstance(document, list):
        return [_without_run(each, url) for each in document]
    return document.replace(url, SERVER_URL) if isinstance(document, str) else document
