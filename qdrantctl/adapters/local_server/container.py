"""Runs the embedded server as a container of docker or podman.

The engine's client stays attached, so it is the server's process in all that the rest of the
package does: it holds the lock, writes the log, and passes signals on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from qdrantctl.adapters.local_server.answer import run_program

ENGINES = ("docker", "podman")
IMAGE = "qdrant/qdrant"
IMAGE_HOME = "/qdrant"
"""The image's folder for its program; storage and snapshots are mounted below it."""
KEPT_FOLDERS = ("storage", "snapshots")
PULL_SECONDS = 1800
ENGINE_SECONDS = 60
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class ContainerImage:
    """Qdrant's own image of one version, present on this machine."""

    engine: str
    """docker or podman, with its path."""
    name: str
    """`qdrant/qdrant:v1.19.0`; podman adds the registry that its own settings name."""


def find_image(
    version: str, download: bool, report_progress: Callable[[str], None], answers: list[str]
) -> ContainerImage | None:
    """The image of a version, of the first engine that has it or, with `download`, can pull it.

    Why there is none is added to `answers`, a line for each engine.
    """
    name = f"{IMAGE}:v{version}"
    for word in ENGINES:
        engine = shutil.which(word)
        if engine is None:
            answers.append(f"there is no {word} on PATH")
            continue
        present, lines = run_program([engine, "image", "inspect", name], ENGINE_SECONDS)
        if not present and download:
            report_progress(f"pulling {name} with {word}")
            present, lines = run_program([engine, "pull", name], PULL_SECONDS)
        if present:
            return ContainerImage(engine, name)
        answers.append(f"{word}, asked for {name}, answers: {lines[-1]}")
    return None


def container_name(folder: Path) -> str:
    """The name of the container of the server in `folder`; a copied folder has another."""
    return f"qdrantctl-{sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}"


def run_arguments(
    image: ContainerImage, folder: Path, ports: tuple[int, ...], settings: Mapping[str, str]
) -> list[str]:
    """The command line that runs a server in `folder`; the program's arguments follow.

    `ports` are published on loopback under their own numbers. Of `settings` only the names enter
    the command line, which every user of the machine can read; the engine takes their values from
    its environment.
    """
    argv = [image.engine, "run", "--rm", "--pull", "never", "--name", container_name(folder)]
    argv += _user_arguments(image.engine)
    # Without it, a system with SELinux denies the container the mounted folders.
    argv += ["--security-opt", "label=disable"]
    for port in ports:
        argv += ["--publish", f"127.0.0.1:{port}:{port}"]
    for kept in KEPT_FOLDERS:
        (folder / kept).mkdir(exist_ok=True)  # an engine would make it as root
        source = str(folder / kept).replace('"', '""')
        argv += ["--mount", f'type=bind,"source={source}",target={IMAGE_HOME}/{kept}']
    for name in settings:
        argv += ["--env", name]
    # The image's own script ends on SIGTERM without waiting for the program.
    return [*argv, "--workdir", IMAGE_HOME, "--entrypoint", f"{IMAGE_HOME}/qdrant", image.name]


def container_settings() -> dict[str, str]:
    """The settings that differ in a container: it listens for the engine, in the mounted folders.

    Only the engine reaches it there; it publishes on loopback.
    """
    return {
        "QDRANT__SERVICE__HOST": "0.0.0.0",  # noqa: S104
        "QDRANT__STORAGE__STORAGE_PATH": f"{IMAGE_HOME}/storage",
        "QDRANT__STORAGE__SNAPSHOTS_PATH": f"{IMAGE_HOME}/snapshots",
    }


def stop_container(engine: str, name: str) -> None:
    """End a container, first by SIGTERM, and remove it. One that does not exist is no error."""
    run_program([engine, "stop", "-t", str(STOP_SECONDS), name], STOP_SECONDS + ENGINE_SECONDS)
    run_program([engine, "rm", "--force", name], ENGINE_SECONDS)


def _user_arguments(engine: str) -> list[str]:
    """What makes the files in the mounted folders belong to this user."""
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    if Path(engine).name == "podman":
        return ["--userns", "keep-id", *user] if os.getuid() else user
    # A rootless engine maps its root to this user, and others to users that own nothing.
    _, lines = run_program([engine, "info", "--format", "{{.SecurityOptions}}"], ENGINE_SECONDS)
    return [] if any("rootless" in line for line in lines) else user
