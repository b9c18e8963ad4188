"""The schedule of `snapshots run` and `snapshots verify` in the words of who runs it.

What is due stands in the policies, so one job for an environment is enough for all of them. It
finds credentials where its own tool keeps them, and holds none.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from qdrantctl.adapters.artifacts.targets import INSTALL
from qdrantctl.adapters.project.connection import Connection, connect_by_url
from qdrantctl.adapters.project.settings import NONE, Settings, list_connection_variables
from qdrantctl.model.errors import UsageError

_OFTEN, _WEEKLY = "*/5 * * * *", "42 4 * * 0"
"""No minute is one of both."""
_PATIENCE = "3600"
"""Seconds that `verify` waits for a run under way: it comes again in a week, a run in minutes."""
_LONGEST = 52 - len("-verify")
"""Characters of a name: Kubernetes takes 52 for that of a CronJob."""
_ENVIRONMENT = "/etc/qdrantctl/environment"
_SECRET = "qdrantctl"  # noqa: S105  # the name of one


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be called, for which project and environment."""

    project: str
    environment: str
    folder: str
    """Where the project is."""
    variables: Mapping[str, str]
    """Those that the environment's url and api_key stand in."""
    url: str = ""
    """Of the server that is meant without an environment."""

    def words(self, verb: str) -> list[str]:
        """The command line."""
        chosen = ["--url", self.url] if self.url else ["-e", self.environment]
        waits = ["--lease-timeout", _PATIENCE] if verb == "verify" else []
        return ["qdrantctl", "snapshots", verb, *chosen, *waits]

    @property
    def name(self) -> str:
        """As part of the names of jobs.

        A digest tells apart what is cut or written otherwise, and `a-b` of `c` from `a` of `b-c`.
        """
        words = [word for word in (self.project, self.environment) if word != "-"]
        whole = "-".join(["qdrantctl", *words])
        plain = whole.lower().replace("_", "-").replace(".", "-")
        joined = self.url or any("-" in word for word in words)
        if plain == whole and len(plain) <= _LONGEST and not joined:
            return plain
        mark = sha256("/".join([*words, self.url]).encode()).hexdigest()[:8]
        return f"{plain[: _LONGEST - 1 - len(mark)].rstrip('-')}-{mark}"


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
    at = reach.endpoint.url if reach.endpoint else ""
    job = Job(settings.project, settings.environment, str(settings.root), named, at)
    return KINDS[kind](job)


ELSEWHERE = {"k8s-cronjob": "pod", "github-actions": "runner"}
"""Jobs that run on a disk of their own, which is gone with it."""


def doubtful(kind: str) -> str:
    """What whoever puts these jobs to work must know; empty for nothing.

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


def _cron(job: Job) -> str:
    lines = [
        f"# For crontab -e. {_ENVIRONMENT} exports the key of the cluster and those of stores;",
        "# let only its user read it. Exit code 5 says that another is still under way.",
    ]
    for when, verb in ((_OFTEN, "run"), (_WEEKLY, "verify")):
        command = shlex.join([*job.words(verb), "-C", job.folder]).replace("%", r"\%")
        lines.append(f"{when} . {_ENVIRONMENT} && {command}")
    return "\n".join(lines) + "\n"


def _systemd(job: Job) -> str:
    def specified(text: str) -> str:
        """Else systemd puts something in the place of %h and the like."""
        return text.replace("%", "%%")

    texts = []
    for when, verb in (("*:0/5", "run"), ("Sun 04:42", "verify")):
        # A run that finds another under way leaves it to the next; a verification has none soon.
        success = "SuccessExitStatus=5\n" if verb == "run" else ""
        name, command = f"{job.name}-{verb}", shlex.join(job.words(verb))
        texts.append(
            f"# /etc/systemd/system/{name}.service\n"
            "[Unit]\n"
            f"Description=qdrantctl snapshots {verb} of {job.project}/{job.environment}\n"
            "After=network-online.target\n"
            "Wants=network-online.target\n\n"
            "[Service]\n"
            "Type=oneshot\n"
            f"WorkingDirectory={specified(job.folder)}\n"
            f"EnvironmentFile={_ENVIRONMENT}\n"
            f"ExecStart=/usr/bin/env {specified(command).replace('$', '$$')}\n"
            f"{success}\n"
            f"# /etc/systemd/system/{name}.timer\n"
            "[Unit]\n"
            f"Description=When qdrantctl snapshots {verb} is called\n\n"
            "[Timer]\n"
            f"OnCalendar={when}\n"
            "Persistent=true\n\n"
            "[Install]\n"
            "WantedBy=timers.target\n"
        )
    return "\n".join(texts)


def _k8s(job: Job) -> str:
    texts = []
    for when, verb in ((_OFTEN, "run"), (_WEEKLY, "verify")):
        words = json.dumps(_leaves_it(job) if verb == "run" else job.words(verb))
        texts.append(
            "apiVersion: batch/v1\n"
            "kind: CronJob\n"
            "metadata:\n"
            f"  name: {job.name}-{verb}\n"
            "spec:\n"
            f'  schedule: "{when}"\n'
            "  concurrencyPolicy: Forbid\n"
            "  jobTemplate:\n"
            "    spec:\n"
            "      backoffLimit: 0\n"
            "      template:\n"
            "        spec:\n"
            "          restartPolicy: Never\n"
            "          containers:\n"
            "            - name: qdrantctl\n"
            "              image: qdrantctl   # yours, with the project in its working folder\n"
            f"              command: {words}\n"
            "              envFrom:\n"
            f"                - secretRef: {{name: {_SECRET}}}   # the cluster's key, and stores'\n"
        )
    return "---\n".join(texts)


def _leaves_it(job: Job) -> list[str]:
    """A run that finds another under way leaves it to the next, which is no failure.

    Waiting for less than its period would not do: a verification may take longer.
    """
    return ["sh", "-c", f"{shlex.join(job.words('run'))} || [ $? -eq 5 ]"]


def _github(job: Job) -> str:
    # Each with a group of its own: of those that wait in one the last cancels the others.
    run, verify = shlex.join(job.words("run")), shlex.join(job.words("verify"))
    jobs = _github_job(job, "run", _OFTEN, f"{run} || [ $? -eq 5 ]   # another is under way")
    jobs += _github_job(job, "verify", _WEEKLY, verify)
    return f"""\
# .github/workflows/{job.name}-snapshots.yml
name: {job.name}-snapshots
on:
  schedule:
    - cron: "{_OFTEN}"
    - cron: "{_WEEKLY}"
permissions:
  contents: read
jobs:
{jobs}"""


def _github_job(job: Job, verb: str, when: str, command: str) -> str:
    held = {"url": "vars", "api_key": "secrets"}
    server = "".join(
        f"      {name}: ${{{{ {held[word]}.{name} }}}}\n" for word, name in job.variables.items()
    )
    return f"""\
  {verb}:
    if: github.event.schedule == '{when}'
    runs-on: ubuntu-latest
    concurrency:
      group: {job.name}-snapshots-{verb}
      cancel-in-progress: false
    env:
{server}      AWS_ACCESS_KEY_ID: ${{{{ secrets.AWS_ACCESS_KEY_ID }}}}
      AWS_SECRET_ACCESS_KEY: ${{{{ secrets.AWS_SECRET_ACCESS_KEY }}}}
      AWS_REGION: ${{{{ vars.AWS_REGION }}}}
    steps:
      - uses: actions/checkout@v6
        with:
          persist-credentials: false
      - uses: actions/setup-python@v6
        with:
          python-version: "3.13"
      - run: {INSTALL}
      - run: {command}
"""


KINDS: dict[str, Callable[[Job], str]] = {
    "cron": _cron,
    "systemd": _systemd,
    "k8s-cronjob": _k8s,
    "github-actions": _github,
}
"""What a schedule can be written for."""
