"""How this program is called again, from a place that knows nothing of this shell."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

NAME = "qdrantctl"


def find_program() -> tuple[str, ...]:
    """The words that call this program by an absolute path.

    Links are not followed: what pipx and uv install is called by the link, which an update keeps.
    """
    started = shutil.which(sys.argv[0])
    if started and Path(started).name == NAME:
        return (os.path.abspath(started),)  # noqa: PTH100  # resolve() would follow the link
    script = Path(sys.executable).with_name(NAME)
    return (str(script),) if script.exists() else (sys.executable, "-m", NAME)
