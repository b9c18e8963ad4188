"""Proof: for each limit a request beyond it that changes nothing, and the meaning of its answer.

With an enforced limit the server refuses the request before it spends a token of a rate limit.
Otherwise it accepts a read that matches nothing, or a write to points that do not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from qdrantctl.engine.audit.text import (
    Check,
    fail_verdict,
    not_applicable,
    not_visible,
    pass_verdict,
)
from qdrantctl.model.audit.evidence import Evidence
from qdrantctl.model.audit.report import Proof, Result, Verdict
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Resource
from qdrantctl.model.step import Call, collection_path

_LIFTED = 2**63 - 1
MOST_ITEMS = 100_000
"""Conditions, ids or points of one request: some megabytes."""
MOST_NUMBERS = 2_000_000
"""Numbers in the vectors of one request, for the same reason."""
QUOTED_WORDS = 120
"""Characters of a request's body that are quoted."""
BAD_REQUEST, _ANSWERED_404, _ANSWERED_429, _ANSWERED_200 = 400, 404, 429, 200
NOTHING: Json = {"has_id": []}
"""A condition that matches no point and needs no index."""


@dataclass(frozen=True, slots=True)
class LimitProbe:
    """A request that only an enforced cap refuses, with `refusal` in its message."""

    address: str
    cap: tuple[str, ...]
    value: Any
    call: Call
    refusal: str
    status: int = BAD_REQUEST
    harmless: tuple[int, ...] = (_ANSWERED_200,)
    """The statuses of answers if the limit is not enforced."""


@dataclass(frozen=True, slots=True)
class _LimitCase:
    """One cap of one collection."""

    address: str
    name: str
    """On the cluster."""
    spec: Mapping[str, Json]
    cap: tuple[str, ...]
    value: Any
    token: str
    """The seed of names and ids that do not exist."""

    def ids(self, count: int) -> list[str]:
        return [str(uuid5(NAMESPACE_URL, f"{self.token}/{number}")) for number in range(count)]

    def make_probe(self, refusal: str, path: str, body: Json, **more: Any) -> LimitProbe:
        """A request to `points…` of the collection."""
        method, query = more.pop("method", "POST"), more.pop("query", {})
        url_path = collection_path(self.name) + "/" + path
        call = Call(method=method, path=url_path, query=query, body=body)
        return LimitProbe(self.address, self.cap, self.value, call, refusal, **more)

    def scroll_probe(
        self, refusal: str, conditions: list[Json] | None = None, **more: Any
    ) -> LimitProbe:
        """A scroll of one point, the likeliest to be answered at once."""
        body: dict[str, Json] = {"limit": more.pop("limit", 1), "with_payload": False}
        if conditions is not None:
            body["filter"] = {"must": conditions}
        return self.make_probe(refusal, "points/scroll", body, **more)


ProbeBuilder = Callable[[_LimitCase], LimitProbe | str]
"""Builds the request, or returns why none is possible."""


def _probe_query_limit(case: _LimitCase) -> LimitProbe:
    return case.scroll_probe('for "limit"', [NOTHING], limit=case.value + 1)


def _probe_timeout(case: _LimitCase) -> LimitProbe:
    return case.scroll_probe('for "timeout"', query={"timeout": str(case.value + 1)})


def _probe_unindexed(case: _LimitCase) -> list[Json]:
    return [NOTHING, {"key": f"__qctl_{case.token}", "match": {"value": "x"}}]


def _probe_unindexed_read(case: _LimitCase) -> LimitProbe:
    return case.scroll_probe("Index required", _probe_unindexed(case))


def _probe_hnsw_ef(case: _LimitCase) -> LimitProbe:
    body = {"limit": 1, "params": {"hnsw_ef": case.value + 1}, "filter": {"must": [NOTHING]}}
    return case.make_probe('for "hnsw_ef"', "points/query", body)


def _probe_oversampling(case: _LimitCase) -> LimitProbe:
    params = {"quantization": {"oversampling": max(1.0, case.value + 0.5)}}
    body = {"limit": 1, "params": params, "filter": {"must": [NOTHING]}}
    return case.make_probe('for "oversampling"', "points/query", body)


def _probe_exact(case: _LimitCase) -> LimitProbe:
    body = {"exact": True, "filter": {"must": [NOTHING]}}
    return case.make_probe("Exact search disabled", "points/count", body)


def _probe_conditions(case: _LimitCase) -> LimitProbe | str:
    if case.value >= MOST_ITEMS:
        return _body_too_large(case)
    return case.scroll_probe("Filter condition limit", [NOTHING] * (case.value + 1))


def _probe_condition_size(case: _LimitCase) -> LimitProbe | str:
    if case.value >= MOST_ITEMS:
        return _body_too_large(case)
    return case.scroll_probe("Condition size limit", [{"has_id": case.ids(case.value + 1)}])


def _probe_read_rate(case: _LimitCase) -> LimitProbe | str:
    if case.value >= MOST_ITEMS:
        return _body_too_large(case)
    body = {"ids": case.ids(case.value + 1), "with_payload": False}
    return case.make_probe(
        "larger than rate limiter capacity", "points", body, status=_ANSWERED_429
    )


def _probe_write_rate(case: _LimitCase) -> LimitProbe | str:
    if case.value >= MOST_ITEMS:
        return _body_too_large(case)
    if case.spec.get("shard_number", 1) != 1 or case.spec.get("sharding_method") == "custom":
        return "with several shards the request would spend tokens of some of them"
    refusal, body = "larger than rate limiter capacity", {"points": case.ids(case.value + 1)}
    return case.make_probe(
        refusal, "points/delete", body, status=_ANSWERED_429, query={"wait": "true"}
    )


def _probe_batch(case: _LimitCase) -> LimitProbe | str:
    if case.spec.get("sharding_method") == "custom":
        return _ROUTED
    if not (case.spec.get("vectors") or case.spec.get("sparse_vectors")):
        return "the collection has no vectors"
    vector, numbers = _small_vector(case.spec)
    if case.value >= MOST_ITEMS or (case.value + 1) * numbers > MOST_NUMBERS:
        return _body_too_large(case)
    points = [{"id": point, "vector": vector} for point in case.ids(case.value + 1)]
    return _probe_vectors(case, "update limit", points)


def _small_vector(spec: Mapping[str, Json]) -> tuple[Json, int]:
    """A vector that is valid in the collection, and the count of its numbers."""
    for name in spec.get("sparse_vectors") or {}:
        return {name: {"indices": [0], "values": [1.0]}}, 2
    vectors = spec["vectors"]
    name = min(vectors, key=lambda key: (vectors[key]["size"], key))
    size = vectors[name]["size"]
    vector: Json = [0.5] * size
    if vectors[name].get("multivector_config"):
        vector = [vector]
    return (vector if name == "" else {name: vector}), size


def _probe_sparse_length(case: _LimitCase) -> LimitProbe | str:
    if case.spec.get("sharding_method") == "custom":
        return _ROUTED
    vector, count = case.cap[1], case.value + 1
    if vector not in (case.spec.get("sparse_vectors") or {}):
        return "the collection has no sparse vector of that name"
    if count > MOST_ITEMS:
        return _body_too_large(case)
    sparse = {"indices": list(range(count)), "values": [1.0] * count}
    return _probe_vectors(
        case, "has a limit of", [{"id": case.ids(1)[0], "vector": {vector: sparse}}]
    )


def _probe_vectors(case: _LimitCase, refusal: str, points: Json) -> LimitProbe:
    """An update of vectors, which only changes existing points."""
    return case.make_probe(refusal, "points/vectors", {"points": points}, method="PUT",
                      query={"wait": "true"}, harmless=(_ANSWERED_404, _ANSWERED_200))  # fmt: skip


def _probe_unindexed_write(case: _LimitCase) -> LimitProbe | str:
    if case.spec.get("sharding_method") == "custom":
        return _ROUTED
    body = {"keys": ["__qctl"], "filter": {"must": _probe_unindexed(case)}}
    return case.make_probe("Index required", "points/payload/delete", body, query={"wait": "true"})


_EMPTY = "it has no shard key yet, so there is no shard that could refuse"
"""Nothing is sent: no shard could answer."""
_ROUTED = "custom sharding requires a shard key with every write"
_FILLING = "only a write that takes effect would show it"
_FULL = "a node would have to be that full"

_READ_PROBES: dict[str, ProbeBuilder] = {
    "max_query_limit": _probe_query_limit,
    "max_timeout": _probe_timeout,
    "unindexed_filtering_retrieve": _probe_unindexed_read,
    "search_max_hnsw_ef": _probe_hnsw_ef,
    "search_allow_exact": _probe_exact,
    "search_max_oversampling": _probe_oversampling,
    "filter_max_conditions": _probe_conditions,
    "condition_max_size": _probe_condition_size,
    "read_rate_limit": _probe_read_rate,
}
_WRITES: dict[str, ProbeBuilder] = {
    "upsert_max_batchsize": _probe_batch,
    "unindexed_filtering_update": _probe_unindexed_write,
    "sparse_config": _probe_sparse_length,
    "write_rate_limit": _probe_write_rate,
}
_UNPROVABLE = {
    "max_points_count": _FILLING,
    "max_collection_vector_size_bytes": _FILLING,
    "max_collection_payload_size_bytes": _FILLING,
    "max_payload_index_count": "only creating an index would show it",
    "multivector_config": _FILLING,
    "max_resident_memory_percent": _FULL,
    "max_disk_usage_percent": _FULL,
}


def _body_too_large(case: _LimitCase) -> str:
    return f"a request beyond {case.value} would be very large"


def make_probes(resource: Resource, token: str, *, writes: bool) -> Iterator[LimitProbe | Proof]:
    """A probe for each limit of a live collection, or the proof that none is possible."""
    address, caps = str(resource.address), resource.spec.get("strict_mode_config") or {}
    for cap, value in _flat_limits(caps):
        case = _LimitCase(address, resource.object_name, resource.spec, cap, value, token)
        probe = _make_probe(case, writes=writes)
        if isinstance(probe, LimitProbe):
            yield probe
        else:
            yield Proof(address=address, cap=cap, value=value,
                        result=Result.NOT_PROVABLE, because=probe)  # fmt: skip


def _flat_limits(caps: Mapping[str, Json]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every effective limit, with its path."""
    for cap, value in caps.items():
        if isinstance(value, Mapping):
            for name, limits in value.items():
                yield from (((cap, name, field), limit) for field, limit in limits.items())
        elif cap != "enabled" and _caps_something(value):
            yield (cap,), value


def _caps_something(value: Json) -> bool:
    """`True` allows, and the largest numbers lift a limit."""
    return value is False if isinstance(value, bool) else bool(value < _LIFTED)


def _make_probe(case: _LimitCase, *, writes: bool) -> LimitProbe | str:
    cap = case.cap[0]
    if case.spec.get("sharding_method") == "custom" and not case.spec.get("shard_keys"):
        return _EMPTY
    if cap in _WRITES and not writes:
        return "only a write request shows it; allow it with --prove-writes"
    if builder := _READ_PROBES.get(cap) or _WRITES.get(cap):
        return builder(case)
    return _UNPROVABLE.get(cap, "no harmless request is known that shows it")


def judge_proof(probe: LimitProbe, status: int, message: str, *, enabled: bool) -> Proof:
    """The meaning of the answer to a probe. `message` is the server's text."""
    message = message.removeprefix("Bad request: ").partition(". Help: ")[0]
    if status == probe.status and probe.refusal in message:
        result, because = Result.ENFORCED, f"{status}: {message}"
    elif status in probe.harmless:
        off = "" if enabled else "; enabled is false"
        result, because = Result.NOT_ENFORCED, f"{status}: the request was let through{off}"
    elif status in (401, 403):
        result, because = Result.NOT_PROVABLE, f"{status}: the key may not send it"
    else:
        result, because = Result.NOT_PROVABLE, f"{status}: {message or 'no answer'}"
    return Proof(address=probe.address, cap=probe.cap, value=probe.value, result=result,
                 request=_describe_call(probe.call), because=because)  # fmt: skip


def _describe_call(call: Call) -> str:
    """`POST /collections/c/points/scroll {"limit": 11, …}`."""
    query = "&".join(f"{parameter}={value}" for parameter, value in call.query.items())
    body = "" if call.body is ABSENT else json.dumps(call.body, ensure_ascii=False)
    body = body if len(body) <= QUOTED_WORDS else body[: QUOTED_WORDS - 1] + "…"
    return f"{call.method} {call.path}{'?' + query if query else ''} {body}".rstrip()


def _judge_proofs(evidence: Evidence) -> Iterator[Verdict]:
    """QA408 from the proofs, for each collection."""
    if evidence.proofs is None:
        yield not_visible(
            "QA408", evidence.unseen or "no limit was tested; audit --prove tests them"
        )
        return
    live = [] if evidence.inside is None else [str(a) for a in evidence.inside.live]
    addresses = [address for address in live if address.startswith("collection/")]
    if not addresses:
        yield not_applicable("QA408", "there are no collections")
    for address in addresses:
        yield _sum_proofs(address, [p for p in evidence.proofs if p.address == address])


def _sum_proofs(address: str, proofs: list[Proof]) -> Verdict:
    by_result = {result: [p for p in proofs if p.result is result] for result in Result}
    if not proofs:
        return not_applicable("QA408", "it has no caps", subject=address)
    if unenforced := by_result[Result.NOT_ENFORCED]:
        caps = ", ".join(".".join(proof.cap) for proof in unenforced)
        return fail_verdict("QA408", f"configured and not enforced: {caps}", subject=address)
    enforced, unprovable = len(by_result[Result.ENFORCED]), len(by_result[Result.NOT_PROVABLE])
    suffix = f", {unprovable} cannot be proved" if unprovable else ""
    if not enforced:
        return not_visible("QA408", f"none of its {unprovable} caps can be proved", subject=address)
    return pass_verdict("QA408", f"{enforced} caps are enforced{suffix}", subject=address)


LIMIT_PROBES: dict[str, Check] = {"QA408": _judge_proofs}
