"""A repository, and a cluster that it was not applied to yet."""

from __future__ import annotations

import pytest

from qdrantctl.adapters.system import actor as identity
from tests.support.git_repo import PROJECT, Repo, collection


@pytest.fixture
def repo(tmp_path, monkeypatch) -> Repo:
    """Without any manifest, and committed once."""
    for name in (*identity._ACTOR_VARIABLES, *identity._COMMIT_VARIABLES, *identity._RUN_VARIABLES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "ada")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ada@example.com")
    monkeypatch.setenv("QDRANTCTL_ACTOR", "ada")
    made = Repo(tmp_path / "shop")
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
