"""Carries out the steps of a scenario in a project of its own, on a real server."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import string
import subprocess
from dataclasses import dataclass, field
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

from qdrantctl.model.server import Version
from tests.scenarios.format import (
    Edit,
    Expect,
    File,
    Git,
    Manifests,
    Model,
    Request,
    Run,
    Scenario,
    Server,
    Write,
    golden_file,
)
from tests.support.cli import run_cli
from tests.support.servers import Node, server_version

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  manifests: [manifests]
  environments:
    dev: {url: {env: SCENARIO_URL}}
"""
ENVIRONMENT = {
    "QDRANTCTL_ACTOR": "tester",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    **{f"GIT_{role}_NAME": "ada" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "ada@example.com" for role in ("AUTHOR", "COMMITTER")},
}
NAMED_VERSION = "1.16.3"
"""What goldens call the server's version, whichever it is."""
SCRUBBED = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>"),
    (r'("qdrantctl_version": )"[^"]*"', r'\1"<version>"'),
    # The digest over the whole plan covers the url; those of the records stay.
    (r'(?m)^  "digest": "sha256:[0-9a-f]+"', '  "digest": "<digest>"'),
    (r'"node/\d+"', '"node/<peer>"'),
    (r"\beyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>"),
    (r"[\w.%~-]+-\d+-20\d\d-\d\d-\d\d-\d\d-\d\d-\d\d\.snapshot", "<snapshot>"),
    # Sizes of files, which 1.18 and newer report, are of the run.
    (r'\n *"disk_bytes": \d+,', ""),
    (r"\n *# \(re-indexing reads and rewrites up to [\d,]+ bytes[^)]*\)", ""),
    (r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00| UTC)?", "<time>"),
)


def contains(whole: Any, part: Any) -> bool:
    """Whether all of a part is in the whole; null is also what is absent, lists have one length."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            contains(whole.get(key), value) for key, value in part.items()
        )
    if isinstance(part, list):
        return (
            isinstance(whole, list)
            and len(whole) == len(part)
            and all(contains(*pair) for pair in zip(whole, part, strict=True))
        )
    return bool(whole == part)


@dataclass
class Runner:
    """One scenario that is being carried out in `project`; `node` is None where it needs none."""

    scenario: Scenario
    project: Path
    node: Node | None
    variables: dict[str, str] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    """stdout by command line."""

    def prepare(self) -> None:
        """Copy the scenario's files, and write the usual project file where it has none."""
        expected = {"scenario.yaml", "cluster.yaml", "*@*", *self.scenario.goldens}
        ignored = shutil.ignore_patterns(*expected)
        shutil.copytree(self.scenario.folder, self.project, ignore=ignored)
        (self.project / "manifests").mkdir(exist_ok=True)
        if not (self.project / "qdrantctl.yaml").exists():
            (self.project / "qdrantctl.yaml").write_text(PROJECT)
        self.variables["project"] = str(self.project)
        self.variables["url"] = self.node.url if self.node else "http://127.0.0.1:9"

    def carry_out(self) -> None:
        """All steps in order; the error of a step names it."""
        self.prepare()
        for number, step in enumerate(self.scenario.steps, 1):
            try:
                self.perform(step)
            except AssertionError as error:
                text = json.dumps(step.model_dump(exclude_defaults=True), default=str)
                error.add_note(f"step {number}: {text}")
                raise

    @singledispatchmethod
    def perform(self, step: Model) -> None:
        raise NotImplementedError(step)

    @perform.register
    def _run(self, step: Run) -> None:
        environ = ENVIRONMENT | {"SCENARIO_URL": self.variables["url"]}
        if self.node and self.node.api_key:
            environ["SCENARIO_KEY"] = self.node.api_key
        line = self._fill(step.run)
        result = run_cli(
            *shlex.split(line),
            cwd=self.project / step.folder,
            env=environ | {name: self._fill(value) for name, value in step.env.items()},
            stdin=step.stdin,
        )
        shown = result.out + result.err
        assert result.code == step.exit, f"exit code {result.code}: {shown}"
        for text in map(self._fill, step.contains):
            assert text in shown, f"not said: {text}\n{shown}"
        for text in map(self._fill, step.lacks):
            assert text not in shown, f"said: {text}\n{shown}"
        if step.document is not None:
            assert contains(result.document, self._fill(step.document)), shown
        if step.stdout:
            self._golden(step.stdout, result.out)
        if step.stderr:
            self._golden(step.stderr, result.err)
        if step.silent:
            assert result.out == ""
        if step.repeats:
            assert result.out == self.printed[line], "the same worlds must give the same plan"
        self.printed[line] = result.out
        for name, pattern in step.save.items():
            found = re.search(pattern, result.out)
            assert found, f"nothing to save as {name}: {shown}"
            self.variables[name] = found[1]

    @perform.register
    def _request(self, step: Request) -> None:
        method, path = self._fill(step.request).split(" ", 1)
        assert self.node
        body, key = self._fill(step.body), self._fill(step.key)
        status, answer = self.node.request(method, path, body, key=key)
        assert status == step.status, answer
        if step.contains is not None:
            assert contains(answer.get("result"), self._fill(step.contains)), answer

    @perform.register
    def _write(self, step: Write) -> None:
        for name, text in step.write.items():
            path = self.project / name
            if text is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(self._fill(text))
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @perform.register
    def _edit(self, step: Edit) -> None:
        path = self.project / step.edit
        text = path.read_text()
        for old, new in step.replace.items():
            assert old in text, f"{step.edit} does not hold: {old}\n{text}"
            text = text.replace(old, self._fill(new))
        path.write_text(text)

    @perform.register
    def _manifests(self, step: Manifests) -> None:
        shutil.rmtree(self.project / "manifests")
        shutil.copytree(self.scenario.folder / step.manifests, self.project / "manifests")

    @perform.register
    def _git(self, step: Git) -> None:
        done = subprocess.run(
            ["git", *shlex.split(step.git)],
            cwd=self.project,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == step.exit, done.stdout + done.stderr

    @perform.register
    def _server(self, step: Server) -> None:
        assert self.node
        self.node.stop() if step.server == "stop" else self.node.start()

    @perform.register
    def _expect(self, step: Expect) -> None:
        assert self.node
        for path, part in step.expect.items():
            status, answer = self.node.request("GET", self._fill(path))
            found = answer.get("result") if status == 200 else status
            assert contains(found, self._fill(part)), answer

    @perform.register
    def _file(self, step: File) -> None:
        path = self.project / self._fill(step.file)
        assert path.exists() == step.exists, sorted(path.parent.glob("*"))
        if not step.exists:
            return
        text = path.read_text()
        for part in map(self._fill, step.contains):
            assert part in text, f"{step.file} does not hold: {part}\n{text}"
        for part in map(self._fill, step.lacks):
            assert part not in text, f"{step.file} holds: {part}\n{text}"
        if step.golden:
            self._golden(step.golden, text)

    def _fill(self, value: Any) -> Any:
        """A text, or a document, with its variables.

        `$$` is a dollar, a variable that is not known stays as it stands.
        """
        if isinstance(value, str):
            return string.Template(value).safe_substitute(self.variables)
        if isinstance(value, list):
            return [self._fill(item) for item in value]
        if isinstance(value, dict):
            return {key: self._fill(item) for key, item in value.items()}
        return value

    def _golden(self, name: str, text: str) -> None:
        version = server_version() if self.node else Version.parse(NAMED_VERSION)
        path, text = golden_file(self.scenario.folder, name, version), self._scrub(text)
        if os.environ.get("UPDATE_GOLDEN") and not (path.exists() and path.read_text() == text):
            if version != Version.parse(NAMED_VERSION):  # the first golden is that of 1.16.3
                path = path.with_stem(f"{Path(name).stem}@{version}")
            path.write_text(text)
        assert path.read_text() == text, f"{path.name} differs; UPDATE_GOLDEN=1 writes it anew"

    def _scrub(self, text: str) -> str:
        """What differs from run to run, taken out."""
        text = text.replace(self.variables["url"], "http://cluster:6333")
        text = text.replace(str(self.project), "<project>")
        if self.node:
            shown = rf'(\(Qdrant |"version": "|server is ){re.escape(str(server_version()))}\b'
            text = re.sub(shown, rf"\g<1>{NAMED_VERSION}", text)
        for pattern, word in SCRUBBED:
            text = re.sub(pattern, word, text)
        return text
