"""A program of the user's that is started once and answers batches of lines."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from qdrantctl.adapters.system.commands import cannot_start, refuse_if_forbidden
from qdrantctl.model.errors import QdrantctlError

SILENCE_SECONDS = 300.0
"""How long it may neither read nor answer: loading a model and one batch on a slow machine."""
MAX_LINE = 64 * 2**20
"""Bytes of one line; the answer with the largest vectors that a server takes is shorter."""
_KEPT_ERRORS = 8192
"""Bytes of stderr that are kept: the last ones."""
_CHUNK = 65536
_LOOK_SECONDS = 0.2
"""How often its end and a cancellation are looked for."""
_END_SECONDS = 5.0
"""How long it may take to end, before it is made to."""


class ProcessFailed(Exception):
    """The program ended, was silent for too long, or broke the protocol; the text says which."""


class ProcessSilent(ProcessFailed):
    """It was silent for too long."""


class LineProcess:
    """The program, with its standard streams as pipes. One thread uses it at a time.

    It has a process group of its own, so Ctrl-C does not reach it, and what it started ends with
    it. If qdrantctl is killed, it reads the end of its input.
    """

    def __init__(
        self,
        argv: Sequence[str],
        folder: Path,
        environ: Mapping[str, str],
        *,
        name: str,
        instead: str,
        silence: float = SILENCE_SECONDS,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        """`name` and `instead` as in `run_command`; `silence` is in seconds."""
        self._argv, self._folder, self._environ = argv, folder, environ
        self.name = name
        """What it is called in errors."""
        self._instead = instead
        self._silence = silence
        self._is_cancelled = is_cancelled
        self._process: subprocess.Popen[bytes] | None = None
        self._lines: deque[bytes] = deque()
        """Lines that were read and not taken yet."""
        self._partial = bytearray()
        self._errors = b""

    @property
    def last_errors(self) -> str:
        """The last lines that it wrote to stderr; not redacted."""
        return self._errors.decode(errors="replace")

    def exchange(self, lines: bytes, take_line: Callable[[bytes], bool]) -> None:
        """Send lines, and pass each line of the answer on until `take_line` returns True.

        Starts the program if it does not run. After any error it is ended: what it still writes
        would be taken for the answer to the next lines. Raises ProcessFailed, SettingsError if it
        cannot be started, QdrantctlError if the caller cancelled, and what `take_line` raises.
        """
        process = self._process
        if process is None or process.poll() is not None:
            process = self._start()
        try:
            self._converse(process, memoryview(lines), take_line)
        except BaseException:
            self.end()
            raise

    def close(self) -> None:
        """Let it read the end of its input, and end it if it goes on."""
        process = self._process
        if process is not None and process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
        self.end()

    def end(self) -> None:
        """End it and all that it started: SIGTERM, then SIGKILL."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)
        self._read_errors(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with suppress(OSError):
                    pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        self.end()
        refuse_if_forbidden(self._environ, self.name, instead=self._instead)
        self._lines.clear()
        self._partial.clear()
        self._errors = b""
        try:
            process = subprocess.Popen(  # noqa: S603
                self._argv,
                cwd=self._folder,
                env=dict(self._environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise cannot_start(error, self.name) from None
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        self._process = process
        return process

    def _converse(
        self,
        process: subprocess.Popen[bytes],
        unsent: memoryview,
        take_line: Callable[[bytes], bool],
    ) -> None:
        """Write and read at the same time: either side may wait for the other to read."""
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        deadline = time.monotonic() + self._silence
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stdout, selectors.EVENT_READ)
            selector.register(process.stderr, selectors.EVENT_READ)
            is_answered = False
            while not is_answered or unsent:
                ready = [key.fileobj for key, _ in selector.select(_LOOK_SECONDS)]
                if process.stdin in ready:
                    unsent = _write_some(process.stdin, unsent)
                    if not unsent:
                        selector.unregister(process.stdin)
                if process.stderr in ready and not self._read_errors(process):
                    selector.unregister(process.stderr)
                is_open = process.stdout not in ready or self._read_lines(process.stdout)
                is_answered = is_answered or self._take_lines(take_line)
                if not is_open:
                    if not is_answered:
                        raise self._explain_end(process)
                    selector.unregister(process.stdout)
                if process.stdin in ready or process.stdout in ready:
                    deadline = time.monotonic() + self._silence
                self._check(process, is_quiet=not ready, is_late=time.monotonic() > deadline)

    def _check(self, process: subprocess.Popen[bytes], *, is_quiet: bool, is_late: bool) -> None:
        if self._is_cancelled():
            raise QdrantctlError("interrupted")
        if is_quiet and process.poll() is not None:  # what it started holds its stdout open
            raise self._explain_end(process)
        if is_late:
            raise ProcessSilent(f"it neither read nor answered for {self._silence:g} seconds")

    def _take_lines(self, take_line: Callable[[bytes], bool]) -> bool:
        """Pass on the lines that were read. True if the answer is complete."""
        while self._lines:
            if take_line(self._lines.popleft()):
                return True
        return False

    def _read_lines(self, stdout: IO[bytes]) -> bool:
        """Read the available output; whether the program may still write some."""
        chunk = os.read(stdout.fileno(), _CHUNK)
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            self._lines.append(bytes(self._partial + line))
            self._partial.clear()
        self._partial += rest
        if len(self._partial) > MAX_LINE:
            raise ProcessFailed(f"it wrote a line of more than {MAX_LINE:,} bytes")
        return bool(chunk)

    def _read_errors(self, process: subprocess.Popen[bytes]) -> bool:
        """Keep the last part of stderr; whether the program may still write there."""
        assert process.stderr is not None
        with suppress(BlockingIOError, ValueError):  # it may be closed already
            while chunk := os.read(process.stderr.fileno(), _CHUNK):
                self._errors = (self._errors + chunk)[-_KEPT_ERRORS:]
            return False
        return True

    def _explain_end(self, process: subprocess.Popen[bytes]) -> ProcessFailed:
        try:
            code = process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return ProcessFailed("it closed its output before all points were answered")
        if code < 0:
            return ProcessFailed(f"it was ended by the signal {signal.Signals(-code).name}")
        return ProcessFailed(f"it exited with code {code} before all points were answered")


def _write_some(stdin: IO[bytes], unsent: memoryview) -> memoryview:
    """What is still unsent; nothing if the program reads no more."""
    try:
        return unsent[os.write(stdin.fileno(), unsent[:_CHUNK]) :]
    except BrokenPipeError:
        return unsent[:0]
    except BlockingIOError:
        return unsent
