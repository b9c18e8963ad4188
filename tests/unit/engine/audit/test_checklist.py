"""What is made of the facts: every rule can pass and fail, and none is ever skipped."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from qdrantctl.engine.audit.checklist import OFFLINE
from qdrantctl.model.address import Address
from qdrantctl.model.audit.evidence import Evidence, GrpcExposure, ServerReport, TlsExposure
from qdrantctl.model.audit.report import Answer, Result
from qdrantctl.model.audit.rules import AUDIT_RULES
from qdrantctl.model.quota import QuotaStatus
from qdrantctl.model.resource import Facts, Inventory, Origin, Resource
from qdrantctl.model.server import Version
from qdrantctl.model.violation import Severity
from tests.support.audit_evidence import (
    BAD,
    GOOD,
    GOOD_LIVE,
    GOOD_POSTURE,
    NOW,
    TIGHT,
    URL,
    collection,
    judged,
    key,
    only,
    proof,
    quota,
    reply,
)

PASS, FAIL, IDLE, UNSEEN = Answer
NEVER = {"QA502": UNSEEN}
"""Nothing to judge yet."""


def posture(**words: Any) -> Evidence:
    return replace(GOOD, posture=replace(GOOD_POSTURE, **words))


def with_quota(status: QuotaStatus | None) -> Evidence:
    return replace(GOOD, inside=replace(GOOD.inside, quota=status))  # type: ignore[type-var]


def living(*collections: Any) -> Evidence:
    inside = replace(GOOD.inside, live=Inventory(collections))  # type: ignore[type-var]
    return replace(GOOD, inside=inside)


def test_where_all_is_well_every_rule_passes():
    answers = {rule: {v.answer for v in found} for rule, found in judged(GOOD).items()}
    assert answers == {rule: {NEVER.get(rule, PASS)} for rule in AUDIT_RULES}


def test_where_nothing_is_every_rule_fails():
    plain = judged(posture(tls=None))["QA101"]
    found = {**judged(BAD), "QA101": plain}
    # What a server without a key, or an old one, has no answer to:
    found["QA205"] = judged(posture(read_only_key=reply("404")))["QA205"]
    silent = replace(GOOD, inside=replace(GOOD.inside, telemetry={}))
    found["QA702"] = judged(silent)["QA702"]
    hidden = Resource(Address("collection", "a"), {}, facts=Facts(hidden_by="b"))
    live = Inventory([*GOOD.inside.live.values(), hidden])
    two_things = replace(GOOD, inside=replace(GOOD.inside, live=live))
    found["QA704"] = judged(two_things)["QA704"]
    full = quota(90, {"enabled": True, "max_resident_memory_percent": 50}, memory=None)
    found |= {rule: judged(with_quota(full))[rule] for rule in ("QA705", "QA706")}
    full = quota(90, {"enabled": True, "max_disk_usage_percent": 80})
    found["QA707"] = judged(with_quota(full))["QA707"]
    for rule in AUDIT_RULES.keys() - NEVER.keys():
        assert any(verdict.is_finding for verdict in found[rule]), rule
        assert all(v.severity for v in found[rule])


def test_without_server_and_manifests_every_rule_still_answers():
    evidence = Evidence(Inventory(), None, None, unseen=OFFLINE)
    found = judged(evidence)
    assert found.keys() == AUDIT_RULES.keys()
    assert {v.answer for verdicts in found.values() for v in verdicts} == {IDLE, UNSEEN}


def test_a_key_that_is_refused_leaves_collections_unseen():
    found = judged(replace(GOOD, inside=None, proofs=None, unseen="the server requires an API key"))
    for rule in ("QA301", "QA401", "QA407", "QA408", "QA501", "QA703"):
        assert [v.answer for v in found[rule]] == [UNSEEN]
        assert "the server requires an API key" in found[rule][0].message
    assert found["QA201"][0].answer is PASS


def test_a_rule_that_is_off_says_so():
    [verdict] = judged(BAD, QA201=Severity.OFF)["QA201"]
    assert verdict.answer is IDLE
    assert "turns this rule off" in verdict.message


def test_a_project_weighs_findings_as_it_likes():
    assert {v.severity for v in judged(BAD, QA701=Severity.ERROR)["QA701"]} == {Severity.ERROR}


@pytest.mark.parametrize(
    ("rule", "words", "answer"),
    [
        ("QA102", {"plain_http": (reply("301", "", location=URL),)}, PASS),
        ("QA102", {"plain_http": (reply("400", "plain HTTP to HTTPS port"),)}, PASS),
        ("QA101", {"tls": TlsExposure(untrusted="wrong version number")}, FAIL),
        ("QA104", {"tls": TlsExposure("TLSv1.3", "unable to get issuer")}, UNSEEN),
        ("QA104", {"tls": TlsExposure("TLSv1.3", "", datetime(2026, 6, 30, tzinfo=UTC))}, FAIL),
        ("QA104", {"tls": TlsExposure("TLSv1.3", "", datetime(2026, 7, 2, tzinfo=UTC))}, PASS),
        ("QA105", {"tls": TlsExposure("TLSv1.3")}, UNSEEN),
        ("QA106", {"grpc": None}, UNSEEN),
        ("QA106", {"grpc": GrpcExposure("h:1", *[reply("", "refused")] * 4)}, UNSEEN),
        ("QA106", {"grpc": GrpcExposure("h:1", *[reply("UNAUTHENTICATED")] * 4)}, FAIL),
        ("QA204", {"grpc": GrpcExposure("h:1", *[reply("", "refused")] * 4)}, UNSEEN),
        ("QA201", {"no_key": reply("502")}, UNSEEN),
        ("QA201", {"no_key": reply("", "no answer within 5 seconds")}, UNSEEN),
        ("QA205", {"read_only_key": None}, PASS),
        ("QA205", {"read_only_key": None, "own_key": reply("404")}, UNSEEN),
        ("QA205", {"read_only_key": None, "own_key": None}, UNSEEN),
        ("QA205", {"read_only_key": reply("401")}, UNSEEN),
        ("QA205", {"no_key": reply("200")}, IDLE),
        ("QA206", {"forged_token": reply("200")}, FAIL),
        ("QA206", {"forged_token": reply("")}, UNSEEN),
        ("QA206", {"forged_token": reply("403", "blocked by the firewall")}, UNSEEN),
        ("QA601", {"peers": None}, UNSEEN),
        ("QA601", {"peers": (reply("UNAUTHENTICATED"),)}, PASS),
        ("QA602", {"metrics": (reply("401"),)}, UNSEEN),
        ("QA602", {"metrics": (reply("401"),), "version": Version(1, 16, 3)}, PASS),
        ("QA602", {"metrics": (reply(""),)}, UNSEEN),
        ("QA603", {"dashboard": reply("301")}, FAIL),
        ("QA603", {"dashboard": reply("")}, UNSEEN),
        ("QA604", {"cors": reply("200", access_control_allow_origin="https://ours")}, PASS),
        ("QA604", {"cors": reply("200", access_control_allow_origin="*")}, FAIL),
        ("QA701", {"version": None}, UNSEEN),
        ("QA702", {"version": Version(1, 16, 3)}, IDLE),
        ("QA702", {"version": Version(1, 17, 0)}, UNSEEN),
        ("QA702", {"version": Version(1, 17, 1)}, UNSEEN),
        ("QA702", {"version": Version(1, 18, 0)}, PASS),
    ],
)
def test_what_a_probe_means(rule, words, answer):
    assert only(posture(**words), rule).answer is answer


def test_each_weakness_of_a_version_is_told_with_the_one_that_is_better():
    found = judged(posture(version=Version(1, 18, 2)))["QA701"]
    assert [v.message for v in found] == [
        "an empty service.api_key counts as a key (Qdrant 1.18.2, fixed in 1.19.0)",
        "with snapshots in S3, the name of a snapshot can lead outside its folder (Qdrant 1.18.2, "
        "fixed in 1.19.0)",
    ]
    assert len(judged(posture(version=Version(1, 16, 3)))["QA701"]) == 7


@pytest.mark.parametrize(("is_on", "answer"), [(True, PASS), (False, FAIL), (None, UNSEEN)])
def test_the_audit_log_of_a_version_that_does_not_report_it_is_read(is_on, answer):
    evidence = posture(version=Version(1, 17, 1))
    inside = replace(GOOD.inside, telemetry={"app": {}}, audit_log=is_on)  # type: ignore[type-var]
    assert only(replace(evidence, inside=inside), "QA702").answer is answer


DISK = {"enabled": True, "max_disk_usage_percent": 80}
MEMORY = {"enabled": True, "max_resident_memory_percent": 50}
IN_PEBIBYTES = replace(quota(40, MEMORY), memory_is_unbounded=True)


@pytest.mark.parametrize(
    ("status", "answers"),
    [
        (quota(40, DISK), (PASS, PASS, PASS)),
        (quota(85, DISK), (PASS, PASS, FAIL)),
        (quota(85, {**DISK, "enabled": False}), (FAIL, IDLE, IDLE)),
        (quota(40, {"enabled": False}), (FAIL, IDLE, IDLE)),
        (quota(40, MEMORY), (FAIL, PASS, PASS)),
        (IN_PEBIBYTES, (FAIL, FAIL, PASS)),
        (QuotaStatus(unread="Forbidden: Global access is required"), (UNSEEN,) * 3),
    ],
)
def test_what_a_quota_is_worth(status, answers):
    found = judged(with_quota(status))
    assert tuple(found[rule][0].answer for rule in ("QA705", "QA706", "QA707")) == answers


def test_an_older_server_has_no_quota():
    found = judged(posture(version=Version(1, 18, 3)))
    assert {found[rule][0].answer for rule in ("QA705", "QA706", "QA707")} == {IDLE}


@pytest.mark.parametrize(
    ("scope", "answer"),
    [
        ({"products": "rw"}, PASS),
        ({"*": "m"}, PASS),  # acknowledged, or its manifest had been refused
        ({"*": "r"}, FAIL),
        ({"products": "r", "gone": "r"}, FAIL),
    ],
)
def test_least_privilege(scope, answer):
    verdict = only(replace(GOOD, desired=Inventory([key("analytics", **scope)])), "QA207")
    assert (verdict.answer, verdict.subject) == (answer, "access_key/analytics")


def test_standalone_has_no_port_for_peers():
    evidence = replace(GOOD, inside=replace(GOOD.inside, distributed=False))
    assert only(evidence, "QA601").answer is IDLE


class TestCaps:
    @pytest.mark.parametrize(
        ("value", "answer", "severity"),
        [
            (5_000, PASS, Severity.WARNING),
            (20_000, PASS, Severity.WARNING),
            (20_001, FAIL, Severity.WARNING),
            (4_999, PASS, Severity.NOTE),
            (2**63 - 1, FAIL, Severity.WARNING),
            (None, FAIL, Severity.WARNING),
        ],
    )
    def test_a_range(self, value, answer, severity):
        caps = {key: v for key, v in {**TIGHT, "max_query_limit": value}.items() if v is not None}
        verdict = only(living(collection(strict_mode_config=caps)), "QA402")
        assert (verdict.answer, verdict.severity) == (answer, severity)

    def test_caps_without_enabled_are_told(self):
        caps = {"max_query_limit": 10_000, "max_timeout": 30, "enabled": False}
        verdict = only(living(collection(strict_mode_config=caps)), "QA401")
        assert verdict.is_finding
        assert "2 caps do nothing" in verdict.message

    def test_manifest_and_cluster_that_agree_are_one_finding_at_its_line(self):
        stated = replace(collection(), origin=Origin(file="manifests/a.yaml", line=3))
        evidence = replace(living(collection()), desired=Inventory([stated]))
        verdict = only(evidence, "QA401")
        assert str(verdict.origin) == "manifests/a.yaml:3"
        assert verdict.message == "strict mode is off"

    def test_manifest_and_cluster_that_differ_are_told_apart(self):
        stated = collection(strict_mode_config=TIGHT)
        evidence = replace(living(collection()), desired=Inventory([stated]))
        first, second = judged(evidence)["QA401"]
        assert (first.answer, first.message) == (PASS, "strict mode is on in the manifest")
        assert (second.answer, second.message) == (FAIL, "strict mode is off on the cluster")

    @pytest.mark.parametrize(
        ("profile", "caps", "told"),
        [
            ({"max_timeout": 30}, {"max_timeout": 20}, ""),
            (
                {"max_timeout": 30},
                {"max_timeout": 31},
                "max_timeout is 31, the profile requires 30",
            ),
            ({"max_timeout": 30}, {}, "max_timeout is absent, the profile requires 30"),
            ({"search_allow_exact": False}, {}, "search_allow_exact is absent"),
            ({"search_allow_exact": False}, {"search_allow_exact": False}, ""),
            ({"search_allow_exact": True}, {}, ""),
            ({"enabled": True}, {}, "enabled is absent, the profile requires true"),
            ({"enabled": True}, {"enabled": False}, "enabled is false, the profile requires true"),
            ({"sparse_config": {"s": {"max_length": 5}}}, {}, "sparse_config.s.max_length"),
        ],
    )
    def test_a_profile(self, profile, caps, told):
        live = living(collection(strict_mode_config=caps))
        evidence = replace(live, profile={GOOD_LIVE.address: profile})
        verdict = only(evidence, "QA407")
        assert verdict.is_finding is bool(told)
        assert told in verdict.message

    def test_a_profile_of_other_collections(self):
        evidence = replace(GOOD, profile={})
        assert only(evidence, "QA407").answer is IDLE

    @pytest.mark.parametrize(
        ("results", "answer"),
        [
            ([], IDLE),
            ([Result.NOT_PROVABLE], UNSEEN),
            ([Result.ENFORCED, Result.NOT_PROVABLE], PASS),
            ([Result.ENFORCED, Result.NOT_ENFORCED], FAIL),
        ],
    )
    def test_proofs(self, results, answer):
        evidence = replace(GOOD, proofs=tuple(proof(result) for result in results))
        assert only(evidence, "QA408").answer is answer

    def test_without_prove_nothing_was_tried(self):
        verdict = only(replace(GOOD, proofs=None), "QA408")
        assert verdict.answer is UNSEEN
        assert "--prove" in verdict.message


class TestTenants:
    def test_a_graph_for_each_tenant_without_an_index(self):
        verdict = only(living(collection(hnsw_config={"payload_m": 16})), "QA301")
        assert verdict.is_finding
        assert "payload_m" in verdict.message

    def test_the_graph_may_be_a_single_vectors_own(self):
        vectors = {"text": {"size": 4, "distance": "Dot", "hnsw_config": {"payload_m": 16}}}
        spec = {**GOOD_LIVE.spec, "vectors": vectors}
        del spec["hnsw_config"]
        assert only(living(replace(GOOD_LIVE, spec=spec)), "QA302").answer is PASS

    def test_a_number_about_tenants_is_no_tenant(self):
        spec = {"payload_indexes": {"tenants": {"type": "integer"}}}
        assert only(living(collection(**spec)), "QA301").answer is IDLE

    def test_a_collection_of_one_tenant(self):
        evidence = living(collection())
        assert only(evidence, "QA301").answer is IDLE
        assert only(evidence, "QA302").answer is IDLE


class TestSnapshots:
    def inside(self, points: int, **snapshots: datetime | None) -> Evidence:
        live = Inventory([collection(points=points)])
        return replace(GOOD, inside=ServerReport(NOW, True, live, {}, snapshots))

    def test_their_age(self):
        assert only(self.inside(3, products=None), "QA501").is_finding
        assert only(self.inside(0), "QA501").answer is IDLE
        assert only(self.inside(3), "QA501").answer is UNSEEN
        old = only(self.inside(3, products=datetime(2026, 5, 24, 12, tzinfo=UTC)), "QA501")
        assert old.is_finding
        assert "2026-05-24, 7 days ago" in old.message
        new = only(self.inside(3, products=datetime(2026, 5, 26, tzinfo=UTC)), "QA501")
        assert new.answer is PASS
