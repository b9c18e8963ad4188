"""Commands on a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import sys
import time


def on_terminal(project, *words, answers=(), encoding="utf-8"):
    """Exit code and everything shown, of a command on a terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project)
        os.execv(sys.executable, [sys.executable, "-m", "qdrantctl", *words])
    shown, waiting = b"", list(answers)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                part = os.read(terminal, 4096)
            except OSError:
                break
            shown += part
            if waiting and b"Enter a value:" in shown:
                os.write(terminal, waiting.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(encoding)
