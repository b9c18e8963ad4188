"""A server whose storage is a small file system of its own, so that it can really be full."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.support.servers import Node

SCRIPT = """\
#!/bin/sh
mkdir -p storage
exec unshare --user --map-root-user --mount sh -c '
    mount -t tmpfs -o size={size}m tmpfs storage && exec {program} "$@"' sh "$@"
"""


def write_program(folder: Path, program: Path, size: int) -> Path:
    """A program that is `program` with `size` MiB of storage, for one start."""
    script = folder / "qdrant-on-a-small-disk"
    script.write_text(SCRIPT.format(size=size, program=program))
    script.chmod(0o755)
    return script


class Disk:
    """The storage of a running server, as that server sees it."""

    def __init__(self, node: Node) -> None:
        assert node.process is not None
        inside = Path(f"/proc/{node.process.pid}/root")
        self.storage = inside / node.folder.resolve().relative_to("/") / "storage"
        self.ballast = self.storage / "ballast"

    @property
    def free(self) -> int:
        """In MiB."""
        return shutil.disk_usage(self.storage).free // 2**20

    def fill_up(self, leave: int) -> None:
        """Write a file that leaves so many MiB free."""
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(self.free - leave, 1) * 2**20)

    def free_up(self) -> None:
        self.ballast.unlink(missing_ok=True)
