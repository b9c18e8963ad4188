"""The flow of `generate`: the scheduled jobs for the snapshot policies of an environment.

The policies define what is due, so one job for an environment is enough for all of them.
"""

from __future__ import annotations

from hashlib import sha256

from qdrantctl.adapters.artifacts.scheduled_jobs import SnapshotJobs, render_jobs
from qdrantctl.adapters.project.connection import Connection, connect_by_url
from qdrantctl.adapters.project.settings import NONE, Settings, list_connection_variables
from qdrantctl.adapters.system.program import find_program
from qdrantctl.model.errors import UsageError

_VERIFY_LEASE_TIMEOUT = "3600"
"""Seconds that `verify` waits for an active run: its next run is in a week, a run's in minutes."""
_MAX_NAME_LENGTH = 52 - len("-verify")
"""Characters of a job name: Kubernetes allows 52 for a CronJob."""


def generate(kind: str, settings: Settings, url: str | None) -> str:
    """The jobs of an environment, or of the server at a URL. Raises ManifestError, UsageError."""
    connection = connect_by_url(url, "--url", {}) if url else Connection(embedded=settings.embedded)
    if connection.embedded:
        raise UsageError(
            "an embedded server is for development; no jobs are generated for it",
            hint="Choose the environment of a cluster with -e NAME.",
        )
    if settings.environment == NONE and not connection.endpoint:
        raise UsageError(
            "no environment is chosen and no server is named; a job needs one of them",
            hint="Run this in the folder of a project that has environments (-C DIR), or name a "
            "server with --url https://host:6333.",
        )
    variables = list_connection_variables(settings.root, settings.environment)
    if connection.endpoint:
        variables.pop("url")
    server_url = connection.endpoint.url if connection.endpoint else ""
    selected = ("--url", server_url) if server_url else ("-e", settings.environment)
    jobs = SnapshotJobs(
        name=_job_name(settings.project, settings.environment, server_url),
        project=settings.project,
        environment=settings.environment,
        folder=str(settings.root),
        variables=variables,
        program=find_program(),
        run=("snapshots", "run", *selected),
        verify=("snapshots", "verify", *selected, "--lease-timeout", _VERIFY_LEASE_TIMEOUT),
    )
    return render_jobs(kind, jobs)


def _job_name(project: str, environment: str, url: str) -> str:
    """The common part of the names of jobs.

    A digest is added if the name is shortened, altered or ambiguous, as `a-b` of `c` and `a` of
    `b-c` are.
    """
    parts = [word for word in (project, environment) if word != "-"]
    full_name = "-".join(["qdrantctl", *parts])
    plain = full_name.lower().replace("_", "-").replace(".", "-")
    is_ambiguous = bool(url) or any("-" in word for word in parts)
    if plain == full_name and len(plain) <= _MAX_NAME_LENGTH and not is_ambiguous:
        return plain
    digest = sha256("/".join([*parts, url]).encode()).hexdigest()[:8]
    return f"{plain[: _MAX_NAME_LENGTH - 1 - len(digest)].rstrip('-')}-{digest}"


_EPHEMERAL_DISKS = {"k8s-cronjob": "pod", "github-actions": "runner"}
"""Jobs that run on a temporary disk of a pod or a runner."""


def destination_warning(kind: str) -> str:
    """A warning about destinations that are local folders; empty for jobs that keep their disk.

    Applied policies and their destinations are stored on the cluster, so this cannot be checked.
    """
    machine = _EPHEMERAL_DISKS.get(kind)
    if machine is None:
        return ""
    return (
        f"here a policy's destination file:///FOLDER is on the {machine}'s own disk: its sets are "
        f"lost with the {machine}, and with `server_copy: remove` the server's copies, too. Use a "
        "bucket as destination, or make sure that the folder is persistent."
    )
