"""A server, a project and a destination as an older version left them, unpacked and running."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cli import CommandResult, run_cli
from tests.support.servers import Node, server_version

KEY = "dummy-api-key-for-tests-only-0123456789"
"""That with which the fixtures' tokens were signed."""
SERVER = {
    "QDRANT__SERVICE__JWT_RBAC": "true",
    "QDRANT__STORAGE__WAL__WAL_CAPACITY_MB": "1",
    "QDRANT__STORAGE__OPTIMIZERS__DEFAULT_SEGMENT_NUMBER": "1",
}


@dataclass(frozen=True)
class Left:
    """What was left: the fixtures' folder, the server, and the project with its destination."""

    fixtures: Path
    node: Node
    project: Path

    def run(self, *words: str) -> CommandResult:
        """The program in the project's folder, which the destination of its policy is named by."""
        environ = {"COMPAT_URL": self.node.url, "COMPAT_KEY": KEY, "QDRANTCTL_ACTOR": "grace"}
        return run_cli(*words, cwd=self.project, env=environ)

    def told(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The JSON that a command tells, which must end so."""
        answer = self.run(*words, "--format", "json")
        assert answer.code == code, answer.out + answer.err
        return answer.document

    def expected(self, name: str) -> dict[str, Any]:
        """What the older version told, of the server that runs."""
        document = json.loads((self.fixtures / "expected" / f"{name}.json").read_text())
        if "server" in document:
            document["server"]["version"] = str(server_version())
        return document

    def plan(self, name: str) -> Path:
        return self.fixtures / "plans" / f"{name}.json"


def unpacked(fixtures: Path, folder: Path) -> Left:
    """The fixtures in a folder of the test's own, and the server on them, on ports of its own."""
    server, project = folder / "server", folder / "project"
    _extract(fixtures / "storage.tar.xz", server)
    shutil.copytree(fixtures / "project", project)
    _extract(fixtures / "backups.tar.xz", project)
    _history(project, fixtures / "project.bundle")
    node = Node(server, api_key=KEY, environ=dict(SERVER))
    raft = server / "storage" / "raft_state.json"
    state = json.loads(raft.read_text())
    # Else it looks for itself where it was before, and finds nobody.
    state["peer_address_by_id"] = dict.fromkeys(state["peer_address_by_id"], f"{node.uri}/")
    raft.write_text(json.dumps(state))
    return Left(fixtures, node.start(), project)


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")


def _history(project: Path, bundle: Path) -> None:
    """The commits from which was applied, with the files as they are as the work tree."""
    _git(project, "init", "--quiet")
    _git(project, "fetch", "--quiet", str(bundle), "main")
    _git(project, "reset", "--quiet", "FETCH_HEAD")
    assert _git(project, "status", "--porcelain", "--untracked-files=no") == ""


def _git(project: Path, *words: str) -> str:
    clean = os.environ | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-C", str(project), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=clean)
    return done.stdout


def without(document: Any, names: Iterable[str]) -> Any:
    """A JSON document without the members of these names, wherever they stand."""
    gone = frozenset(names)
    if isinstance(document, dict):
        return {k: without(v, gone) for k, v in document.items() if k not in gone}
    if isinstance(document, list):
        return [without(each, gone) for each in document]
    return document
