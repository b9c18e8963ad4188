"""Collections: tenants, strict mode and snapshots, in the manifests and on the cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from qdrantctl.engine.audit.text import (
    Check,
    fail_verdict,
    not_applicable,
    not_visible,
    pass_verdict,
)
from qdrantctl.engine.hidden import describe_hidden
from qdrantctl.model.address import Address
from qdrantctl.model.audit.evidence import Evidence
from qdrantctl.model.audit.report import Answer, Verdict
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Severity

_COLLECTION = "collection"
_NO_LIMIT = 2**63 - 1
"""The value that lifts a limit, which Qdrant cannot unset; larger values mean the same."""
OLDEST_SNAPSHOT = timedelta(days=7)
OLDEST_TRIAL = timedelta(days=31)
_STRICT_SECTION = "strict_mode_config"
_TENANT_TYPES = ("keyword", "uuid")
"""Types of index that support is_tenant."""
_VERDICT_MAKERS = {
    Answer.PASS: pass_verdict,
    Answer.FAIL: fail_verdict,
    Answer.NOT_APPLICABLE: not_applicable,
}


class CollectionVerdict(NamedTuple):
    """The verdict on one collection, as its manifest states it or as it is live."""

    answer: Answer
    message: str
    path: Path = ()
    severity: Severity | None = None


Judge = Callable[[Mapping[str, Json]], CollectionVerdict]


def _for_each_collection(rule: str, judge: Judge) -> Check:
    """Judges every collection as stated and live; an equal finding is reported once."""

    def check(evidence: Evidence) -> Iterator[Verdict]:
        live = evidence.inside.live if evidence.inside else {}
        names = sorted(a for a in {*evidence.desired, *live} if a.kind == _COLLECTION)
        for address in names:
            yield from _judge_collection(
                rule, judge, address, evidence.desired.get(address), live.get(address)
            )
        if evidence.inside is None:
            yield not_visible(rule, f"on the cluster: {evidence.unseen}")
        elif not names:
            yield not_applicable(rule, "there are no collections")

    return check


def _judge_collection(
    rule: str, judge: Judge, address: Address, stated: Resource | None, live: Resource | None
) -> Iterator[Verdict]:
    verdicts = [judge(resource.spec) if resource else None for resource in (stated, live)]
    differ = None not in verdicts and verdicts[0] != verdicts[1]
    sides = ((stated, verdicts[0], " in the manifest"), (live, verdicts[1], " on the cluster"))
    for resource, verdict, where in sides[:1] if verdicts[0] and not differ else sides:
        if resource is None or verdict is None:
            continue
        options = {"severity": verdict.severity} if verdict.severity else {}
        if stated is not None and (origin := stated.origin_of(verdict.path)):
            options |= {"origin": origin}  # type: ignore[dict-item]
        message = verdict.message + (where if differ else "")
        yield _VERDICT_MAKERS[verdict.answer](rule, message, subject=str(address), **options)


def _limits_of(spec: Mapping[str, Json]) -> Mapping[str, Json]:
    return spec.get(_STRICT_SECTION) or {}


def _judge_strict_mode(spec: Mapping[str, Json]) -> CollectionVerdict:
    if _limits_of(spec).get("enabled"):
        return CollectionVerdict(Answer.PASS, "strict mode is on", (_STRICT_SECTION, "enabled"))
    caps = [cap for cap in _limits_of(spec) if cap != "enabled"]
    suffix = f", so {len(caps)} caps do nothing" if caps else ""
    return CollectionVerdict(
        Answer.FAIL, f"strict mode is off{suffix}", (_STRICT_SECTION, "enabled")
    )


def _judge_range(cap: str, low: int, high: int) -> Judge:
    def judge(spec: Mapping[str, Json]) -> CollectionVerdict:
        value, path = _limits_of(spec).get(cap), (_STRICT_SECTION, cap)
        if value is None or value >= _NO_LIMIT:
            return CollectionVerdict(Answer.FAIL, f"{cap} is not limited", path)
        if value > high:
            return CollectionVerdict(Answer.FAIL, f"{cap}: {value} is more than {high}", path)
        if value < low:
            message = f"{cap}: {value} is less than {low}; acceptable if no client requests more"
            return CollectionVerdict(Answer.PASS, message, path, Severity.NOTE)
        return CollectionVerdict(Answer.PASS, f"{cap}: {value}", path)

    return judge


def _judge_switch(cap: str, otherwise: str) -> Judge:
    def judge(spec: Mapping[str, Json]) -> CollectionVerdict:
        if _limits_of(spec).get(cap) is False:
            return CollectionVerdict(Answer.PASS, f"{cap}: false", (_STRICT_SECTION, cap))
        return CollectionVerdict(Answer.FAIL, otherwise, (_STRICT_SECTION, cap))

    return judge


def _tenant_indexes(spec: Mapping[str, Json]) -> list[str]:
    indexes = spec.get("payload_indexes") or {}
    return [field for field, index in indexes.items() if index.get("is_tenant")]


def _graph_per_tenant(spec: Mapping[str, Json]) -> bool:
    """Whether any graph is built for each tenant."""
    vectors = (spec.get("vectors") or {}).values()
    graphs = [spec.get("hnsw_config"), *(vector.get("hnsw_config") for vector in vectors)]
    return any((graph or {}).get("payload_m") for graph in graphs)


def _find_tenant_index(spec: Mapping[str, Json]) -> CollectionVerdict:
    indexes, tenants = spec.get("payload_indexes") or {}, _tenant_indexes(spec)
    if tenants:
        path = ("payload_indexes", tenants[0])
        return CollectionVerdict(Answer.PASS, f"{tenants[0]} has is_tenant: true", path)
    candidates = [
        field
        for field, index in indexes.items()
        if "tenant" in field.lower() and index.get("type") in _TENANT_TYPES
    ]
    if candidates:
        path = ("payload_indexes", candidates[0])
        return CollectionVerdict(
            Answer.FAIL, f"the index of {candidates[0]} lacks is_tenant: true", path
        )
    if _graph_per_tenant(spec):
        return CollectionVerdict(Answer.FAIL, "payload_m is set and no index has is_tenant: true",
                     ("hnsw_config", "payload_m"))  # fmt: skip
    return CollectionVerdict(
        Answer.NOT_APPLICABLE, "no setting suggests that it holds several tenants"
    )


def _judge_tenant_graph(spec: Mapping[str, Json]) -> CollectionVerdict:
    if not _tenant_indexes(spec):
        return CollectionVerdict(Answer.NOT_APPLICABLE, "it has no tenant index")
    if _graph_per_tenant(spec):
        return CollectionVerdict(Answer.PASS, "payload_m builds a graph for each tenant",
                     ("hnsw_config", "payload_m"))  # fmt: skip
    return CollectionVerdict(Answer.FAIL, "one graph spans all tenants: payload_m is not set",
                 ("hnsw_config",))  # fmt: skip


def _judge_profile(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.profile is None:
        yield not_applicable("QA407", "no profile was named (--profile FILE)")
        return
    if evidence.inside is None:
        yield not_visible("QA407", f"on the cluster: {evidence.unseen}")
        return
    for address, caps in evidence.profile.items():
        looser = list(_looser_limits(caps, _limits_of(evidence.inside.live[address].spec)))
        if looser:
            yield fail_verdict("QA407", "; ".join(looser), subject=str(address))
        else:
            yield pass_verdict("QA407", "every cap of the profile", subject=str(address))
    if not evidence.profile:
        yield not_applicable("QA407", "the profile covers no existing collection")


def _looser_limits(
    profile: Mapping[str, Json], caps: Mapping[str, Json], prefix: str = ""
) -> Iterator[str]:
    """The limits that are looser than the profile's."""
    for cap, required in profile.items():
        actual, name = caps.get(cap), prefix + cap
        if isinstance(required, Mapping):
            yield from _looser_limits(required, actual or {}, f"{name}.")
        elif not _is_as_tight(cap, required, actual):
            actual_text = "absent" if actual is None else str(actual).lower()
            yield f"{name} is {actual_text}, the profile requires {str(required).lower()}"


def _is_as_tight(cap: str, required: Json, actual: Json) -> bool:
    if cap == "enabled":
        return bool(actual) or not required
    if isinstance(required, bool):
        return required or actual is False
    limit = math.inf if actual is None else actual
    return bool(limit <= required)


def _judge_recent_snapshots(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.inside is None:
        yield not_visible("QA501", f"on the cluster: {evidence.unseen}")
        return
    if not evidence.inside.live:
        yield not_applicable("QA501", "there are no collections")
    for address, resource in evidence.inside.live.items():
        if address.kind == _COLLECTION:
            yield _judge_snapshot(evidence, address, resource.facts.points)


def _judge_snapshot(evidence: Evidence, address: Address, points: int | None) -> Verdict:
    assert evidence.inside is not None
    subject = str(address)
    if points == 0:
        return not_applicable("QA501", "it holds no points", subject=subject)
    listed, set_time = evidence.inside.snapshots, evidence.inside.kept.get(address.name)
    if address.name not in listed and set_time is None:
        return not_visible("QA501", "the server does not list its snapshots", subject=subject)
    newest = max((t for t in (listed.get(address.name), set_time) if t), default=None)
    if newest is None:
        return fail_verdict("QA501", "the server has no snapshot of it", subject=subject)
    days = (evidence.inside.now - newest).days
    description = f"the newest is of {newest.date().isoformat()}"
    if evidence.inside.now - newest > OLDEST_SNAPSHOT:
        return fail_verdict("QA501", f"{description}, {days} days ago", subject=subject)
    return pass_verdict("QA501", description, subject=subject)


def _judge_verification(evidence: Evidence) -> Iterator[Verdict]:
    inside = evidence.inside
    if inside is None or not (inside.kept or inside.tried):
        yield not_visible("QA502", "a restore leaves no trace on the server")
        return
    for name in sorted({*inside.kept, *inside.tried}):
        subject = f"collection/{name}"
        if name not in inside.tried:
            yield fail_verdict("QA502", "no set of it was ever verified", subject=subject)
            continue
        when, is_good = inside.tried[name]
        description = f"verified on {when.date().isoformat()}"
        if not is_good:
            yield fail_verdict(
                "QA502", f"{description}, and the restored data differed", subject=subject
            )
        elif inside.now - when > OLDEST_TRIAL:
            yield fail_verdict("QA502", f"last {description}", subject=subject)
        else:
            yield pass_verdict("QA502", description, subject=subject)


def _judge_names(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.inside is None:
        yield not_visible("QA704", f"on the cluster: {evidence.unseen}")
        return
    live = evidence.inside.live
    hidden = [address for address, resource in live.items() if resource.facts.hidden_by]
    for address in hidden:
        yield fail_verdict("QA704", describe_hidden(address, live), subject=str(address))
    if not hidden:
        yield pass_verdict("QA704", "no alias has the name of a collection")


COLLECTION_CHECKS: dict[str, Check] = {
    "QA301": _for_each_collection("QA301", _find_tenant_index),
    "QA302": _for_each_collection("QA302", _judge_tenant_graph),
    "QA401": _for_each_collection("QA401", _judge_strict_mode),
    "QA402": _for_each_collection("QA402", _judge_range("max_query_limit", 5_000, 20_000)),
    "QA403": _for_each_collection("QA403", _judge_range("max_timeout", 15, 60)),
    "QA404": _for_each_collection("QA404", _judge_switch(
        "unindexed_filtering_retrieve", "reads may filter on fields without an index")),
    "QA405": _for_each_collection("QA405", _judge_range("search_max_hnsw_ef", 500, 2_000)),
    "QA406": _for_each_collection("QA406", _judge_switch(
        "search_allow_exact", "one exact search may scan every point")),
    "QA407": _judge_profile,
    "QA501": _judge_recent_snapshots,
    "QA502": _judge_verification,
    "QA704": _judge_names,
}  # fmt: skip
