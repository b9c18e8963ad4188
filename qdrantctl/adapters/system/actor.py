"""Who runs this and from which commit, for the ledger's history. Never fails: unknown is empty."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.system import git
from qdrantctl.model.actor import Identity

MAX_LENGTH = 200

_WHO = ("QDRANTCTL_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN", "BUILDKITE_BUILD_CREATOR",
        "CIRCLE_USERNAME", "BUILD_USER_ID", "BUILD_REQUESTEDFOR")  # fmt: skip
_COMMIT = ("QDRANTCTL_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT", "CIRCLE_SHA1",
           "GIT_COMMIT", "BUILD_SOURCEVERSION")  # fmt: skip
_RUN = ("QDRANTCTL_RUN_URL", "CI_JOB_URL", "CI_PIPELINE_URL", "BUILDKITE_BUILD_URL",
        "CIRCLE_BUILD_URL", "BUILD_URL")  # fmt: skip
"""Ours first, then GitHub, GitLab, Buildkite, CircleCI, Jenkins and Azure Pipelines."""


def identify(root: Path, environ: Mapping[str, str]) -> Identity:
    """Read it from our own variables, else the CI's, else git in `root`, else user@host."""
    return Identity(
        who=_first(environ, _WHO, lambda: _git_user(root, environ) or _login()),
        commit=_first(environ, _COMMIT, lambda: git.said(root, environ, "rev-parse", "HEAD")),
        run=_first(environ, _RUN, lambda: _github_run(environ)),
    )


def _first(environ: Mapping[str, str], names: tuple[str, ...], other: Callable[[], str]) -> str:
    stated = (_line(environ.get(name, "")) for name in names)
    return next(filter(None, stated), "") or _line(other())


def _line(text: str) -> str:
    """Printable and short: it will stand in terminals, logs and the ledger."""
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_LENGTH]


def _github_run(environ: Mapping[str, str]) -> str:
    parts = [environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else ""


def _git_user(root: Path, environ: Mapping[str, str]) -> str:
    """`Ada <ada@example.com>`, or the half of it that is configured."""
    name, email = (
        _line(git.said(root, environ, "config", key)) for key in ("user.name", "user.email")
    )
    return f"{name} <{email}>" if name and email else name or email


def _login() -> str:
    user = host = ""
    with suppress(OSError, KeyError, ImportError):  # no login variable and no passwd entry
        user = getpass.getuser()
    with suppress(OSError):
        host = socket.gethostname()
    return f"{user or 'unknown'}@{host or 'unknown'}"
