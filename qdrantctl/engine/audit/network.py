"""Network and server: other open ports, the version, and the counters of refused requests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.engine.audit.text import (
    Check,
    fail_verdict,
    get_exposure,
    not_applicable,
    not_visible,
    pass_verdict,
)
from qdrantctl.model.audit.evidence import (
    AUDIT_LOG_READ_SINCE,
    AUDIT_LOG_REPORTED_SINCE,
    ORIGIN,
    Evidence,
)
from qdrantctl.model.audit.report import Verdict
from qdrantctl.model.quota import DISK_LIMIT, QUOTAS_SINCE, QuotaStatus, enforced_limits
from qdrantctl.model.server import Version

METRICS_SINCE = Version(1, 17, 0)
AUDIT_LOG_SINCE = Version(1, 17, 0)
REFUSALS = ("401", "403", "429")

WEAKNESSES: tuple[tuple[Version, str], ...] = (
    (Version(1, 17, 1), "recovering a snapshot opens any file of the server's machine"),
    (Version(1, 18, 0), "the port for peers accepts requests without a key"),
    (Version(1, 18, 0), "recovering a snapshot fetches any URL, also inside the network"),
    (Version(1, 18, 1), "a read-only key can fill the disk by uploading a snapshot "
                        "(GHSA-3v92-w72v-j994)"),
    (Version(1, 18, 2), "some paths pass without a key"),
    (Version(1, 19, 0), "an empty service.api_key counts as a key"),
    (Version(1, 19, 0), "with snapshots in S3, the name of a snapshot can lead outside its folder"),
)  # fmt: skip
"""Weaknesses of the versions that are older than the named one."""


def _judge_peers(evidence: Evidence) -> Iterator[Verdict]:
    peers = get_exposure(evidence).peers
    if evidence.inside is not None and not evidence.inside.distributed:
        yield not_applicable("QA601", "the server runs standalone and has no port for peers")
    elif peers is None:
        yield not_visible("QA601", "the port for peers is not known; name it with --p2p-port")
    elif granted := [reply for reply in peers if reply.is_granted]:
        yield fail_verdict(
            "QA601", "the port for peers is reachable from here and requires no key", *granted
        )
    else:
        yield pass_verdict("QA601", "no answer without a key", *peers)


def _judge_metrics(evidence: Evidence) -> Iterator[Verdict]:
    exposure = get_exposure(evidence)
    rest, *dedicated = exposure.metrics
    if granted := [reply for reply in exposure.metrics if reply.is_granted]:
        yield fail_verdict("QA602", "metrics are served without a key", *granted)
    elif not rest.is_refused and rest.code != "404":
        yield not_visible("QA602", f"the server answered {rest.code or rest.said}", rest)
    elif dedicated or (exposure.version and exposure.version < METRICS_SINCE):
        yield pass_verdict("QA602", "refused without a key", *exposure.metrics)
    else:
        yield not_visible(
            "QA602",
            "/metrics is refused without a key; whether there is a port for metrics alone, which "
            "requires none, is not known: name it with --metrics-port",
            rest,
        )


def _judge_dashboard(evidence: Evidence) -> Iterator[Verdict]:
    reply = get_exposure(evidence).dashboard
    if not reply.code:
        yield not_visible("QA603", f"no answer ({reply.said})", reply)
    elif reply.code[0] in "23":
        yield fail_verdict("QA603", "it is served without a key", reply)
    else:
        yield pass_verdict("QA603", "not served without a key", reply)


def _judge_cors(evidence: Evidence) -> Iterator[Verdict]:
    reply = get_exposure(evidence).cors
    allowed = reply.headers.get("access-control-allow-origin", "")
    if not reply.code:
        yield not_visible("QA604", f"no answer ({reply.said})", reply)
    elif allowed in ("*", ORIGIN):
        yield fail_verdict(
            "QA604", "a page of any site may send requests from a user's browser", reply
        )
    else:
        yield pass_verdict("QA604", "requests from pages of other sites are not allowed", reply)


def _judge_weaknesses(evidence: Evidence) -> Iterator[Verdict]:
    version = get_exposure(evidence).version
    if version is None:
        yield not_visible("QA701", "the server does not report its version")
        return
    for fixed, weakness in WEAKNESSES:
        if version < fixed:
            yield fail_verdict("QA701", f"{weakness} (Qdrant {version}, fixed in {fixed})")
    if version >= WEAKNESSES[-1][0]:
        yield pass_verdict("QA701", f"none is known of Qdrant {version}")


def _judge_audit_log(evidence: Evidence) -> Iterator[Verdict]:
    version = get_exposure(evidence).version
    if version is None:
        yield not_visible("QA702", "the server does not report its version")
    elif version < AUDIT_LOG_SINCE:
        yield not_applicable("QA702", f"Qdrant {version} has none, it came with {AUDIT_LOG_SINCE}")
    elif version < AUDIT_LOG_READ_SINCE:
        yield not_visible(
            "QA702", f"Qdrant {version} does not report it; {AUDIT_LOG_READ_SINCE} does"
        )
    elif evidence.inside is None:
        yield not_visible("QA702", evidence.unseen)
    elif version < AUDIT_LOG_REPORTED_SINCE and evidence.inside.audit_log is None:
        yield not_visible("QA702", f"Qdrant {version} reports it to keys that may manage only")
    elif evidence.inside.audit_log or (evidence.inside.telemetry.get("app") or {}).get("audit"):
        yield pass_verdict("QA702", "it is on")
    else:
        yield fail_verdict("QA702", "no log records which caller did what")


def _judge_refusals(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.inside is None:
        yield not_visible("QA703", evidence.unseen)
        return
    counted = _count_refusals(evidence.inside.telemetry)
    refusals = ", ".join(f"{count} of {status}" for status, count in counted.items() if count)
    if refusals:
        yield fail_verdict(
            "QA703", f"answers since the server started: {refusals} (earlier audits count)"
        )
    else:
        yield pass_verdict("QA703", f"no answer {', '.join(REFUSALS)} since the server started")


def _count_refusals(telemetry: Mapping[str, object]) -> dict[str, int]:
    """How often each refusal was answered over REST; gRPC's are not counted by status."""
    result = dict.fromkeys(REFUSALS, 0)
    requests = telemetry.get("requests")
    rest_counters = requests.get("rest") if isinstance(requests, dict) else None
    for statuses in ((rest_counters or {}).get("responses") or {}).values():
        for status, counters in statuses.items():
            if status in result:
                result[status] += int(counters.get("count") or 0)
    return result


def _read_quota(rule: str, evidence: Evidence) -> QuotaStatus | Verdict:
    """The quota of the cluster, or the answer to a rule that nothing else can be said to."""
    version = get_exposure(evidence).version
    if version is not None and version < QUOTAS_SINCE:
        return not_applicable(
            rule, f"Qdrant {version} has no quotas, they came with {QUOTAS_SINCE}"
        )
    if evidence.inside is None:
        return not_visible(rule, evidence.unseen)
    quota = evidence.inside.quota
    if quota is None:
        return not_visible(rule, "the server does not report its version")
    return not_visible(rule, quota.unread) if quota.unread else quota


def _judge_disk_limit(evidence: Evidence) -> Iterator[Verdict]:
    quota = _read_quota("QA705", evidence)
    if isinstance(quota, Verdict):
        yield quota
    elif (limit := enforced_limits(quota.config).get(DISK_LIMIT)) is None:
        yield fail_verdict(
            "QA705", "no quota limits the use of the disk, so writes go on until it is full"
        )
    else:
        yield pass_verdict("QA705", f"{DISK_LIMIT} is {limit}")


def _judge_idle_limits(evidence: Evidence) -> Iterator[Verdict]:
    quota = _read_quota("QA706", evidence)
    if isinstance(quota, Verdict):
        yield quota
        return
    limits = enforced_limits(quota.config)
    idle = {limit: reason for limit in limits if (reason := quota.unreachable_reason(limit))}
    for limit, reason in idle.items():
        yield fail_verdict("QA706", f"{limit} is never reached: {reason}")
    if not limits:
        yield not_applicable("QA706", "no quota is in force")
    elif not idle:
        yield pass_verdict("QA706", f"every node measures what {' and '.join(limits)} limits")


def _judge_excess(evidence: Evidence) -> Iterator[Verdict]:
    quota = _read_quota("QA707", evidence)
    if isinstance(quota, Verdict):
        yield quota
    elif not enforced_limits(quota.config):
        yield not_applicable("QA707", "no quota is in force")
    elif excess := quota.describe_excess(quota.config):
        yield fail_verdict("QA707", f"points and indexes are refused with 507: {excess}")
    else:
        yield pass_verdict("QA707", "every node accepts writes")


NETWORK_CHECKS: dict[str, Check] = {
    "QA601": _judge_peers,
    "QA602": _judge_metrics,
    "QA603": _judge_dashboard,
    "QA604": _judge_cors,
    "QA701": _judge_weaknesses,
    "QA702": _judge_audit_log,
    "QA703": _judge_refusals,
    "QA705": _judge_disk_limit,
    "QA706": _judge_idle_limits,
    "QA707": _judge_excess,
}
