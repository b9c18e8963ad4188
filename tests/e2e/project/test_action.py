"""The GitHub Action of this repository: its step runs as a runner runs it, on a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.forge import BIN, ROOT, read_pipeline

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec: {environments: {prod: {url: {env: PROD_URL}}, other: {url: "http://127.0.0.1:1"}}}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec: {vectors: {size: 4, distance: Cosine}}
"""


class Runner:
    """Runs the last step of the action with inputs, as a workflow gives them."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.action = read_pipeline(ROOT / "action.yml")
        self.log = ""

    def run(self, **inputs: str) -> dict[str, str]:
        """The outputs of the action."""
        given = {name: about["default"] for name, about in self.action["inputs"].items()}
        given |= {name.replace("_", "-"): value for name, value in inputs.items()}
        step = self.action["runs"]["steps"][-1]
        environ = {
            name: re.sub(r"\$\{\{ inputs\.(\S+) \}\}", lambda match: given[match[1]], text)
            for name, text in step["env"].items()
        }
        output = self.folder / "output"
        output.write_text("")
        scripts = self.folder / "temp" / "qdrantctl" / "bin"
        scripts.mkdir(parents=True, exist_ok=True)
        (scripts / "python").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (scripts / "python").chmod(0o755)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.folder,
            env={**os.environ, "GITHUB_ACTION_PATH": str(ROOT), "GITHUB_OUTPUT": str(output),
                 "RUNNER_TEMP": str(self.folder / "temp"), "PROD_URL": self.url, **environ},
            capture_output=True,
            text=True,
        )  # fmt: skip
        self.log = done.stdout + done.stderr
        step_outputs = {
            name: text.removesuffix("\n")
            for name, _, text in re.findall(
                r"(\S+)<<(\w+)\n(.*?)\n\2\n", output.read_text(), re.DOTALL
            )
        }
        assert done.returncode == int(step_outputs.get("exit-code", done.returncode))
        return {
            name: step_outputs.get(about["value"].split(".")[-1].removesuffix(" }}"), "")
            for name, about in self.action["outputs"].items()
        } | {"code": str(done.returncode)}


@pytest.fixture
def runner(tmp_path: Path, empty_qdrant) -> Runner:
    project = tmp_path / "search"
    (project / "manifests").mkdir(parents=True)
    (project / "qdrantctl.yaml").write_text(PROJECT)
    (project / "manifests" / "products.yaml").write_text(MANIFEST)
    return Runner(tmp_path, empty_qdrant.url)


def test_its_own_tools_accept_it():
    for words in (
        ("check-jsonschema", "--builtin-schema", "vendor.github-actions"),
        ("zizmor", "--offline", "--no-progress", "--persona=pedantic"),
    ):
        done = subprocess.run(
            [BIN / words[0], *words[1:], ROOT / "action.yml"], capture_output=True
        )
        assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    install = read_pipeline(ROOT / "action.yml")["runs"]["steps"][1]["run"]
    folder = re.search(r'locks="\$GITHUB_ACTION_PATH/(\S+)"', install)
    assert folder
    assert all((ROOT / folder[1] / name).exists() for name in ("requirements.txt", "build.txt"))


def test_plan_apply_and_drift(runner, empty_qdrant):
    words = {"directory": "search", "environment": "prod"}
    planned = runner.run(**words)
    assert planned["code"] == "0", runner.log
    assert {k: planned[k] for k in ("exit-code", "create", "update", "replace", "delete")} == {
        "exit-code": "0", "create": "1", "update": "0", "replace": "0", "delete": "0",
    }  # fmt: skip
    assert planned["applicable"] == "true"
    assert planned["plan-file"] == str(runner.folder / "plan.json")
    assert json.loads(Path(planned["plan-file"]).read_text())["digest"]
    assert planned["comment-body"].startswith("<!-- qdrantctl plan project=shop environment=prod")
    applied = runner.run(command="apply", **words)
    assert applied["code"] == "0", runner.log
    assert (applied["create"], applied["update"]) == ("1", "0")
    assert "Apply complete! 1 added" in applied["comment-body"]
    stale = runner.run(command="apply", **words)
    assert stale["exit-code"] == "4"
    change = {"strict_mode_config": {"enabled": True, "max_query_limit": 7}}
    assert empty_qdrant.request("PATCH", "/collections/products", change)[0] == 200
    drift = runner.run(command="drift", arguments="--unmanaged\n", **words)
    assert drift["exit-code"] in ("0", "2")
    assert drift["comment-body"].startswith("<!-- qdrantctl drift")
    assert drift["create"] == drift["plan-file"] == ""


def test_errors(runner):
    assert runner.run(command="destroy")["code"] == "64"
    assert "it must be one of plan, apply, drift, audit, validate, lock" in runner.log
    (runner.folder / "plan.json").write_text("of an earlier step")
    failed = runner.run(directory="search", environment="other")
    assert (failed["exit-code"], failed["plan-file"]) == ("1", "")
    assert not (runner.folder / "plan.json").exists()
    hostile = runner.run(directory="search", environment="prod; touch owned")
    assert hostile["code"] == "64"
    assert not list(runner.folder.rglob("owned"))
    assert runner.run(command="validate", directory="search")["code"] == "0"
