"""A project in a git repository of its own, and the program run in it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.cli import CommandResult, run_cli

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    dev: {url: {env: CLUSTER_URL}}
    prod: {url: {env: CLUSTER_URL}, protected: true}
"""


def collection(name: str, m: int = 16, more: str = "") -> str:
    return f"""\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {{name: {name}}}
spec:
  vectors: {{size: 4, distance: Dot}}
  hnsw_config: {{m: {m}}}
{more}"""


def commit_all(folder: Path) -> None:
    """Make a repository of a folder, with everything in one commit."""
    repo = Repo(folder)
    repo.git("init", "--quiet", "--initial-branch", "main")
    repo.git("add", "--all")
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    repo.git(*who, "commit", "--quiet", "--message", "One")


@dataclass
class Repo:
    """A checkout of the project `shop`."""

    folder: Path

    def write(self, **manifests: str) -> Repo:
        (self.folder / "manifests").mkdir(exist_ok=True)
        for name, text in manifests.items():
            (self.folder / "manifests" / f"{name}.yaml").write_text(text)
        return self

    def git(self, *words: str, code: int = 0) -> str:
        done = subprocess.run(["git", *words], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout.strip()

    def commit(self, **manifests: str) -> str:
        """Change manifests, lock, and commit both."""
        self.write(**manifests)
        assert self.run("lock")[0] == 0
        return self.keep()

    def keep(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--message", "Change")
        return self.git("rev-parse", "HEAD")

    def clone(self, folder: Path, *words: str) -> Repo:
        self.git("clone", "--quiet", *words, f"file://{self.folder}", str(folder))
        return Repo(folder)

    def run(self, *words: str) -> CommandResult:
        return run_cli(*words, project=self.folder)

    def apply(self, *words: str, env: str = "dev", code: int = 0) -> str:
        found, out, err = self.run("apply", "-e", env, "--auto-approve", *words)
        assert found == code, out + err
        return out + err

    def plan(self, *words: str, env: str = "dev") -> dict[str, Any]:
        code, out, err = self.run("plan", "-e", env, "--format", "json", *words)
        assert code == 0, err
        return json.loads(out)

    def state(self, env: str = "dev") -> dict[str, str]:
        folder = self.folder / "state" / env
        return {
            path.relative_to(folder).as_posix(): path.read_text()
            for path in sorted(folder.rglob("*/*"))  # cluster.yaml is no resource
            if path.is_file()
        }

    def version(self, name: str = "products", env: str = "dev") -> int:
        text = self.state(env)[f"collection/{name}.yaml"]
        return int(text.partition("\nschema_version: ")[2].partition("\n")[0])
