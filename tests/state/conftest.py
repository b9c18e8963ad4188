"""A project in a git repository of its own, and the program run in it."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.adapters.system import actor as identity
from qdrantctl.cli.main import run

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


@dataclass
class Repo:
    """A checkout of the project `shop`."""

    folder: Path
    capsys: pytest.CaptureFixture[str]

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
        return Repo(folder, self.capsys)

    def run(self, *words: str) -> tuple[int, str, str]:
        code = run([words[0], "-C", str(self.folder), *words[1:]])
        shown = self.capsys.readouterr()
        assert "Traceback" not in shown.err
        return code, shown.out, shown.err

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
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }

    def version(self, name: str = "products", env: str = "dev") -> int:
        text = self.state(env)[f"collection/{name}.yaml"]
        return int(text.partition("\nschema_version: ")[2].partition("\n")[0])


@pytest.fixture
def repo(tmp_path, monkeypatch, capsys) -> Repo:
    """Without any manifest, and committed once."""
    for name in (*identity._WHO, *identity._COMMIT, *identity._RUN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    monkeypatch.setenv("QDRANTCTL_ACTOR", "ada")
    made = Repo(tmp_path / "shop", capsys)
    made.folder.mkdir()
    (made.folder / "qdrantctl.yaml").write_text(PROJECT)
    made.git("init", "--quiet", "--initial-branch", "main")
    made.keep()
    return made


@pytest.fixture
def applied(repo, monkeypatch, empty_qdrant) -> Repo:
    """With one collection, committed, and a cluster that it was not applied to yet."""
    monkeypatch.setenv("CLUSTER_URL", empty_qdrant.url)
    repo.commit(products=collection("products"))
    return repo
