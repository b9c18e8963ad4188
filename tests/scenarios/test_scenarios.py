"""Every folder with a `scenario.yaml` runs on a real server. Adding a case is adding a folder.

A folder holds, all but `manifests/` optional:

- `scenario.yaml`: `about`, `flags` of plan and apply, the exit codes `plan` (default 0),
  `detailed` (with --detailed-exitcode, default 2), `apply` (default 0), `drift` (after an apply
  that succeeded, default 0) and `after` (a second plan, detailed, default 0), and `then`: what GET
  of a path must contain after apply
- `before/`: manifests that are applied first
- `cluster.yaml`: requests sent by hand after that, as `[METHOD, path, body]`
- `manifests/`: what is planned and applied
- `qdrantctl.yaml`: the project, where the usual one does not fit
- `plan.txt`, `plan.json`: the plan as it must be; `UPDATE_GOLDEN=1` writes them
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.support.cli import run_cli

FOLDER = Path(__file__).parent
NAMES = sorted(str(path.parent.relative_to(FOLDER)) for path in FOLDER.rglob("scenario.yaml"))
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  manifests: [manifests]
  environments:
    dev: {url: {env: SCENARIO_URL}}
"""


def read(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text()) if path.exists() else None


def scrubbed(text: str, url: str) -> str:
    """What differs from run to run, taken out."""
    text = text.replace(url, "http://cluster:6333")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uuid>", text)
    text = re.sub(r'("qdrantctl_version": )"[^"]*"', r'\1"<version>"', text)
    # The digest over the whole plan covers the url; those of the records stay.
    return re.sub(r'^  "digest": "sha256:[0-9a-f]+"', '  "digest": "<digest>"', text, flags=re.M)


def golden(path: Path, text: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs; UPDATE_GOLDEN=1 writes it anew"


def contains(whole: Any, part: Any) -> bool:
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            contains(whole.get(key), value) for key, value in part.items()
        )
    return bool(whole == part)


@pytest.mark.parametrize("name", NAMES)
def test_scenario(name, empty_qdrant, tmp_path, monkeypatch):
    source, project = FOLDER / name, tmp_path / "project"
    shutil.copytree(source, project)
    if not (project / "qdrantctl.yaml").exists():
        (project / "qdrantctl.yaml").write_text(PROJECT)
    monkeypatch.setenv("SCENARIO_URL", empty_qdrant.url)
    monkeypatch.setenv("QDRANTCTL_ACTOR", "tester")
    scenario = read(source / "scenario.yaml") or {}
    told: list[str] = []
    flags = [str(flag) for flag in scenario.get("flags", [])]

    def cli(*words: str) -> tuple[int, str]:
        result = run_cli(*words, project=project)
        told.append(result.err)
        return result.code, result.out

    if (project / "before").exists():
        (project / "manifests").rename(project / "later")
        (project / "before").rename(project / "manifests")
        code, out = cli("apply", "--auto-approve")
        assert code == 0, told[-1]
        shutil.rmtree(project / "manifests")
        (project / "later").rename(project / "manifests")
    for method, path, *body in read(source / "cluster.yaml") or []:
        status, answer = empty_qdrant.request(method, path, *body)
        assert status == 200, answer

    code, text = cli("plan", *flags)
    assert code == scenario.get("plan", 0), told[-1]
    golden(source / "plan.txt", scrubbed(text, empty_qdrant.url))
    code, document = cli("plan", "--format", "json", *flags)
    assert code == scenario.get("plan", 0)
    golden(source / "plan.json", scrubbed(document, empty_qdrant.url))
    code, _ = cli("plan", "--detailed-exitcode", *flags)
    assert code == scenario.get("detailed", 2)
    again = cli("plan", "--format", "json", *flags)[1]
    assert again == document, "the same worlds must give the same plan"

    code, out = cli("apply", "--auto-approve", *flags)
    assert code == scenario.get("apply", 0), told[-1]
    if not code:
        by_hand = (source / "cluster.yaml").exists()
        code, out = cli("drift", "--format", "json")
        assert code == scenario.get("drift", 0), out
        moved = [m["address"] for m in json.loads(out)["unmanaged"] if m["what"] == "changed"]
        assert by_hand or not moved
    code, out = cli("plan", "--detailed-exitcode", *flags)
    assert code == scenario.get("after", 0), out
    for path, part in (scenario.get("then") or {}).items():
        status, answer = empty_qdrant.request("GET", path)
        assert contains(answer.get("result") if status == 200 else status, part), answer


def test_the_plans_name_every_action():
    seen: set[str] = set()
    for name in NAMES:
        plan = json.loads((FOLDER / name / "plan.json").read_text())
        seen.update(change["action"] for change in plan["changes"])
    expected = {"create", "update", "replace", "delete", "adopt", "forget", "noop", "refused"}
    assert seen >= expected
