"""What a command may import: start-up is paid by every call, most of all by `--help`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("deepdiff", "grpc", "jinja2", "jwt", "obstore", "qdrant_client", "rich")
UNNEEDED = (*HEAVY, "aiohttp", "http.client", "httpx", "pydantic", "requests", "ruamel", "urllib3")
WATCH = """
import json, sys
from qdrantctl.cli.main import run
code = run(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""
MANIFEST = """
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: c}
spec:
  vectors: {size: 4, distance: Dot}
  payload_indexes: {tag: keyword}
"""


def imported(*words, folder, expect=0):
    """The modules that a process of its own holds at the end of a command."""
    done = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(words)], cwd=folder, capture_output=True, text=True
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code == expect, done.stderr
    return set(modules)


@pytest.mark.parametrize(
    "words",
    [("--help",), ("version",), ("plan", "--help"), ("apply", "--help"), ("audit", "--help")],
    ids=" ".join,
)
def test_words_alone_need_click_alone(words, tmp_path):
    assert not imported(*words, folder=tmp_path) & set(UNNEEDED)


def test_validate_needs_no_connection_no_program_and_no_plugin(tmp_path):
    (tmp_path / "c.yaml").write_text(MANIFEST)
    modules = imported("validate", "-f", "c.yaml", folder=tmp_path)
    assert not modules & {*HEAVY, "importlib.metadata", "socket", "subprocess"}


def test_a_plan_imports_what_it_uses(qdrant, tmp_path):
    (tmp_path / "c.yaml").write_text(MANIFEST)
    modules = imported("plan", "-f", "c.yaml", "--url", qdrant.url, folder=tmp_path)
    assert not modules & {*HEAVY, "asyncio", "concurrent.futures", "platformdirs"}


LISTED = Path(__file__).with_name("imported_modules.json")
"""The modules that commands may import, their own and foreign ones without a leading underscore."""


def test_commands_import_no_more_than_is_listed(qdrant, tmp_path):
    """UPDATE_GOLDEN=1 writes the list: look at what it adds to the start of every command."""
    (tmp_path / "c.yaml").write_text(MANIFEST)
    server = ("--url", qdrant.url)
    commands = {
        "validate": (0, "validate", "-f", "c.yaml"),
        "plan": (0, "plan", "-f", "c.yaml", *server),
        "drift": (2, "drift", "--owner", "a/b", *server),
    }
    held = {
        name: sorted(filter(_is_judged, imported(*words, folder=tmp_path, expect=code)))
        for name, (code, *words) in commands.items()
    }
    if os.environ.get("UPDATE_GOLDEN"):
        LISTED.write_text(json.dumps(held, indent=1) + "\n")
    listed = json.loads(LISTED.read_text())
    surplus = {name: sorted({*held[name]} - {*listed[name]}) for name in commands}
    assert not any(surplus.values()), surplus


def _is_judged(module: str) -> bool:
    """Whether a module is one of qdrantctl, or the top of another library or package."""
    own = module.startswith("qdrantctl.")
    foreign = "." not in module and module not in sys.stdlib_module_names
    return own or (foreign and not module.startswith("_"))
