"""Every folder with a `scenario.yaml` runs on a real server; README.md tells their format."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from qdrantctl.adapters.system import actor
from tests.scenarios.format import OwnServer, Planned, Scenario, Told, load
from tests.scenarios.runner import Runner

FOLDER = Path(__file__).parent
SCENARIOS = [load(path.parent) for path in sorted(FOLDER.rglob("scenario.yaml"))]
SERVERS = {"shared": "empty_qdrant", "tokens": "empty_token_qdrant"}


def name(scenario: Scenario) -> str:
    return str(scenario.folder.relative_to(FOLDER))


def marks(scenario: Scenario) -> list[pytest.MarkDecorator]:
    found = [] if scenario.server == "none" else [pytest.mark.server]
    if bounds := scenario.versions:
        found += [pytest.mark.since(bounds.since, bounds.reason)] if bounds.since else []
        found += [pytest.mark.until(bounds.until, bounds.reason)] if bounds.until else []
    return found


@pytest.mark.parametrize(
    "scenario", [pytest.param(each, id=name(each), marks=marks(each)) for each in SCENARIOS]
)
def test_scenario(scenario, tmp_path, monkeypatch, request):
    for variable in (*actor._ACTOR_VARIABLES, *actor._COMMIT_VARIABLES, *actor._RUN_VARIABLES):
        monkeypatch.delenv(variable, raising=False)
    if isinstance(scenario.server, OwnServer):
        words = scenario.server.model_dump()
        node = request.getfixturevalue("fresh_qdrant")(**words)
    else:
        fixture = SERVERS.get(scenario.server)
        node = request.getfixturevalue(fixture) if fixture else None
    Runner(scenario, tmp_path / "project", node).carry_out()


def test_the_plans_name_every_action():
    seen: set[str] = set()
    for path in FOLDER.rglob("plan.json"):
        seen.update(change["action"] for change in json.loads(path.read_text())["changes"])
    expected = {"create", "update", "replace", "delete", "adopt", "forget", "noop", "refused"}
    assert seen >= expected


def test_no_file_of_a_scenario_is_forgotten():
    """A golden that no step names is compared by nothing."""
    for scenario in SCENARIOS:
        for path in scenario.folder.iterdir():
            if path.suffix in (".txt", ".json", ".md"):
                golden = re.sub("@[^@]*(?=[.])", "", path.name)
                assert golden in scenario.goldens, path


@pytest.mark.parametrize(
    "text",
    [
        {"about": "x", "flag": []},
        {"about": "x", "steps": [], "server": "shared"},
        {"about": "x", "steps": [{"run": "plan", "exits": 2}]},
        {"about": "x", "steps": [{"run": "plan", "git": "init"}]},
        {"about": "x", "steps": [{"walk": "plan"}]},
        {"about": "x", "steps": [{"server": "restart"}]},
        {"about": "x", "steps": [{"file": "a", "exists": False, "contains": ["b"]}]},
        {"steps": [{"run": "plan"}]},
    ],
)
def test_what_the_format_does_not_know_is_an_error(text):
    with pytest.raises(ValidationError):
        (Told if "steps" in text else Planned).model_validate(text)
