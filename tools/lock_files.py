"""Locks what generated pipelines, the action and the image install: newest versions, by hash.

    python -m tools.lock_files

It asks the package registry, by uv's own settings.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / "qdrantctl" / "adapters" / "artifacts" / "templates" / "locks"


def lock_requirements(requirements: list[str], python: str) -> str:
    """Every package that they need, for every platform, each file with its hash."""
    return subprocess.run(
        [Path(sys.executable).with_name("uv"), "pip", "compile", "-", "--quiet", "--universal",
         "--python-version", python, "--generate-hashes", "--no-header", "--no-annotate"],
        input="\n".join(requirements), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def main() -> None:
    """Write both lock files."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())
    python = document["project"]["requires-python"].removeprefix(">=")
    for name, requirements in (
        ("requirements.txt", document["project"]["dependencies"]),
        ("build.txt", document["build-system"]["requires"]),
    ):
        (LOCKS / name).write_text(lock_requirements(requirements, python))
        print(f"wrote {(LOCKS / name).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
