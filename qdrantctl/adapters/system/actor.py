"""The actor and commit of this run, for the ledger's history. Never fails: unknown is empty."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from qdrantctl.adapters.system import git
from qdrantctl.model.actor import Actor

MAX_LENGTH = 200

_ACTOR_VARIABLES = ("QDRANTCTL_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN",
        "BUILDKITE_BUILD_CREATOR",
        "CIRCLE_USERNAME", "BUILD_USER_ID", "BUILD_REQUESTEDFOR")  # fmt: skip
_COMMIT_VARIABLES = ("QDRANTCTL_COMMIT", "GITHUB_SHA", "CI_COMMIT_SHA", "BUILDKITE_COMMIT",
           "CIRCLE_SHA1",
           "GIT_COMMIT", "BUILD_SOURCEVERSION")  # fmt: skip
_RUN_VARIABLES = ("QDRANTCTL_RUN_URL", "CI_JOB_URL", "CI_PIPELINE_URL", "BUILDKITE_BUILD_URL",
        "CIRCLE_BUILD_URL", "BUILD_URL")  # fmt: skip
"""qdrantctl's own first, then GitHub, GitLab, Buildkite, CircleCI, Jenkins and Azure Pipelines."""


def find_actor(root: Path, environ: Mapping[str, str]) -> Actor:
    """The actor from qdrantctl's variables, else the CI's, else git in `root`, else user@host.

    The commit is the one that git has checked out. A variable states what the CI was started for,
    which may be another one: a pull request's merge, or a second checkout.
    """
    stated = _first_stated(environ, _COMMIT_VARIABLES, str)
    head = _actor_line(git.git_output(root, environ, "rev-parse", "--verify", "--quiet", "HEAD"))
    return Actor(
        who=_first_stated(
            environ, _ACTOR_VARIABLES, lambda: _git_user(root, environ) or _login_name()
        ),
        commit=head or stated,
        stated_commit=stated if head and stated != head else "",
        run=_first_stated(environ, _RUN_VARIABLES, lambda: _github_run_url(environ)),
    )


def _first_stated(
    environ: Mapping[str, str], names: tuple[str, ...], fallback: Callable[[], str]
) -> str:
    stated = (_actor_line(environ.get(name, "")) for name in names)
    return next(filter(None, stated), "") or _actor_line(fallback())


def _actor_line(text: str) -> str:
    """Printable and short, since it appears in terminals, logs and the ledger."""
    return "".join(c for c in text if c.isprintable()).strip()[:MAX_LENGTH]


def _github_run_url(environ: Mapping[str, str]) -> str:
    parts = [environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    return f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}" if all(parts) else ""


def _git_user(root: Path, environ: Mapping[str, str]) -> str:
    """`Ada <ada@example.com>`, or the part of it that is configured."""
    name, email = (
        _actor_line(git.git_output(root, environ, "config", key))
        for key in ("user.name", "user.email")
    )
    return f"{name} <{email}>" if name and email else name or email


def _login_name() -> str:
    user = host = ""
    with suppress(OSError, KeyError, ImportError):  # no login variable and no passwd entry
        user = getpass.getuser()
    with suppress(OSError):
        host = socket.gethostname()
    return f"{user or 'unknown'}@{host or 'unknown'}"
