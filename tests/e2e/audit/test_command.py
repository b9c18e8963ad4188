"""The command: what it looks at, its exit code, and words that make no sense together."""

from __future__ import annotations

import json

import pytest

from tests.e2e.audit.conftest import answers
from tests.support.cli import run_cli
from tests.support.proxy import answer as proxy_answer
from tests.support.proxy import proxied

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {name: shop}
spec:
  environments: {dev: {url: "%s"}}
  rules: {QA401: warning, QA402: off, QC102: off}
"""
MANIFEST = """\
apiVersion: qdrantctl/v1
kind: Collection
metadata: {name: products}
spec:
  vectors: {size: 4, distance: Dot}
"""
PROFILE = """\
apiVersion: qdrantctl/v1
kind: StrictModeProfile
metadata: {name: production}
spec:
  collections: ["tight", "l*"]
  config: {enabled: true, max_query_limit: 10000}
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "a.yaml").write_text(MANIFEST)
    (tmp_path / "qdrantctl.yaml").write_text(PROJECT % "http://127.0.0.1:1")
    return tmp_path


def test_offline_asks_nobody(project, audited):
    report = audited("-C", str(project), "--offline", code=0)
    found = answers(report)
    assert "server" not in report
    assert found["QA201"] == "cannot_be_seen"
    assert found["QA401"] == "cannot_be_seen fail"


@pytest.mark.parametrize(("fail_on", "code"), [("error", 0), ("warning", 2), ("note", 2)])
@pytest.mark.parametrize("output", ["text", "json", "markdown", "sarif", "junit"])
def test_the_exit_code_is_that_of_the_findings_in_every_format(
    fail_on, code, output, project, capsys
):
    words = ["audit", "-C", str(project), "--offline", "--fail-on", fail_on, "--format", output]
    assert run_cli(*words).code == code
    assert "QA401" in capsys.readouterr().out


def test_the_project_weighs_its_rules(project, audited):
    report = audited("-C", str(project), "--offline", code=0)
    severities = {v["severity"] for v in report["verdicts"] if v["rule"] == "QA401"}
    assert severities == {"warning"}
    [verdict] = [v for v in report["verdicts"] if v["rule"] == "QA402"]
    assert "turns this rule off" in verdict["message"]


def test_manifests_and_server_together(project, empty_qdrant, audited):
    (project / "qdrantctl.yaml").write_text(PROJECT % empty_qdrant.url)
    body = {"vectors": {"size": 4, "distance": "Dot"}, "strict_mode_config": {"enabled": True}}
    for name in ("products", "others"):
        empty_qdrant.request("PUT", f"/collections/{name}", body)
    report = audited("-C", str(project))
    met = [
        (v["subject"], v["answer"], v.get("origin", {}).get("line"))
        for v in report["verdicts"]
        if v["rule"] == "QA401"
    ]
    assert met == [
        ("collection/others", "pass", None),
        ("collection/products", "fail", 4),
        ("collection/products", "pass", 4),
    ]


@pytest.mark.server
def test_the_ports_of_the_embedded_server_are_known(project, audited):
    (project / "qdrantctl.yaml").write_text(PROJECT.replace('"%s"', "embedded"))
    try:
        assert run_cli("dev", "up", project=project).code == 0
        found = answers(audited("-C", str(project)))
    finally:
        run_cli("dev", "down", project=project)
    assert [found[rule] for rule in ("QA106", "QA204", "QA601")] == ["fail"] * 3


def test_the_ledger_is_not_audited(project, empty_qdrant, audited):
    (project / "qdrantctl.yaml").write_text(PROJECT % empty_qdrant.url)
    assert run_cli("apply", "--auto-approve", project=project).code == 0
    report = audited("-C", str(project), "--prove")
    assert {v["subject"] for v in report["verdicts"] if "subject" in v} == {"collection/products"}


def test_a_profile_for_the_whole_cluster(empty_qdrant, audited, tmp_path):
    (tmp_path / "profile.yaml").write_text(PROFILE)
    caps = {"enabled": True, "max_query_limit": 5000}
    loose = {**caps, "max_query_limit": 20000}
    for name, strict in (("tight", caps), ("loose", loose), ("others", loose)):
        body = {"vectors": {"size": 4, "distance": "Dot"}, "strict_mode_config": strict}
        empty_qdrant.request("PUT", f"/collections/{name}", body)
    words = ("--url", empty_qdrant.url, "-C", str(tmp_path), "--profile", "profile.yaml")
    found = [v for v in audited(*words)["verdicts"] if v["rule"] == "QA407"]
    assert [(v["subject"], v["answer"]) for v in found] == [
        ("collection/loose", "fail"),
        ("collection/tight", "pass"),
    ]


def test_a_profile_selects_by_the_labels_of_manifests(project, empty_qdrant, audited):
    (project / "qdrantctl.yaml").write_text(PROJECT % empty_qdrant.url)
    labelled = MANIFEST.replace("{name: products}", "{name: products, labels: {team: search}}")
    (project / "manifests" / "a.yaml").write_text(labelled)
    (project / "p.yaml").write_text(
        PROFILE.replace('collections: ["tight", "l*"]', "match_labels: {team: search}")
    )
    for name in ("products", "others"):
        empty_qdrant.request(
            "PUT", f"/collections/{name}", {"vectors": {"size": 4, "distance": "Dot"}}
        )
    report = audited("-C", str(project), "--profile", "p.yaml")
    found = [(v["subject"], v["answer"]) for v in report["verdicts"] if v["rule"] == "QA407"]
    assert found == [("collection/products", "fail")]


def test_a_cap_of_the_projects_own_profile_stands_at_its_line(project, audited):
    (project / "manifests" / "p.yaml").write_text(
        PROFILE.replace('"tight", "l*"', '"*"').replace("10000", "100000")
    )
    report = audited("-C", str(project), "--offline", "--fail-on", "warning")
    answered = answers(report)
    assert answered["QA401"] == "cannot_be_seen pass"
    (project / "qdrantctl.yaml").write_text(
        (PROJECT % "http://127.0.0.1:1").replace("QA402: off, ", "")
    )
    report = audited("-C", str(project), "--offline", "--fail-on", "warning")
    [found] = [v for v in report["verdicts"] if v["rule"] == "QA402" and v["answer"] == "fail"]
    assert (found["subject"], found["origin"]["file"]) == (
        "collection/products",
        "manifests/p.yaml",
    )


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [
        # As 1.19.0 answers, recorded 2026-11-30; POST /audit/logs is the same since 1.17.1.
        (400, {"status": {"error": "Bad request: Audit logging is not configured"}}, "fail"),
        (403, {"status": {"error": "Forbidden: Global manage access is required"}},
         "cannot_be_seen"),
        (200, {"result": {"entries": []}, "status": "ok"}, "pass"),
    ],
)  # fmt: skip
def test_the_audit_log_of_1_17_1_is_established_by_reading_it(
    status, body, answer, empty_qdrant, audited
):
    """Telemetry does not report it before 1.18. No test server is of that version."""

    def as_1_17_1(_: int, head: bytes) -> bytes | None:
        if head.startswith(b"GET / "):
            about = {"title": "qdrant", "version": "1.17.1"}
            return proxy_answer(200, json.dumps(about).encode())
        if head.startswith(b"POST /audit/logs"):
            return proxy_answer(status, json.dumps(body | {"time": 0.1}).encode())
        return None

    with proxied(empty_qdrant.http_port, as_1_17_1) as proxy:
        assert answers(audited("--url", proxy.url))["QA702"] == answer
