"""The flow of `generate`: which jobs an environment needs for its snapshot policies.

What is due is defined by the policies, so one job for an environment is enough for all of them.
"""

from __future__ import annotations

from hashlib import sha256

from qdrantctl.adapters.artifacts.scheduled_jobs import SnapshotJobs, render_jobs
from qdrantctl.adapters.project.connection import Connection, connect_by_url
from qdrantctl.adapters.project.settings import NONE, Settings, list_connection_variables
from qdrantctl.adapters.system.program import find_program
from qdrantctl.model.errors import UsageError

_PATIENCE = "3600"
"""Seconds that `verify` waits for a run under way: it comes again in a week, a run in minutes."""
_LONGEST = 52 - len("-verify")
"""Characters of a name: Kubernetes takes 52 for that of a CronJob."""


def generate(kind: str, settings: Settings, url: str | None) -> str:
    """The jobs of an environment, or of the server at a URL. Raises ManifestError, UsageError."""
    reach = connect_by_url(url, "--url", {}) if url else Connection(embedded=settings.embedded)
    if reach.embedded:
        raise UsageError(
            "an embedded server is for development, and no job looks after its snapshots",
            hint="Choose the environment of a cluster with -e NAME.",
        )
    if settings.environment == NONE and not reach.endpoint:
        raise UsageError(
            "no environment is chosen and no server is named; a job needs one of them",
            hint="Run this in the folder of a project that has environments (-C DIR), or name a "
            "server with --url https://host:6333.",
        )
    named = list_connection_variables(settings.root, settings.environment)
    if reach.endpoint:
        named.pop("url")
    server_url = reach.endpoint.url if reach.endpoint else ""
    selected = ("--url", server_url) if server_url else ("-e", settings.environment)
    jobs = SnapshotJobs(
        name=_job_name(settings.project, settings.environment, server_url),
        project=settings.project,
        environment=settings.environment,
        folder=str(settings.root),
        variables=named,
        program=find_program(),
        run=("snapshots", "run", *selected),
        verify=("snapshots", "verify", *selected, "--lease-timeout", _PATIENCE),
    )
    return render_jobs(kind, jobs)


def _job_name(project: str, environment: str, url: str) -> str:
    """As part of the names of jobs.

    A digest tells apart what is cut or written otherwise, and `a-b` of `c` from `a` of `b-c`.
    """
    words = [word for word in (project, environment) if word != "-"]
    whole = "-".join(["qdrantctl", *words])
    plain = whole.lower().replace("_", "-").replace(".", "-")
    is_ambiguous = bool(url) or any("-" in word for word in words)
    if plain == whole and len(plain) <= _LONGEST and not is_ambiguous:
        return plain
    digest = sha256("/".join([*words, url]).encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST - 1 - len(digest)].rstrip('-')}-{digest}"


ELSEWHERE = {"k8s-cronjob": "pod", "github-actions": "runner"}
"""Jobs that run on a disk of their own, which is gone with it."""


def doubtful(kind: str) -> str:
    """What the operator of these jobs must know; empty for nothing.

    Which policies are applied, and where they put their sets, stands on the cluster.
    """
    where = ELSEWHERE.get(kind)
    if where is None:
        return ""
    return (
        f"a policy's destination file:///FOLDER is the {where}'s own disk here: its sets are gone "
        f"with the {where}, and by `server_copy: remove` the server's copies, too. Have such "
        "policies name a bucket, or see that the folder is one that stays."
    )
