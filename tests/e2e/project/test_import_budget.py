"""What a command may import: start-up is paid by every call, most of all by `--help`."""

import json
import subprocess
import sys

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


def test_validate_needs_no_connection(tmp_path):
    (tmp_path / "c.yaml").write_text(MANIFEST)
    assert not imported("validate", "-f", "c.yaml", folder=tmp_path) & set(HEAVY)


def test_a_plan_imports_what_it_uses(qdrant, tmp_path):
    (tmp_path / "c.yaml").write_text(MANIFEST)
    modules = imported("plan", "-f", "c.yaml", "--url", qdrant.url, folder=tmp_path)
    assert not modules & {*HEAVY, "asyncio", "concurrent.futures", "platformdirs"}
