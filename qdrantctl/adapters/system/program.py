"""The command that calls this program, independent of the current shell."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAME = "qdrantctl"


def find_program() -> tuple[str, ...]:
    """The command that calls this program by an absolute path, as arguments.

    Links are not followed: pipx and uv install a link, which stays valid after an update.
    """
    started = shutil.which(sys.argv[0])
    if started and Path(started).name == NAME:
        return (os.path.abspath(started),)  # noqa: PTH100  # resolve() would follow the link
    script = Path(sys.executable).with_name(NAME)
    return (str(script),) if script.exists() else (sys.executable, "-m", NAME)
