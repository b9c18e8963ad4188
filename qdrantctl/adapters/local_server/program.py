"""Finds what runs the embedded server: a program of the stated version, or its image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qdrantctl.adapters.local_server.answer import run_program
from qdrantctl.adapters.local_server.binary import (
    PACKAGE,
    VARIABLE,
    VERSION,
    find_binary,
    find_named_program,
    find_on_path,
    find_pinned,
)
from qdrantctl.adapters.local_server.container import IMAGE, ContainerImage, find_image
from qdrantctl.model.errors import ServerError

Program = Path | ContainerImage
VERSION_SECONDS = 20.0


def find_server_program(
    version: str, download: bool, report_progress: Callable[[str], None] = lambda _: None
) -> Program:
    """What runs a server of this version; of any version, if it is empty.

    Without `download` no package is fetched and no image pulled. Raises ServerError, which says
    what was looked for and what was found.
    """
    if not version:
        return find_binary(download, report_progress)
    answers: list[str] = []
    for source, program in (
        (VARIABLE, find_named_program()),
        ("qdrant on PATH", find_on_path()),
    ):
        if program is None:
            answers.append(
                f"{VARIABLE} is not set" if source == VARIABLE else "there is no qdrant on PATH"
            )
            continue
        answer = _ask_version(program)
        if answer == f"qdrant {version}":
            return program
        answers.append(f"{source} is {program}, which answers: {answer}")
    if version == VERSION:
        try:
            return find_pinned(download, report_progress)
        except ServerError as error:
            answers.append(error.what)
    else:
        answers.append(f"the pinned package is {PACKAGE}")
    if image := find_image(version, download, report_progress, answers):
        return image
    raise ServerError(
        f"there is no Qdrant {version} on this machine for the embedded server",
        why="\n  ".join(answers),
        hint=f"Set {VARIABLE} to a qdrant {version} program, or put it on PATH. Where docker or "
        f"podman runs, qdrantctl dev up pulls {IMAGE}:v{version}.",
    )


def _ask_version(program: Path) -> str:
    """The first line of what `qdrant --version` prints, or why it prints none."""
    _, lines = run_program([str(program), "--version"], VERSION_SECONDS)
    return lines[0] if lines else "nothing"
