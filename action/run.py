"""The step of the GitHub Action in action.yml: runs qdrantctl and writes the outputs of the step.

Inputs are variables INPUT_*. It needs qdrantctl in the same interpreter, and nothing else.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

COMMANDS = ("plan", "apply", "drift", "audit", "validate", "lock")
WITH_MARKDOWN = ("apply", "drift", "audit")
COUNTS = ("create", "update", "replace", "delete")
USAGE_ERROR = 64


def run_program(*words: str) -> tuple[int, str]:
    """Exit code and output of qdrantctl; its errors go to the log."""
    done = subprocess.run(
        [sys.executable, "-m", "qdrantctl", *words], stdout=subprocess.PIPE, check=False
    )
    return done.returncode, done.stdout.decode()


def run_plan(words: list[str], plan_file: Path) -> tuple[int, dict[str, str]]:
    """Plan once, and show the saved plan as JSON and as Markdown."""
    code, text = run_program("plan", *words, "--out", str(plan_file))
    sys.stdout.write(text)
    if not plan_file.exists():
        return code, {}
    plan = json.loads(run_program("show", str(plan_file), "--format", "json")[1])
    return code, {
        **{name: str(plan["summary"].get(name, 0)) for name in COUNTS},
        "applicable": json.dumps(plan["applicable"]),
        "plan-file": str(plan_file),
        "comment-body": run_program("show", str(plan_file), "--format", "markdown")[1],
    }


def run_command(command: str, words: list[str], plan_file: Path) -> tuple[int, dict[str, str]]:
    """Run any other command; `apply` carries out the plan file where there is one."""
    with TemporaryDirectory() as folder:
        receipt = Path(folder) / "receipt.json"
        if command == "apply":
            words = [*([str(plan_file)] if plan_file.exists() else []), *words]
            words += ["--receipt", str(receipt)]
        if command in WITH_MARKDOWN:
            words += ["--format", "markdown"]
        code, text = run_program(command, *words)
        sys.stdout.write(text)
        outputs = {"comment-body": text} if command in WITH_MARKDOWN else {}
        if receipt.exists():
            outcomes = json.loads(receipt.read_text())["outcomes"]
            done = Counter(o["counted_as"] if o.get("counted_as") else o["action"]
                           for o in outcomes if o["status"] == "done")  # fmt: skip
            outputs |= {name: str(done[name]) for name in COUNTS}
    return code, outputs


def write_outputs(outputs: dict[str, str]) -> None:
    """Write the outputs of the step. A value cannot contain its random delimiter."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a") as file:
        for name, value in outputs.items():
            delimiter = secrets.token_hex(16)
            file.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")


def main() -> int:
    """Run the command of the inputs, and return its exit code."""
    command = os.environ["INPUT_COMMAND"]
    if command not in COMMANDS:
        sys.stderr.write(
            f"Error: command is {command!r}; it must be one of {', '.join(COMMANDS)}\n"
        )
        return USAGE_ERROR
    words = [word for word in os.environ["INPUT_ARGUMENTS"].splitlines() if word.strip()]
    words += ["-C", os.environ["INPUT_DIRECTORY"]]
    if environment := os.environ["INPUT_ENVIRONMENT"]:
        words += ["-e", environment]
    plan_file = Path(os.environ["INPUT_PLAN_FILE"]).absolute()
    if command == "plan":
        plan_file.unlink(missing_ok=True)  # one of an earlier step is not the result of this one
        code, outputs = run_plan(words, plan_file)
    else:
        code, outputs = run_command(command, words, plan_file)
    write_outputs({"exit-code": str(code), **outputs})
    return code


if __name__ == "__main__":
    sys.exit(main())
