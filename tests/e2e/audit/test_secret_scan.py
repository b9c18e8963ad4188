"""Keys in the files of a project are found, and what is no key is not. None is ever shown."""

from __future__ import annotations

import json
import subprocess

import pytest

from qdrantctl.adapters.project.secret_scan import find_leaks
from tests.e2e.audit.conftest import answers

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhY2Nlc3MiOiJyIn0.c2lnbmF0dXJlLW9mLXRlc3Q"
KEY = "a-key-for-tests-5e0b91"
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments:
    prod:
      url: https://qdrant.example.com
      api_key: {env: K}
      vars_files: [../values.yaml]
"""


def found(tmp_path, name, text, key=None):
    (tmp_path / name).write_text(text)
    return [(leak.file, leak.line) for leak in find_leaks([tmp_path / name], tmp_path, key)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("values.yaml", f"token: {TOKEN}"),
        ("notes.md", f"curl -H 'api-key: {TOKEN}'"),
        ("main.py", f'client("{TOKEN}")'),
        ("main.py", f"use('{KEY}')"),
        ("compose.yaml", "  QDRANT__SERVICE__API_KEY: s3cret-key"),
        ("compose.yaml", '  - "QDRANT__SERVICE__READ_ONLY_API_KEY=s3cret-key"'),
        (".env", "QDRANT_API_KEY=s3cret-key"),
        ("config.toml", 'api_key = "s3cret-key"'),
        ("config.json", '{"api-key": "s3cret-key"}'),
        ("config.yaml", "  api_key: s3cret-key  # of production"),
        ("a.yaml.j2", "api_key: s3cret-key"),
        ("Dockerfile", "ENV QDRANT_API_KEY=s3cret-key"),
    ],
)
def test_found(name, line, tmp_path):
    assert found(tmp_path, name, f"first\n{line}\n", KEY) == [(name, 2)]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("qdrantctl.yaml", "api_key: {env: QDRANT_API_KEY}"),
        ("qdrantctl.yaml", "api_key:\n  command: [op, read, op://vault/qdrant]"),
        ("ci.yaml", "QDRANT_API_KEY: ${{ secrets.QDRANT_API_KEY }}"),
        ("compose.yaml", "QDRANT__SERVICE__API_KEY: ${KEY:?}"),
        (".env", "QDRANT_API_KEY="),
        (".env", "QDRANT_API_KEY=<your key>"),
        ("a.yaml.j2", "api_key: {{ vars.key }}"),
        (".env", "OTHER_API_KEY=not-of-qdrant"),
        ("config.yaml", "api_key: null"),
        ("config.yaml", "# api_key: xxxxxxxx"),
        ("main.py", "client = Client(api_key=settings.qdrant_key)"),
        ("schema.json", '{"title": "Api Key", "api_key": {"type": "string"}}'),
    ],
)
def test_not_found(name, line, tmp_path):
    assert found(tmp_path, name, line) == []


def test_what_is_no_text_is_left_alone(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe" + KEY.encode())
    (tmp_path / "big.env").write_text(f"QDRANT_API_KEY={KEY}\n" * 50_000)
    assert list(find_leaks([tmp_path / "a.bin", tmp_path / "big.env"], tmp_path, KEY)) == []


def test_every_file_of_a_project_and_none_that_git_ignores(tmp_path, audited, capfd):
    project = tmp_path / "project"
    (project / "manifests").mkdir(parents=True)
    (project / "qdrantctl.yaml").write_text(PROJECT)
    (project / "manifests" / "empty.yaml").write_text("# none yet\n")
    (tmp_path / "values.yaml").write_text(f"key: {TOKEN}\n")
    secret = f"QDRANT_API_KEY={KEY}\n"
    (project / "tracked.env").write_text(secret)
    (project / "new.env").write_text(secret)
    (project / "ignored.env").write_text(secret)
    (project / ".gitignore").write_text("ignored.env\n")
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    subprocess.run(["git", "add", "tracked.env"], cwd=project, check=True)
    report = audited("-C", str(project), "--offline")
    files = {v["origin"]["file"] for v in report["verdicts"] if v["rule"] == "QA208"}
    assert files == {"../values.yaml", "tracked.env", "new.env"}
    assert KEY not in json.dumps(report)
    assert TOKEN not in json.dumps(report)


def test_a_server_alone_has_no_files(qdrant, audited):
    assert answers(audited("--url", qdrant.url))["QA208"] == "not_applicable"


def test_where_keys_issue_puts_tokens_git_must_not_know(tmp_path, audited):
    """As docs/concepts/access-keys.md has it: the way out is .gitignore, and not another key."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "qdrantctl.yaml").write_text(
        PROJECT.replace("      vars_files: [../values.yaml]\n", "")
    )
    (tmp_path / "manifests" / "a.yaml").write_text(ANALYTICS)
    (tmp_path / "secrets" / "analytics.token").write_text(f"{TOKEN}\n")
    (tmp_path / ".env").write_text(f"OTHER={TOKEN}\n")
    (tmp_path / "notes.md").write_text(f"{TOKEN}\n")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    report = audited("-C", str(tmp_path), "--offline")
    told = {v["origin"]["file"]: v["message"] for v in report["verdicts"] if v["rule"] == "QA208"}
    assert told.keys() == {"secrets/analytics.token", ".env", "notes.md"}
    sink = "a sink of access_key/analytics, and should be in .gitignore"
    assert [name for name, words in told.items() if sink not in words] == ["notes.md"]
    (tmp_path / "notes.md").unlink()
    (tmp_path / ".gitignore").write_text(".env\nsecrets/\n")
    assert answers(audited("-C", str(tmp_path), "--offline"))["QA208"] == "pass"


ANALYTICS = """\
apiVersion: qdrantctl/v1
kind: AccessKey
metadata: {name: analytics}
spec:
  access: [{collection: products, access: r}]
  ttl: 90d
  sinks:
    - file: secrets/analytics.token
    - dotenv: {path: ./.env, name: QDRANT_API_KEY}
---
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec: {vectors: {size: 4, distance: Dot}}
"""
