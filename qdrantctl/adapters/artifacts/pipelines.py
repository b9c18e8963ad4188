"""CI pipelines for a project, generated from its environments. `init --ci` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qdrantctl.adapters.artifacts.environment import render_template
from qdrantctl.adapters.artifacts.secret_managers import login_comment

FOLDERS = {"github": ".github/qdrantctl", "gitlab": ".gitlab/qdrantctl"}
"""The folder of the lock file and of the copies, relative to the root of the repository."""
ACTIONS = {
    "checkout": "actions/checkout@d23441a48e516b6c34aea4fa41551a30e30af803 # v6.1.0",
    "setup_python": "actions/setup-python@a309ff8b426b58ec0e2a45f0f869d46889d02405 # v6.2.0",
    "upload": "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0",
    "download": "actions/download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0",
    "sarif": "github/codeql-action/upload-sarif@8aad20d150bbac5944a9f9d289da16a4b0d87c1e # v4.36.2",
}
"""The actions of workflows, by commit: a tag can be moved to other code."""
_SNAPSHOT_WORKFLOW = ".github/workflows/qdrantctl-snapshots.yml"
_TEMPLATES = {
    "github": {
        ".github/workflows/qdrantctl.yml": "github/qdrantctl.yml",
        ".github/workflows/qdrantctl-nightly.yml": "github/qdrantctl-nightly.yml",
        _SNAPSHOT_WORKFLOW: "github/qdrantctl-snapshots.yml",
    },
    "gitlab": {".gitlab-ci.yml": "gitlab/gitlab-ci.yml"},
}


@dataclass(frozen=True, slots=True)
class PipelineKey:
    """Where a job finds the key of an environment. One of the first three is stated."""

    variable: str = ""
    file: str = ""
    """A word of a shell."""
    program: str = ""
    """The program of a command that prints the key."""
    write_name: str = ""
    """The secret that holds the key of applies, in the environment of the CI."""
    read_name: str = ""
    """The secret that holds the read-only key."""


@dataclass(frozen=True, slots=True)
class JobAccess:
    """How the jobs of one role reach a cluster."""

    env: tuple[tuple[str, str], ...]
    """Variables of a job of GitHub, each with the expression that it comes from."""
    lines: tuple[str, ...]
    """Lines of shell that run before qdrantctl."""


@dataclass(frozen=True, slots=True)
class Target:
    """An environment that a pipeline applies to, in the order of the pipeline."""

    name: str
    quoted: str
    """The name as a YAML string."""
    protected: bool
    plan_marker: str
    """The first line of its plan as Markdown."""
    gates: str = ""
    """What the project file requires of its plans; empty for nothing."""
    url_variable: str = ""
    """The variable that its URL is read from; empty if the project file states the URL."""
    url_name: str = ""
    """The variable of the CI that holds the URL."""
    key: PipelineKey | None = None
    signing_variables: tuple[str, ...] = ()
    store_variables: tuple[str, ...] = ()
    """Those that hold the credentials of buckets."""
    has_policies: bool = False
    """Whether its manifests declare snapshot policies."""


@dataclass(frozen=True, slots=True)
class PipelineProject:
    """The project that pipelines are for."""

    name: str
    folder: str
    """Its folder, relative to the root of the repository; `.` for the root."""
    branch: str
    """The branch that is applied."""
    repository: str = ""
    """`git+https://HOST/PATH@COMMIT` if qdrantctl is installed from there; else empty."""


def render_pipelines(
    ci: str, project: PipelineProject, targets: Sequence[Target]
) -> dict[str, str]:
    """The files of `github` or `gitlab`, by their path from the root of the repository."""
    values = [_target_values(ci, target) for target in targets]
    return {
        path: render_template(
            template,
            project=project,
            targets=values,
            path="" if project.folder == "." else f"{project.folder}/",
            lock=lock_path(ci),
            actions=ACTIONS,
        )
        for path, template in _TEMPLATES[ci].items()
        if path != _SNAPSHOT_WORKFLOW or any(target.has_policies for target in targets)
    }


def lock_path(ci: str) -> str:
    """The lock file of what the pipelines install, relative to the root of the repository.

    Dependabot finds files of this name.
    """
    return f"{FOLDERS[ci]}/requirements.txt"


def list_pipeline_files(ci: str) -> tuple[str, ...]:
    """Every file that `render_pipelines` may return."""
    return tuple(_TEMPLATES[ci])


def _target_values(ci: str, target: Target) -> dict[str, object]:
    """A target as its template reads it: with the access of each role."""
    key = target.key or PipelineKey()
    access = _github_access if ci == "github" else _gitlab_access
    write = access(target, key.write_name)
    shared = (*target.signing_variables, *target.store_variables)
    return {
        **{name: getattr(target, name) for name in Target.__slots__},
        "read": access(target, key.read_name),
        "write": write,
        "snapshot_names": (key.write_name, *shared) if key.write_name else shared,
        "snapshots": JobAccess((*write.env, *((n, _github_value(n)) for n in shared)), write.lines),
    }


def _github_value(variable: str) -> str:
    """A region is no secret."""
    return f"vars.{variable}" if variable.endswith("_REGION") else f"secrets.{variable}"


def _github_access(target: Target, secret: str) -> JobAccess:
    env = []
    if target.url_variable:
        env.append((target.url_variable, f"vars.{target.url_name}"))
    if target.key and (target.key.variable or target.key.file):
        env.append((target.key.variable or "KEY", f"secrets.{secret}"))
    return JobAccess(tuple(env), _secret_lines("github", target.key, "KEY"))


def _gitlab_access(target: Target, secret: str) -> JobAccess:
    """GitLab's own variables win over those of a job, so the script sets what has another name."""
    lines = []
    if target.url_variable != target.url_name:
        lines.append(f'export {target.url_variable}="${target.url_name}"')
    if target.key and target.key.variable not in ("", secret):
        lines.append(f'export {target.key.variable}="${secret}"')
    return JobAccess((), (*lines, *_secret_lines("gitlab", target.key, secret)))


def _secret_lines(ci: str, key: PipelineKey | None, variable: str) -> tuple[str, ...]:
    """Lines that write the key's file, or comments on the login of its command."""
    if key and key.program:
        return login_comment(ci, key.program)
    if key and key.file:
        folder = f'"$(dirname {key.file})"'
        return (
            "umask 077  # the key is read from a file",
            f'mkdir -p {folder} 2> /dev/null || sudo install -d -o "$(id -un)" {folder}',
            f"printf '%s' \"${variable}\" > {key.file}",
        )
    return ()
