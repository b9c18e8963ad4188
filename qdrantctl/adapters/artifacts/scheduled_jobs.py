"""The jobs that call `snapshots run` and `snapshots verify`, in the format of each scheduler.

They contain no credentials, but read them from their scheduler.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qdrantctl.adapters.artifacts.environment import render_template
from qdrantctl.adapters.artifacts.pipelines import ACTIONS, lock_path

RUN_SCHEDULE, VERIFY_SCHEDULE = "*/5 * * * *", "42 4 * * 0"
"""The two schedules share no minute."""
RUN_CALENDAR, VERIFY_CALENDAR = "*:0/5", "Sun 04:42"
"""The same schedules in systemd's format."""
ENVIRONMENT_FILE = "/etc/qdrantctl/environment"
SECRET = "qdrantctl"  # noqa: S105  # the name of one
_PROGRAM = ("qdrantctl",)
"""The command if the job or its image installs qdrantctl."""


@dataclass(frozen=True, slots=True)
class SnapshotJobs:
    """The two jobs of an environment, or of a server."""

    name: str
    """As part of the names of jobs; at most 45 characters, all valid in Kubernetes names."""
    project: str
    environment: str
    folder: str
    """Where the project is, absolute."""
    variables: Mapping[str, str]
    """Those that the environment's `url` and `api_key` are read from."""
    program: Sequence[str]
    """The command that calls qdrantctl on this machine."""
    run: Sequence[str]
    """The arguments that take the snapshots that are due."""
    verify: Sequence[str]
    """The arguments that verify them."""


def render_jobs(scheduler: str, jobs: SnapshotJobs) -> str:
    """The text of the jobs for one of `SCHEDULERS`."""
    return SCHEDULERS[scheduler](jobs)


def _render_cron(jobs: SnapshotJobs) -> str:
    def command(arguments: Sequence[str]) -> str:
        return shlex.join([*jobs.program, *arguments, "-C", jobs.folder]).replace("%", r"\%")

    return render_template(
        "cron",
        environment_file=ENVIRONMENT_FILE,
        entries=(
            (RUN_SCHEDULE, command(jobs.run)),
            (VERIFY_SCHEDULE, command(jobs.verify)),
        ),
    )


def _render_systemd(jobs: SnapshotJobs) -> str:
    def without_specifiers(text: str) -> str:
        """The text with `%` escaped, since systemd replaces %h and the like."""
        return text.replace("%", "%%")

    def command(arguments: Sequence[str]) -> str:
        return without_specifiers(shlex.join([*jobs.program, *arguments])).replace("$", "$$")

    return render_template(
        "systemd",
        jobs=jobs,
        folder=without_specifiers(jobs.folder),
        environment_file=ENVIRONMENT_FILE,
        entries=(
            ("run", RUN_CALENDAR, command(jobs.run)),
            ("verify", VERIFY_CALENDAR, command(jobs.verify)),
        ),
    )


def _render_kubernetes(jobs: SnapshotJobs) -> str:
    # If another run is in progress, the next run takes over, so exit code 5 is no failure. Waiting
    # with a timeout would not help: a verification may take longer than the period.
    run = ["sh", "-c", f"{shlex.join([*_PROGRAM, *jobs.run])} || [ $? -eq 5 ]"]
    return render_template(
        "k8s-cronjob",
        name=jobs.name,
        secret=SECRET,
        entries=(
            ("run", RUN_SCHEDULE, json.dumps(run)),
            ("verify", VERIFY_SCHEDULE, json.dumps([*_PROGRAM, *jobs.verify])),
        ),
    )


def _render_github(jobs: SnapshotJobs) -> str:
    run = f"{shlex.join([*_PROGRAM, *jobs.run])} || [ $? -eq 5 ]   # another is under way"
    contexts = {"url": "vars", "api_key": "secrets"}
    return render_template(
        "github-actions",
        name=jobs.name,
        variables=[(name, f"{contexts[key]}.{name}") for key, name in jobs.variables.items()],
        actions=ACTIONS,
        lock=lock_path("github"),
        project={"repository": ""},
        entries=(
            ("run", RUN_SCHEDULE, run),
            ("verify", VERIFY_SCHEDULE, shlex.join([*_PROGRAM, *jobs.verify])),
        ),
    )


SCHEDULERS: dict[str, Callable[[SnapshotJobs], str]] = {
    "cron": _render_cron,
    "systemd": _render_systemd,
    "k8s-cronjob": _render_kubernetes,
    "github-actions": _render_github,
}
