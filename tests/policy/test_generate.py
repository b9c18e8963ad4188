"""What is generated is read by those who will: shell, systemd's format, schemas."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qdrantctl.edges.page import Page
from qdrantctl.edges.yaml_documents import read_documents
from qdrantctl.kinds.schedule import readable

CHECK = Path(sys.executable).parent / "check-jsonschema"
NOWHERE = "http://127.0.0.1:1"


@pytest.fixture
def made(shop, monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "canary-key")

    def make(kind: str) -> str:
        told = shop.run(NOWHERE, "generate", kind, "-e", "dev")
        assert told.code == 0, told.err
        assert "canary" not in told.out
        return told.out

    return make


def test_cron(made, shop):
    lines = [line for line in made("cron").splitlines() if not line.startswith("#")]
    assert len(lines) == 2
    for line, verb in zip(lines, ("run", "verify"), strict=True):
        words = line.split(" ", 5)
        readable(" ".join(words[:5]))
        subprocess.run(["sh", "-nc", words[5]], check=True)
        assert words[5].endswith(f"qdrantctl snapshots {verb} -e dev -C {shop.folder}")


def test_systemd(made, tmp_path):
    text = made("systemd")
    parts = [part for part in text.split("# /etc/systemd/system/") if part]
    names = [part.splitlines()[0] for part in parts]
    assert names == [f"qdrantctl-shop-dev-{verb}.{unit}" for verb in ("run", "verify")
                     for unit in ("service", "timer")]  # fmt: skip
    for part in parts:
        reader = configparser.ConfigParser(interpolation=None)
        reader.optionxform = str  # type: ignore[assignment,method-assign]
        reader.read_string(part.partition("\n")[2])
        assert reader["Unit"]["Description"]
    if analyze := shutil.which("systemd-analyze"):
        for name in names:
            if name.endswith(".timer"):
                body = next(p for p in parts if p.startswith(name))
                when = body.partition("OnCalendar=")[2].splitlines()[0]
                subprocess.run([analyze, "calendar", when], check=True, capture_output=True)


def test_kubernetes(made):
    documents, problems = read_documents(Page("jobs.yaml", made("k8s-cronjob")))
    assert not problems
    assert [d.value["metadata"]["name"] for d in documents] == [
        "qdrantctl-shop-dev-run",
        "qdrantctl-shop-dev-verify",
    ]
    for document, verb in zip(documents, ("run", "verify"), strict=True):
        value = document.value
        assert (value["apiVersion"], value["kind"]) == ("batch/v1", "CronJob")
        readable(value["spec"]["schedule"])
        pod = value["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        assert pod["containers"][0]["command"] == ["qdrantctl", "snapshots", verb, "-e", "dev"]


def test_github(made, tmp_path):
    path = tmp_path / "snapshots.yml"
    path.write_text(made("github-actions"))
    words = [CHECK, "--builtin-schema", "vendor.github-workflows", path]
    subprocess.run(words, check=True, capture_output=True)
