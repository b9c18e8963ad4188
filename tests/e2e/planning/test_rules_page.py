"""docs/reference/rules.md explains every rule, and each example trips exactly the rule above it.

The page is the only place where the examples are. A fenced block that begins with `# PATH` is that
file, one that begins with `# the cluster` says what is there before, `sh` is run in the project.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.project.settings import resolve_settings
from qdrantctl.adapters.qdrant.ledger import LedgerContents
from qdrantctl.adapters.yaml.documents import read_documents
from qdrantctl.engine.snapshots.policy_status import KIND as POLICY
from qdrantctl.engine.snapshots.policy_status import DestinationStatus, PolicyStatus
from qdrantctl.flows.planning import plan as flow
from qdrantctl.flows.snapshots.policies import status as kept
from qdrantctl.flows.snapshots.policies.status import AppliedPolicy
from qdrantctl.flows.state import ledger_fallback as recall
from qdrantctl.flows.state.desired import load_desired_state
from qdrantctl.flows.state.live import ClusterState
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.kinds.cron_schedule import schedule_at
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.quota import NodeUsage, QuotaStatus
from qdrantctl.model.replacement import ReplacementRecord
from qdrantctl.model.resource import Facts, Inventory, Lifecycle, Record, Resource
from qdrantctl.model.rule_catalog import RULES
from qdrantctl.model.server import CollectionLimit, Version
from qdrantctl.model.snapshots.identity import ClusterIdentity
from qdrantctl.model.violation import Severity, Violation
from tests.support.states import LIVE_DEFAULTS, OWNER, SERVER, TODAY, canonical

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments: {dev: {url: embedded}}
"""


@dataclass
class Told:
    """What the page says of one rule."""

    title: str
    severity: str
    files: dict[str, str] = field(default_factory=dict)
    shell: str = ""
    cluster: dict[str, Any] | None = None
    scenarios: list[str] = field(default_factory=list)
    text: str = ""


def page() -> dict[str, Told]:
    text = (ROOT / "docs" / "reference" / "rules.md").read_text()
    parts = re.split(r"^### (QC\d{3}): (.*)\n", text, flags=re.M)[1:]
    return {
        rule: section(title, body.split("\n## ")[0])
        for rule, title, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def section(title: str, body: str) -> Told:
    found = Told(title, body.split(".")[0].strip(), text=body)
    found.scenarios = re.findall(r"`tests/scenarios/(\w+/\w+)`", body)
    for language, block in re.findall(r"^```(\w+)\n(.*?)^```", body, re.M | re.S):
        name = block.splitlines()[0].removeprefix("# ")
        if language == "sh":
            found.shell = block
        elif name == "the cluster":
            [document], problems = read_documents(SourceText("cluster", block))
            assert not problems
            found.cluster = document.value
        else:
            found.files[name] = block
    return found


TOLD = page()


def worlds(cluster: dict[str, Any]) -> ClusterState:
    """The live and the recorded world that an example tells of."""
    live, known, memories, replacements = [], [], {}, {}
    if cluster.pop("protected", False):
        memories[Address("protection", OWNER)] = {"owner": OWNER, "spec": {"protected": True}}
    for name, words in cluster.items():
        where = Address.parse(name)
        stated = canonical(where.kind, words.get("live") or words["ours"])
        facts = {"points": 0, "status": "green", **words.get("facts", {})}
        held = where.kind == "collection"
        if "replacement" in words:
            replacements[where] = ReplacementRecord.model_validate(words["replacement"])
        whole = laid_over(parse_live_spec(LIVE_DEFAULTS), stated) if held else stated
        live.append(Resource(where, whole, facts=Facts(**facts)))
        if "ours" in words:
            ours = canonical(where.kind, words["ours"])
            lifecycle = Lifecycle.parse(words.get("lifecycle", {}))
            made = Resource(where, ours, lifecycle=lifecycle)
            known.append(
                replace(
                    made,
                    record=Record(
                        words.get("owner", OWNER), 1, made.digest, **words.get("record", {})
                    ),
                )
            )
    marks = {Address.parse(n): {"restoring": w["restoring"]} for n, w in cluster.items()
             if "restoring" in w}  # fmt: skip
    marks |= {Address.parse(n): w["entry"] for n, w in cluster.items() if "entry" in w}
    memory = LedgerContents(exists=True, cluster_id="c", entries=marks | memories)
    return ClusterState(Inventory(live), Inventory(known), memory, replacements=replacements)


def policies(found: ClusterState) -> list[AppliedPolicy]:
    """The recorded policies, of a collection of which nothing was ever taken."""
    return [
        AppliedPolicy(
            PolicyStatus(
                OWNER,
                address.name,
                known.spec,
                schedule_at(known.spec, NOW),
                ("products",),
                (DestinationStatus("s3://backups"),),
            ),
            ClusterIdentity(),
        )
        for address, known in found.remembered.items()
        if address.kind == POLICY
    ]


def laid_over(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return below | {key: laid_over(below.get(key), value) for key, value in above.items()}


def violations(told: Told, project: Path, monkeypatch: pytest.MonkeyPatch) -> list[Violation]:
    """What `validate`, or where the example has a cluster `plan`, says of an example."""
    (project / "manifests").mkdir()
    for name, text in {"qdrantctl.yaml": PROJECT, **told.files}.items():
        (project / name).write_text(text)
    if told.shell:
        subprocess.run(["bash", "-euc", told.shell], cwd=project, check=True)
    today = date.today()
    try:
        settings = resolve_settings(
            directory=project,
            files=(),
            url=None,
            environment=None,
            need_server=False,
            today=today,
            environ={},
        )
        if told.cluster is None:
            return list(load_desired_state(settings).violations)
        cluster = dict(told.cluster)
        server = SERVER
        if version := cluster.pop("server", ""):
            server = replace(server, version=Version.parse(version))
        if version := cluster.pop("newest", ""):
            server = replace(server, newest=Version.parse(version))
        server = replace(server, peers=cluster.pop("peers", 1))
        wishes = flow.PlanOptions(**cluster.pop("wishes", {}))
        most, quota = cluster.pop("max_collections", None), cluster.pop("quota", None)
        found = worlds(cluster)
        if quota:
            nodes = tuple(NodeUsage(**node) for node in quota.pop("nodes"))
            found = replace(found, quota=QuotaStatus(**quota, nodes=nodes))
        if most:
            names = frozenset(address.name for address in found.live)
            found = replace(found, collection_limit=CollectionLimit(most, names))
        # Told instead of read: planning is pure, and many of these worlds need days or nodes to
        # come about. The scenarios, which this page names, are the same on real servers.
        monkeypatch.setattr(flow, "read_cluster_state", lambda *_: found)
        for module in (flow, recall):
            monkeypatch.setattr(module, "with_details", lambda *_: found)
        monkeypatch.setattr(flow, "with_runs", lambda replacements, *_: replacements)
        monkeypatch.setattr(flow, "find_token_problem", lambda _: "")
        monkeypatch.setattr(kept, "read_policies", lambda *_: policies(found))
        monkeypatch.setattr(flow, "list_missing_replicas", lambda _: ())
        monkeypatch.setattr(flow.registry, "registry_creation_requests", lambda _: ())
        door: Any = SimpleNamespace(server=server, server_time=NOW)
        made = flow.make_plan(settings, wishes, door, TODAY, lambda _: None)
        return list(made.plan.violations)
    except ManifestError as error:
        return list(error.violations)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "rule",
    # QC023 is about a template that runs until its time is up.
    [pytest.param(rule, marks=[pytest.mark.slow] * (rule == "QC023")) for rule in TOLD],
)
def test_the_example_trips_its_rule_and_no_other(rule, tmp_path, monkeypatch):
    told = TOLD[rule]
    found = violations(told, tmp_path, monkeypatch)
    weighed = [v for v in found if v.severity == told.severity]
    assert {v.rule for v in weighed} == {rule}, found
    if told.cluster is None:
        assert weighed == found
        assert all(v.origin is not None for v in found) or rule == "QC002"
    if told.severity == "error":
        assert all(violation.hint for violation in weighed)


@pytest.mark.parametrize("rule", [rule for rule, told in TOLD.items() if told.scenarios])
def test_the_scenario_trips_it_on_a_real_server(rule):
    for scenario in TOLD[rule].scenarios:
        plan = json.loads((ROOT / "tests" / "scenarios" / scenario / "plan.json").read_text())
        severities = {v["severity"] for v in plan["violations"] if v["rule"] == rule}
        assert severities == {TOLD[rule].severity}


def test_every_rule_that_the_code_speaks_of_is_listed_and_no_other():
    spoken: set[str] = set()
    for file in (ROOT / "qdrantctl").rglob("*.py"):
        if file.name != "rule_catalog.py":
            spoken |= set(re.findall(r'"(QC\d{3})"', file.read_text()))
    assert spoken == RULES.keys()


def test_the_page_tells_of_every_rule():
    assert {rule: told.title for rule, told in TOLD.items()} == RULES
    for told in TOLD.values():
        assert told.severity in list(Severity)
        assert "\nDo: " in told.text
    assert list(TOLD) == sorted(TOLD)


def test_the_contents_lead_to_their_headings():
    text = (ROOT / "docs" / "reference" / "rules.md").read_text()
    headings = re.findall(r"^## (.*)$", text, re.M)
    anchors = [heading.lower().replace(" ", "-") for heading in headings]
    assert re.findall(r"\]\(#([\w-]+)\)", text) == anchors
