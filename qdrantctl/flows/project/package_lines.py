"""What generated pipelines install: qdrantctl itself, by the hash of a wheel or at a commit."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from qdrantctl import __version__
from qdrantctl.adapters.system import own_package
from qdrantctl.model.errors import SettingsError, UsageError

_ROOTS = {"github": "${GITHUB_WORKSPACE}", "gitlab": "${CI_PROJECT_DIR}"}
"""The root of the repository in a job; pip expands variables in this form."""
_STATED = "# --package "
"""The line of a lock file that records what the operator stated."""


@dataclass(frozen=True, slots=True)
class PackageLines:
    """How a pipeline gets qdrantctl."""

    lock_lines: str = ""
    """Lines of the lock file."""
    repository: str = ""
    """`git+https://HOST/PATH@COMMIT`, which has no hash but a commit; else empty."""
    problem: str = ""
    """What the operator has to do before the pipelines can install it."""


def choose_package(ci: str, stated: str | None, root: Path, lock_path: Path) -> PackageLines:
    """What to install: as stated now, or in the lock file before, or as this program was.

    Raises UsageError or SettingsError for a `stated` package that has neither hash nor commit.
    """
    if stated is None:
        stated = _recorded_package(lock_path)
    source = stated if stated is not None else own_package.installed_source()
    recorded = f"{_STATED}{stated}\n" if stated is not None else ""
    if own_package.is_pinned_repository(source):
        return PackageLines(recorded, source)
    if match := re.fullmatch(r"(https://[^\s#]+\.whl)#sha256=([0-9a-f]{64})", source):
        return PackageLines(f"{recorded}qdrantctl @ {match[1]} \\\n    --hash=sha256:{match[2]}\n")
    if source.endswith(".whl") and "://" not in source:
        return PackageLines(recorded + _wheel_line(ci, source, root))
    if stated is not None:
        raise UsageError(
            f"--package {stated} has neither a hash nor a commit",
            hint="Name a wheel in the repository, https://HOST/FILE.whl#sha256=HASH, or "
            "git+https://HOST/REPOSITORY@ with a commit of 40 digits.",
        )
    return _registry_lines(lock_path)


def _recorded_package(lock_path: Path) -> str | None:
    lines = _read_lock(lock_path).splitlines()
    recorded = (line.removeprefix(_STATED) for line in lines if line.startswith(_STATED))
    return next(recorded, None)


def _read_lock(lock_path: Path) -> str:
    return lock_path.read_text(errors="replace") if lock_path.is_file() else ""


def _wheel_line(ci: str, wheel: str, root: Path) -> str:
    """A wheel of the repository. Raises SettingsError if it lies elsewhere or cannot be read."""
    path = root / wheel
    below = os.path.relpath(path.resolve(), root.resolve()).replace(os.sep, "/")
    if below.startswith("../") or not re.fullmatch(r"[\w./+-]+", below, re.ASCII):
        raise SettingsError(
            f"the wheel {wheel} is not in the repository of the project",
            hint="Commit it there, and name its path from the root of the repository.",
        )
    try:
        digest = own_package.hash_file(path)
    except OSError as error:
        raise SettingsError(f"the wheel {wheel} cannot be read: {error.strerror}") from None
    return f"qdrantctl @ file://{_ROOTS[ci]}/{below} \\\n    --hash=sha256:{digest}\n"


def _registry_lines(lock_path: Path) -> PackageLines:
    """This version in the registry, which is asked only if the lock file has no hash for it."""
    requirement = f"qdrantctl=={__version__}"
    locked = re.search(
        rf"^{re.escape(requirement)} \\\n    --hash=\S+\n", _read_lock(lock_path), re.M
    )
    if locked:
        return PackageLines(locked[0])
    digest = own_package.fetch_registry_hash(requirement)
    if digest:
        return PackageLines(f"{requirement} \\\n    --hash=sha256:{digest}\n")
    return PackageLines(
        f"{requirement}\n",
        problem=f"the package registry has no wheel of {requirement}, or cannot be reached, so the "
        "lock file has no hash for it, and the pipelines refuse to install it. Name another source "
        "with --package: a wheel in the repository, or git+https://HOST/REPOSITORY@COMMIT.",
    )
