"""docs/reference/audit-rules.md says of each rule what the program says; its examples trip it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from qdrantctl.model.audit.rules import AUDIT_RULES
from tests.e2e.planning.test_rules_page import PROJECT
from tests.support.cli import run_cli

ROOT = Path(__file__).parents[3]


@dataclass
class Told:
    title: str
    severity: str
    remedy: str
    body: str


def page() -> dict[str, Told]:
    text = (ROOT / "docs" / "reference" / "audit-rules.md").read_text()
    parts = re.split(r"^### (QA\d{3})\n", text, flags=re.M)[1:]
    found = {}
    for rule, section in zip(parts[::2], parts[1::2], strict=True):
        body = section.split("\n## ")[0].strip()
        title, severity, remedy = re.match(
            r"\*\*(.*)\*\*\n\n(\w+)\. .*\n\nDo: (.*)\Z", body, re.S
        ).groups()  # type: ignore[union-attr]
        found[rule] = Told(title, severity, remedy, body)
    return found


TOLD = page()
EXAMPLES = {rule: told for rule, told in TOLD.items() if "```" in told.body}


def test_the_page_says_what_the_program_says():
    spoken = {
        rule: (about.title, about.severity, about.remedy) for rule, about in AUDIT_RULES.items()
    }
    assert {rule: (t.title, t.severity, t.remedy) for rule, t in TOLD.items()} == spoken


def test_the_contents_lead_to_the_sections():
    text = (ROOT / "docs" / "reference" / "audit-rules.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.M)
    assert headings == list(dict.fromkeys(about.section for about in AUDIT_RULES.values()))
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert re.findall(r"\]\(#([\w-]+)\)", text) == anchors


def test_every_rule_that_the_code_speaks_of_is_in_the_table():
    spoken: set[str] = set()
    for file in (ROOT / "qdrantctl" / "engine" / "audit").glob("*.py"):
        spoken |= set(re.findall(r'"(QA\d{3})"', file.read_text()))
    assert spoken == AUDIT_RULES.keys()


@pytest.mark.parametrize("rule", EXAMPLES)
def test_the_example_trips_its_rule(rule, tmp_path, capsys):
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT)
    (tmp_path / "manifests").mkdir()
    [(language, block)] = re.findall(r"^```(\w+)\n(.*?)^```", TOLD[rule].body, re.M | re.S)
    file = "manifests/products.yaml"
    if language == "sh":
        (tmp_path / file).write_text("# none yet\n")
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        subprocess.run(["bash", "-euc", block], cwd=tmp_path, check=True)
    else:
        assert block.startswith(f"# {file}\n")
        (tmp_path / file).write_text(block)
    run_cli("audit", "--offline", "--format", "json", project=tmp_path)
    report = json.loads(capsys.readouterr().out)
    found = [v for v in report["verdicts"] if v["rule"] == rule and v["answer"] == "fail"]
    assert [verdict["severity"] for verdict in found] == [TOLD[rule].severity]
    assert found[0]["origin"]["line"]
