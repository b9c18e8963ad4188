"""Collections: tenants, strict mode and snapshots, in the manifests and on the cluster."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

from qdrantctl.engine.audit.text import Check, failed, idle, passed, unseen
from qdrantctl.model.address import Address
from qdrantctl.model.audit.evidence import Evidence
from qdrantctl.model.audit.report import Answer, Verdict
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import Path
from qdrantctl.model.violation import Severity

KIND = "collection"
UNLIMITED = 2**63 - 1
"""What lifts a cap, which Qdrant cannot unset; more means no more."""
OLDEST_SNAPSHOT = timedelta(days=7)
OLDEST_TRIAL = timedelta(days=31)
_STRICT = "strict_mode_config"
_TENANT_TYPES = ("keyword", "uuid")
"""Types of index that take is_tenant."""
_SAY = {Answer.PASS: passed, Answer.FAIL: failed, Answer.NOT_APPLICABLE: idle}


class Found(NamedTuple):
    """What is to be said of one collection, as a manifest states it or as it is."""

    answer: Answer
    message: str
    path: Path = ()
    severity: Severity | None = None


Judge = Callable[[Mapping[str, Json]], Found]


def _each(rule: str, judge: Judge) -> Check:
    """Judges every collection in both worlds; what is the same in both is said once."""

    def check(evidence: Evidence) -> Iterator[Verdict]:
        live = evidence.inside.live if evidence.inside else {}
        names = sorted(a for a in {*evidence.desired, *live} if a.kind == KIND)
        for address in names:
            yield from _one(rule, judge, address, evidence.desired.get(address), live.get(address))
        if evidence.inside is None:
            yield unseen(rule, f"on the cluster: {evidence.unseen}")
        elif not names:
            yield idle(rule, "there are no collections")

    return check


def _one(
    rule: str, judge: Judge, address: Address, stated: Resource | None, live: Resource | None
) -> Iterator[Verdict]:
    found = [judge(resource.spec) if resource else None for resource in (stated, live)]
    differ = None not in found and found[0] != found[1]
    worlds = ((stated, found[0], " in the manifest"), (live, found[1], " on the cluster"))
    for resource, met, where in worlds[:1] if found[0] and not differ else worlds:
        if resource is None or met is None:
            continue
        more = {"severity": met.severity} if met.severity else {}
        if stated is not None and (origin := stated.place(met.path)):
            more |= {"origin": origin}  # type: ignore[dict-item]
        message = met.message + (where if differ else "")
        yield _SAY[met.answer](rule, message, subject=str(address), **more)


def _caps(spec: Mapping[str, Json]) -> Mapping[str, Json]:
    return spec.get(_STRICT) or {}


def _enabled(spec: Mapping[str, Json]) -> Found:
    if _caps(spec).get("enabled"):
        return Found(Answer.PASS, "strict mode is on", (_STRICT, "enabled"))
    caps = [cap for cap in _caps(spec) if cap != "enabled"]
    less = f", so {len(caps)} caps do nothing" if caps else ""
    return Found(Answer.FAIL, f"strict mode is off{less}", (_STRICT, "enabled"))


def _range(cap: str, low: int, high: int) -> Judge:
    def judge(spec: Mapping[str, Json]) -> Found:
        value, path = _caps(spec).get(cap), (_STRICT, cap)
        if value is None or value >= UNLIMITED:
            return Found(Answer.FAIL, f"{cap} is not capped", path)
        if value > high:
            return Found(Answer.FAIL, f"{cap}: {value} is more than {high}", path)
        if value < low:
            less = f"{cap}: {value} is less than {low}; fine where no client asks for more"
            return Found(Answer.FAIL, less, path, Severity.NOTE)
        return Found(Answer.PASS, f"{cap}: {value}", path)

    return judge


def _switched_off(cap: str, otherwise: str) -> Judge:
    def judge(spec: Mapping[str, Json]) -> Found:
        if _caps(spec).get(cap) is False:
            return Found(Answer.PASS, f"{cap}: false", (_STRICT, cap))
        return Found(Answer.FAIL, otherwise, (_STRICT, cap))

    return judge


def _tenant_indexes(spec: Mapping[str, Json]) -> list[str]:
    indexes = spec.get("payload_indexes") or {}
    return [field for field, index in indexes.items() if index.get("is_tenant")]


def _graph_per_tenant(spec: Mapping[str, Json]) -> bool:
    """Whether any graph is built for each tenant."""
    vectors = (spec.get("vectors") or {}).values()
    graphs = [spec.get("hnsw_config"), *(vector.get("hnsw_config") for vector in vectors)]
    return any((graph or {}).get("payload_m") for graph in graphs)


def _tenant_index(spec: Mapping[str, Json]) -> Found:
    indexes, tenants = spec.get("payload_indexes") or {}, _tenant_indexes(spec)
    if tenants:
        where = ("payload_indexes", tenants[0])
        return Found(Answer.PASS, f"{tenants[0]} has is_tenant: true", where)
    named = [
        field
        for field, index in indexes.items()
        if "tenant" in field.lower() and index.get("type") in _TENANT_TYPES
    ]
    if named:
        where = ("payload_indexes", named[0])
        return Found(Answer.FAIL, f"the index of {named[0]} lacks is_tenant: true", where)
    if _graph_per_tenant(spec):
        return Found(Answer.FAIL, "payload_m is set and no index has is_tenant: true",
                     ("hnsw_config", "payload_m"))  # fmt: skip
    return Found(Answer.NOT_APPLICABLE, "nothing says that it holds several tenants")


def _tenant_graph(spec: Mapping[str, Json]) -> Found:
    if not _tenant_indexes(spec):
        return Found(Answer.NOT_APPLICABLE, "it has no tenant index")
    if _graph_per_tenant(spec):
        return Found(Answer.PASS, "payload_m builds a graph for each tenant",
                     ("hnsw_config", "payload_m"))  # fmt: skip
    return Found(Answer.FAIL, "one graph goes over all tenants: payload_m is not set",
                 ("hnsw_config",))  # fmt: skip


def _profile(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.profile is None:
        yield idle("QA407", "no profile was named (--profile FILE)")
        return
    if evidence.inside is None:
        yield unseen("QA407", f"on the cluster: {evidence.unseen}")
        return
    for address, caps in evidence.profile.items():
        loose = list(_looser(caps, _caps(evidence.inside.live[address].spec)))
        if loose:
            yield failed("QA407", "; ".join(loose), subject=str(address))
        else:
            yield passed("QA407", "every cap of the profile", subject=str(address))
    if not evidence.profile:
        yield idle("QA407", "the profile speaks of no collection that is there")


def _looser(
    profile: Mapping[str, Json], caps: Mapping[str, Json], above: str = ""
) -> Iterator[str]:
    """The caps that are not as tight as the profile's."""
    for cap, wanted in profile.items():
        has, name = caps.get(cap), above + cap
        if isinstance(wanted, Mapping):
            yield from _looser(wanted, has or {}, f"{name}.")
        elif not _as_tight(cap, wanted, has):
            shown = "absent" if has is None else str(has).lower()
            yield f"{name} is {shown}, the profile says {str(wanted).lower()}"


def _as_tight(cap: str, wanted: Json, has: Json) -> bool:
    if cap == "enabled":
        return bool(has) or not wanted
    if isinstance(wanted, bool):
        return wanted or has is False
    limit = math.inf if has is None else has
    return bool(limit <= wanted)


def _recent(evidence: Evidence) -> Iterator[Verdict]:
    if evidence.inside is None:
        yield unseen("QA501", f"on the cluster: {evidence.unseen}")
        return
    if not evidence.inside.live:
        yield idle("QA501", "there are no collections")
    for address, resource in evidence.inside.live.items():
        if address.kind == KIND:
            yield _snapshot(evidence, address, resource.facts.points)


def _snapshot(evidence: Evidence, address: Address, points: int | None) -> Verdict:
    assert evidence.inside is not None
    subject = str(address)
    if points == 0:
        return idle("QA501", "it holds no points", subject=subject)
    listed, kept = evidence.inside.snapshots, evidence.inside.kept.get(address.name)
    if address.name not in listed and kept is None:
        return unseen("QA501", "the server does not list its snapshots", subject=subject)
    newest = max((t for t in (listed.get(address.name), kept) if t), default=None)
    if newest is None:
        return failed("QA501", "there is no snapshot of it on the server", subject=subject)
    days = (evidence.inside.now - newest).days
    told = f"the newest is of {newest.date().isoformat()}"
    if evidence.inside.now - newest > OLDEST_SNAPSHOT:
        return failed("QA501", f"{told}, {days} days ago", subject=subject)
    return passed("QA501", told, subject=subject)


def _restored(evidence: Evidence) -> Iterator[Verdict]:
    inside = evidence.inside
    if inside is None or not (inside.kept or inside.tried):
        yield unseen("QA502", "a restore leaves no trace on the server")
        return
    for name in sorted({*inside.kept, *inside.tried}):
        subject = f"collection/{name}"
        if name not in inside.tried:
            yield failed("QA502", "no set of it was ever verified", subject=subject)
            continue
        when, good = inside.tried[name]
        told = f"verified on {when.date().isoformat()}"
        if not good:
            yield failed("QA502", f"{told}, and was not as it had been", subject=subject)
        elif inside.now - when > OLDEST_TRIAL:
            yield failed("QA502", f"last {told}", subject=subject)
        else:
            yield passed("QA502", told, subject=subject)


CHECKS: dict[str, Check] = {
    "QA301": _each("QA301", _tenant_index),
    "QA302": _each("QA302", _tenant_graph),
    "QA401": _each("QA401", _enabled),
    "QA402": _each("QA402", _range("max_query_limit", 5_000, 20_000)),
    "QA403": _each("QA403", _range("max_timeout", 15, 60)),
    "QA404": _each("QA404", _switched_off(
        "unindexed_filtering_retrieve", "reads may filter on fields without an index")),
    "QA405": _each("QA405", _range("search_max_hnsw_ef", 500, 2_000)),
    "QA406": _each("QA406", _switched_off(
        "search_allow_exact", "one exact search may go over every point")),
    "QA407": _profile,
    "QA501": _recent,
    "QA502": _restored,
}  # fmt: skip
