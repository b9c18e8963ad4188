"""Runs the shell of generated pipelines as GitHub and GitLab do; only their API is a fake."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.yaml.documents import read_documents

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
FAKE_GH = Path(__file__).with_name("fake_gh.py")


def read_pipeline(path: Path) -> dict[str, Any]:
    """The YAML of a pipeline."""
    (document,), problems = read_documents(SourceText(path.name, path.read_text()))
    assert not problems
    return document.value


@dataclass
class Forge:
    """A repository at a CI service: what its jobs get, and what they leave."""

    repository: Path
    """A clone of it is the checkout of each job."""
    folder: Path
    """Of the jobs' own folders, artifacts and recordings."""
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Variables as well."""
    code: int = 0
    """The exit code of the last job."""
    log: str = ""
    """What it printed."""

    @property
    def artifacts(self) -> Path:
        return self.folder / "artifacts"

    @property
    def summary(self) -> str:
        """What the last job of GitHub wrote for the page of its run."""
        return (self.folder / "summary.md").read_text()

    def check_out(self, *, clone: bool = True) -> Path:
        """A new folder for a job."""
        target = self.folder / "work"
        shutil.rmtree(target, ignore_errors=True)
        if clone:
            subprocess.run(["git", "clone", "-q", self.repository, target], check=True)
        else:
            target.mkdir(parents=True)
        return target

    def run_shell(self, script: str, folder: Path, environ: Mapping[str, str]) -> int:
        """Run a script as both services do, and keep what it prints."""
        kept = {name: os.environ[name] for name in ("HOME", "PYTHONPATH") if name in os.environ}
        if server := os.environ.get("QDRANTCTL_QDRANT_BIN"):
            kept["QDRANTCTL_QDRANT_BIN"] = server
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=folder,
            env={**kept, "PATH": f"{self.folder}:{BIN}:{os.environ['PATH']}", **environ},
            capture_output=True,
            text=True,
        )
        self.log += done.stdout + done.stderr
        return done.returncode


@dataclass
class Github(Forge):
    """GitHub, with a fake `gh`."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        gh = self.folder / "gh"
        gh.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE_GH}" "$@"\n')
        gh.chmod(stat.S_IRWXU)
        human = {"id": 1, "user": {"type": "User"}, "body": "Looks good."}
        self.write_forge({"comments": [human] * 3, "issues": []})

    def write_forge(self, state: dict[str, Any]) -> None:
        (self.folder / "forge.json").write_text(json.dumps(state))

    @property
    def state(self) -> dict[str, Any]:
        """The comments and issues."""
        return json.loads((self.folder / "forge.json").read_text())

    def requests(self) -> list[list[Any]]:
        """The requests since the last call: method, path, fields."""
        log = self.folder / "requests.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def run_job(self, name: str, *, fork: bool = False) -> dict[str, str]:
        """Run a job of any workflow; the outputs of its steps. `code` is its exit code."""
        job = self.find_job(name)
        uses = [step.get("uses", "").partition("@")[0] for step in job["steps"]]
        folder = self.check_out(clone="actions/checkout" in uses)
        (self.folder / "summary.md").write_text("")
        (self.folder / "output").write_text("")
        self.code, self.log = 0, ""
        for step in job["steps"]:
            condition = str(step.get("if", ""))
            if self.code and "!cancelled()" not in condition:
                continue
            if "head.repo.full_name != github.repository" in condition and not fork:
                continue
            if "outputs.report" in condition and "report=true" not in self.output:
                continue
            self.code = self.run_step(step, folder) or self.code
        return dict(line.split("=", 1) for line in self.output.splitlines())

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text()

    def run_workflow(self, event: str) -> dict[str, str]:
        """Run the jobs of `qdrantctl.yml` for an event as GitHub does: the result of each.

        A job whose `if` is false is skipped; `failure()` looks at all jobs that it depends on.
        """
        jobs = read_pipeline(self.repository / ".github" / "workflows" / "qdrantctl.yml")["jobs"]
        results: dict[str, str] = {}
        outputs: dict[str, dict[str, str]] = {}
        before: dict[str, set[str]] = {}
        for name, job in jobs.items():  # those that a job needs are above it
            needs = job.get("needs", [])
            needed = [needs] if isinstance(needs, str) else needs
            before[name] = set(needed).union(*(before[each] for each in needed))
            context = {
                "failure()": any(results[each] == "failure" for each in before[name]),
                "success()": all(results[each] == "success" for each in before[name]),
                "cancelled()": False,
                "github.event_name": event,
                "github.event.pull_request.head.repo.full_name": "acme/shop",
                "github.repository": "acme/shop",
                **{f"needs.{each}.result": results[each] for each in needed},
                **{f"needs.{each}.outputs.{output}": value for each in needed
                   for output, value in outputs.get(each, {}).items()},
            }  # fmt: skip
            if event != "pull_request":
                context["github.event.pull_request.head.repo.full_name"] = ""
            if not is_true(str(job.get("if", "success()")), context):
                results[name] = "skipped"
                continue
            outputs[name] = self.run_job(name)
            results[name] = "failure" if self.code else "success"
        return results

    def find_job(self, name: str) -> dict[str, Any]:
        for path in sorted((self.repository / ".github" / "workflows").glob("*.yml")):
            if job := read_pipeline(path)["jobs"].get(name):
                assert job["permissions"], "each job states its permissions"
                return job
        raise AssertionError(f"no job {name}")

    def run_step(self, step: dict[str, Any], folder: Path) -> int:
        action, given = step.get("uses", "").partition("@")[0], step.get("with", {})
        if action == "actions/upload-artifact":
            found = [folder / path for path in given["path"].split() if (folder / path).exists()]
            target = self.artifacts / given["name"]
            shutil.rmtree(target, ignore_errors=True)
            assert found or given.get("if-no-files-found") == "ignore", self.log
            for path in found:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        elif action == "actions/download-artifact":
            for artifact in self.artifacts.glob(given.get("name") or given["pattern"]):
                shutil.copytree(artifact, folder / given.get("path", "."), dirs_exist_ok=True)
        elif action == "github/codeql-action/upload-sarif":
            shutil.copy(folder / given["sarif_file"], self.folder / given["category"])
        elif "run" in step and "pip install" not in step["run"]:
            environ = {name: self.resolve(text) for name, text in step.get("env", {}).items()}
            return self.run_shell(step["run"], folder, {**self.environ, **environ})
        return 0

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CI": "true",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_SERVER_URL": "https://forge.example.com",
            "GITHUB_RUN_ID": "42",
            "FAKE_GH": str(self.folder),
        }

    def resolve(self, text: str) -> str:
        """The value of an expression in `env`. A name that the repository lacks is an error."""
        contexts = {"github.token": "token", "github.event.pull_request.number": "7"}

        def value(match: re.Match[str]) -> str:
            kind, _, name = match[1].partition(".")
            return self.secrets[name] if kind in ("secrets", "vars") else contexts[match[1]]

        return re.sub(r"\$\{\{ (\S+) \}\}", value, str(text))


def is_true(expression: str, context: Mapping[str, object]) -> bool:
    """An expression of a job's `if`: names, strings, `==`, `!=`, `!`, `&&`, `||` and brackets."""
    words = re.findall(r"'[^']*'|[\w.-]+(?:\(\))?|==|!=|&&|\|\||[!()]", expression)
    operators = {"&&": " and ", "||": " or ", "!": " not ", "==": "==", "!=": "!="}
    written = [
        operators.get(word) or (word if word in "()" or word[0] == "'" else repr(context.get(word)))
        for word in words
    ]
    return bool(eval("".join(written), {"__builtins__": {}}))  # our own template


@dataclass
class Gitlab(Forge):
    """GitLab, with a fake API."""

    url: str = ""
    """Of the API."""

    def run_job(self, name: str, **environ: str) -> None:
        """Run a job; `code` is its exit code."""
        pipeline = read_pipeline(self.repository / ".gitlab-ci.yml")
        job, chain = pipeline[name], [pipeline[name]]
        while parent := chain[0].get("extends"):
            chain.insert(0, pipeline[parent])
        merged = {key: value for each in chain for key, value in each.items()}
        variables = {k: v for each in chain for k, v in each.get("variables", {}).items()}
        folder = self.check_out(clone=variables.get("GIT_STRATEGY") != "empty")
        for artifact in (pipeline[need] for need in self.needs(job, pipeline)):
            for path in artifact.get("artifacts", {}).get("paths", ()):
                if (self.artifacts / path).exists():
                    shutil.copy(self.artifacts / path, folder / path)
        before = [line for line in merged.get("before_script", []) if "pip install" not in line]
        self.log = ""
        self.code = self.run_shell(
            "\n".join([*before, *merged["script"]]),
            folder,
            {**variables, **self.secrets, **self.environ, **environ},  # a job's own count less
        )
        for path in merged.get("artifacts", {}).get("paths", ()):
            self.artifacts.mkdir(parents=True, exist_ok=True)
            if (folder / path).exists():
                shutil.copy(folder / path, self.artifacts / path)

    @staticmethod
    def needs(job: dict[str, Any], pipeline: dict[str, Any]) -> list[str]:
        return [need for need in job.get("needs", []) if need in pipeline]

    @property
    def environ(self) -> dict[str, str]:
        return {
            "CI": "true",
            "CI_API_V4_URL": self.url,
            "CI_PROJECT_ID": "3",
            "CI_JOB_URL": "https://forge.example.com/acme/shop/-/jobs/42",
            "CI_MERGE_REQUEST_IID": "7",
            "QDRANTCTL_GITLAB_TOKEN": "token",
        }


@dataclass
class GitlabApi:
    """Notes and issues of a project, and the requests for them."""

    notes: list[dict[str, Any]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def answer(self, method: str, path: str, query: dict[str, str], data: dict[str, str]) -> Any:
        if path == "/user":
            return {"id": 5}
        kind, entries, mine = "iid", self.issues, path.removeprefix("/projects/3/issues")
        if path.startswith(notes := "/projects/3/merge_requests/7/notes"):
            kind, entries, mine = "id", self.notes, path.removeprefix(notes)
        if method == "GET":
            state = query.get("state", "opened")
            return [each for each in entries if each.get("state", "opened") == state]
        if method == "POST" and not mine:
            entries.append({kind: len(entries) + 1, "author": {"id": 5}, **data})
            return entries[-1]
        assert method == "PUT", f"{method} {path}"
        found = next(each for each in entries if each[kind] == int(mine[1:]))
        if data.pop("state_event", "") == "close":
            found["state"] = "closed"
        return found.update(data) or found


@contextmanager
def gitlab_api() -> Iterator[tuple[str, GitlabApi]]:
    """A server with the part of GitLab's API that the pipelines use; its URL and its state."""
    api = GitlabApi()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            assert self.headers["PRIVATE-TOKEN"] == "token"
            address = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(address.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            data = {name: values[0] for name, values in parse_qs(body).items()}
            api.requests.append((self.command, address.path))
            answer = api.answer(self.command, address.path, query, data)
            self.send_response(200)
            if isinstance(answer, list):  # pages of two
                page = int(query["page"])
                self.send_header("X-Next-Page", str(page + 1) if len(answer) > 2 * page else "")
                answer = answer[2 * page - 2 : 2 * page]
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        do_GET = do_POST = do_PUT = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", api
    finally:
        server.shutdown()
        server.server_close()
