"""Running the console blocks of a page, command by command, as a reader would.

- A ```yaml or ```python block whose first line is `# PATH` is that file, written when its turn
  comes.
- In a ```console block a line that begins with `$ ` is a command; `\\` at its end goes on. The
  lines below it must be in the output, in this order; a line `…` stands for any lines, `…` within
  a line for any text. Ports, durations, times, ids, digests and
  the version of Qdrant are compared by their form.
- `# exits with code N` after a command says how it ends; without it, with 0.
- `# needs SOMETHING` says that the command is not run here; flags of qdrantctl are still checked.
- `Enter a value: yes` in the output means that the reader types `yes`.
- A comment `<!-- server: NAME -->` in the page asks for a server besides the embedded one. The
  address https://qdrant.example.com:6333 of the page means that one, and /var/backups a folder.
"""

from __future__ import annotations

import os
import pty
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TextIO

import click

from qdrantctl.cli.main import root, run

EXAMPLE_URL = "https://qdrant.example.com:6333"
EXAMPLE_FOLDER = "/var/backups"
FILES = ("yaml", "python")
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.M | re.S)
COMMENT = re.compile(r"\s+# (exits with code (?P<code>\d+)|needs (?P<needs>.+)|.*)$")
VARYING = (
    (r"https?://(127\.0\.0\.1|localhost):\d+", "URL"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d|Z)?", "TIME"),
    (r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d", "ID"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\bQdrant \d+\.\d+\.\d+\b", "Qdrant VERSION"),
    (r"\s*\(\d+\.\d s\)", ""),  # printed only if a step took a while
    (r"\b[0-9a-f]{7,64}\b", "HEX"),
    (r"\b[\d,]+ bytes\b", "BYTES"),
    (r"\s+", " "),
)
SHELL_SYNTAX = re.compile(r"^(?!qdrantctl )|[|&;<>$`~]")
"""What only bash can run: other programs, and lines that are more than one command."""
PROMPT = "Enter a value: "
ANSWER = f"{PROMPT}yes"


@dataclass
class Command:
    """One command of a page and what the page shows of it."""

    line: str
    code: int = 0
    needs: str = ""
    shown: list[str] = field(default_factory=list)


@dataclass
class File:
    """A file that the page has the reader write."""

    path: str
    text: str


def steps(page: str) -> Iterator[Command | File]:
    """Files and commands in the order of the page."""
    for block in BLOCK.finditer(page):
        lines = [line.removeprefix(block["indent"]) for line in block["text"].splitlines()]
        if block["language"] == "console":
            yield from _commands(lines)
        elif block["language"] in FILES and (found := re.match(r"# ([\w./-]+\.\w+)$", lines[0])):
            yield File(found[1], "\n".join(lines[1:]) + "\n")


def _commands(lines: list[str]) -> Iterator[Command]:
    command: Command | None = None
    goes_on = False
    for line in lines:
        if goes_on and command:
            command.line += f" {line.strip()}"
        elif line.startswith("$ "):
            if command:
                yield _finished(command)
            command = Command(line[2:])
        elif command:
            command.shown.append(line)
        goes_on = bool(command and command.line.endswith("\\") and not command.shown)
        if goes_on and command:
            command.line = command.line[:-1].rstrip()
    if command:
        yield _finished(command)


def _finished(command: Command) -> Command:
    if found := COMMENT.search(command.line):
        command.line = command.line[: found.start()]
        command.code = int(found["code"] or 0)
        command.needs = found["needs"] or ""
    return command


@dataclass
class Shell:
    """Runs one command after the other; folder and exported variables stay."""

    folder: Path
    environment: dict[str, str]
    url: str = ""
    """What EXAMPLE_URL means."""

    def write(self, file: File) -> None:
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.real(file.text))

    def run(self, command: Command) -> tuple[int, str]:
        """Exit code and output of one command, with `yes` typed where the page shows it."""
        line = self.real(command.line)
        with _terminal(ANSWER in "\n".join(command.shown)) as stdin:
            run = self._in_bash if SHELL_SYNTAX.search(line) else self._in_process
            code, output = run(line, stdin)
        return code, output.replace(PROMPT, f"{ANSWER}\n")

    def _in_process(self, line: str, stdin: TextIO) -> tuple[int, str]:
        """A plain `qdrantctl …`: as in bash, without the start of another interpreter."""
        output = StringIO()
        before = (Path.cwd(), dict(os.environ), sys.stdin)
        os.chdir(self.folder)
        _set_environment(self.environment)
        sys.stdin = stdin
        try:
            with redirect_stdout(output), redirect_stderr(output):
                code = run(shlex.split(line)[1:])
        finally:
            os.chdir(before[0])
            _set_environment(before[1])
            sys.stdin = before[2]
        return code, output.getvalue()

    def _in_bash(self, line: str, stdin: TextIO) -> tuple[int, str]:
        """Any other line. Its folder and its variables stay for the lines after it."""
        left = Path(self.environment["HOME"]) / "shell-state"
        script = f"{line}\ncode=$?\npwd >{left}\nenv -0 >>{left}\nexit $code"
        finished = subprocess.run(
            ["bash", "-c", script], cwd=self.folder, env=self.environment, timeout=60,
            stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        folder, _, variables = left.read_text().partition("\n")
        self.folder = Path(folder)
        self.environment = dict(pair.split("=", 1) for pair in variables.split("\0") if pair)
        return finished.returncode, finished.stdout

    def real(self, text: str) -> str:
        """A text of the page with the server and the folder that its examples stand for."""
        text = text.replace(EXAMPLE_FOLDER, f"{self.environment['HOME']}/backups")
        return text.replace(EXAMPLE_URL, self.url) if self.url else text


@contextmanager
def _terminal(answers: bool) -> Iterator[TextIO]:
    """Standard input: a terminal on which `yes` was typed, or nothing."""
    if not answers:
        with Path(os.devnull).open() as nothing:
            yield nothing
        return
    typing, slave = pty.openpty()
    os.write(typing, b"yes\n")
    try:
        with os.fdopen(slave) as terminal:
            yield terminal
    finally:
        os.close(typing)


def _set_environment(variables: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def missing_line(shown: list[str], output: str) -> str | None:
    """The first line that the page shows and the output does not have there."""
    lines = [_form(line) for line in output.splitlines()]
    position = 0
    for line in shown:
        if not line.strip() or line.strip() == "…" or ANSWER in line:
            continue
        pattern = ".*".join(re.escape(part) for part in _form(line).split("…"))
        for index in range(position, len(lines)):
            if re.fullmatch(pattern, lines[index]):
                position = index + 1
                break
        else:
            return line
    return None


def _form(line: str) -> str:
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return line.strip()


def check_flags(line: str) -> None:
    """Each `qdrantctl …` in a shell line is parsed and not run. Raises click.UsageError."""
    for part in re.split(r"\s*(?:&&|\|\||[|;])\s*", line):
        words = shlex.split(re.sub(r"\s*\d?[<>]\s*\S+", "", part))
        while words and re.match(r"\w+=", words[0]):
            words.pop(0)
        if words and words[0] == "qdrantctl":
            parse(words[1:])


def parse(arguments: list[str]) -> None:
    """One command line of qdrantctl, parsed down to its last subcommand."""
    command: click.Command = root
    context = click.Context(root, **root.context_settings)
    rest = list(arguments)
    while isinstance(command, click.Group):
        _, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
    try:
        command.make_context(command.name, rest, parent=context)
    except click.BadParameter as error:
        if error.param is None or not isinstance(error.param.type, click.Path):
            raise  # but a folder of an example need not exist here
