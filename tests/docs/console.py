"""Running the console blocks of a page, command by command, as a reader would.

- A ```yaml block whose first line is `# PATH` is that file, written when its turn comes.
- In a ```console block a line that begins with `$ ` is a command; `\\` at its end goes on. The
  lines below it must be in the output, in this order; a line `…` stands for any lines, `…` within
  a line for any text. Ports, durations, times, ids and digests are compared by their form.
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
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from qdrantctl.cli.main import root

EXAMPLE_URL = "https://qdrant.example.com:6333"
EXAMPLE_FOLDER = "/var/backups"
BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.M | re.S)
COMMENT = re.compile(r"\s+# (exits with code (?P<code>\d+)|needs (?P<needs>.+)|.*)$")
VARYING = (
    (r"https?://(127\.0\.0\.1|localhost):\d+", "URL"),
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d\d:\d\d|Z)?", "TIME"),
    (r"\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d", "ID"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\(\d+\.\d s\)", "(SECONDS)"),
    (r"\b[0-9a-f]{7,64}\b", "HEX"),
    (r"\b[\d,]+ bytes\b", "BYTES"),
    (r"\s+", " "),
)
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
        elif block["language"] == "yaml" and (found := re.match(r"# ([\w./-]+\.\w+)$", lines[0])):
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
        """Exit code and output. The state of the shell is what the command left."""
        left = Path(self.environment["HOME"]) / "shell-state"
        script = f"{self.real(command.line)}\ncode=$?\npwd >{left}\nenv -0 >>{left}\nexit $code"
        terminal, slave = pty.openpty()
        if ANSWER in "\n".join(command.shown):
            os.write(terminal, b"yes\n")
        try:
            finished = subprocess.run(
                ["bash", "-c", script], cwd=self.folder, env=self.environment, timeout=60,
                stdin=slave if ANSWER in "\n".join(command.shown) else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
        finally:
            os.close(slave)
            os.close(terminal)
        folder, _, variables = left.read_text().partition("\n")
        self.folder = Path(folder)
        self.environment = dict(pair.split("=", 1) for pair in variables.split("\0") if pair)
        return finished.returncode, finished.stdout.replace(PROMPT, f"{ANSWER}\n")

    def real(self, text: str) -> str:
        """A text of the page with the server and the folder that its examples stand for."""
        text = text.replace(EXAMPLE_FOLDER, f"{self.environment['HOME']}/backups")
        return text.replace(EXAMPLE_URL, self.url) if self.url else text


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
    context = click.Context(root)
    rest = list(arguments)
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command = found
    command.make_context(command.name, rest, parent=context)
