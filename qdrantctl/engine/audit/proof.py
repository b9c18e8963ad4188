"""Proof: for each cap a request beyond it that changes nothing, and what its answer means.

A cap that is enforced refuses the request before it spends a token of a rate limit. One that is not
lets through a read that finds nothing, or a write to points that are not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from qdrantctl.engine.audit.text import Check, failed, idle, passed, unseen
from qdrantctl.model.audit.evidence import Evidence
from qdrantctl.model.audit.report import Proof, Result, Verdict
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.resource import Resource
from qdrantctl.model.step import Call, collection_path

UNLIMITED = 2**63 - 1
MOST_ITEMS = 100_000
"""Conditions, ids or points of one request: some megabytes."""
MOST_NUMBERS = 2_000_000
"""Numbers in the vectors of one request, for the same reason."""
SHOWN = 120
"""Characters of a request's body that are told."""
BAD_REQUEST, NOT_FOUND, TOO_MANY, OK = 400, 404, 429, 200
NOTHING: Json = {"has_id": []}
"""A condition that no point meets and that needs no index."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that only an enforced cap refuses with these words."""

    address: str
    cap: tuple[str, ...]
    value: Any
    call: Call
    words: str
    status: int = BAD_REQUEST
    harmless: tuple[int, ...] = (OK,)
    """What is answered where the cap is not enforced."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One cap of one collection."""

    name: str
    spec: Mapping[str, Json]
    cap: tuple[str, ...]
    value: Any
    token: str
    """Makes names and ids that nobody uses."""

    def ids(self, count: int) -> list[str]:
        return [str(uuid5(NAMESPACE_URL, f"{self.token}/{number}")) for number in range(count)]

    def probe(self, words: str, path: str, body: Json, **more: Any) -> Probe:
        """A request to `points…` of the collection."""
        method, query = more.pop("method", "POST"), more.pop("query", {})
        where = collection_path(self.name) + "/" + path
        call = Call(method=method, path=where, query=query, body=body)
        return Probe(f"collection/{self.name}", self.cap, self.value, call, words, **more)

    def scroll(self, words: str, conditions: list[Json] | None = None, **more: Any) -> Probe:
        """A scroll of one point, the likeliest to be answered at once."""
        body: dict[str, Json] = {"limit": more.pop("limit", 1), "with_payload": False}
        if conditions is not None:
            body["filter"] = {"must": conditions}
        return self.probe(words, "points/scroll", body, **more)


Maker = Callable[[_Case], Probe | str]
"""The request, or why there is none."""


def _query_limit(case: _Case) -> Probe:
    return case.scroll('for "limit"', [NOTHING], limit=case.value + 1)


def _timeout(case: _Case) -> Probe:
    return case.scroll('for "timeout"', query={"timeout": str(case.value + 1)})


def _unindexed(case: _Case) -> list[Json]:
    return [NOTHING, {"key": f"__qctl_{case.token}", "match": {"value": "x"}}]


def _unindexed_read(case: _Case) -> Probe:
    return case.scroll("Index required", _unindexed(case))


def _hnsw_ef(case: _Case) -> Probe:
    body = {"limit": 1, "params": {"hnsw_ef": case.value + 1}, "filter": {"must": [NOTHING]}}
    return case.probe('for "hnsw_ef"', "points/query", body)


def _oversampling(case: _Case) -> Probe:
    params = {"quantization": {"oversampling": max(1.0, case.value + 0.5)}}
    body = {"limit": 1, "params": params, "filter": {"must": [NOTHING]}}
    return case.probe('for "oversampling"', "points/query", body)


def _exact(case: _Case) -> Probe:
    body = {"exact": True, "filter": {"must": [NOTHING]}}
    return case.probe("Exact search disabled", "points/count", body)


def _conditions(case: _Case) -> Probe | str:
    if case.value >= MOST_ITEMS:
        return _too_large(case)
    return case.scroll("Filter condition limit", [NOTHING] * (case.value + 1))


def _condition_size(case: _Case) -> Probe | str:
    if case.value >= MOST_ITEMS:
        return _too_large(case)
    return case.scroll("Condition size limit", [{"has_id": case.ids(case.value + 1)}])


def _read_rate(case: _Case) -> Probe | str:
    if case.value >= MOST_ITEMS:
        return _too_large(case)
    body = {"ids": case.ids(case.value + 1), "with_payload": False}
    return case.probe("larger than rate limiter capacity", "points", body, status=TOO_MANY)


def _write_rate(case: _Case) -> Probe | str:
    if case.value >= MOST_ITEMS:
        return _too_large(case)
    if case.spec.get("shard_number", 1) != 1 or case.spec.get("sharding_method") == "custom":
        return "with several shards the request would spend tokens of some of them"
    words, body = "larger than rate limiter capacity", {"points": case.ids(case.value + 1)}
    return case.probe(words, "points/delete", body, status=TOO_MANY, query={"wait": "true"})


def _batch(case: _Case) -> Probe | str:
    if case.spec.get("sharding_method") == "custom":
        return _ROUTED
    if not (case.spec.get("vectors") or case.spec.get("sparse_vectors")):
        return "the collection has no vectors"
    vector, numbers = _small_vector(case.spec)
    if case.value >= MOST_ITEMS or (case.value + 1) * numbers > MOST_NUMBERS:
        return _too_large(case)
    points = [{"id": point, "vector": vector} for point in case.ids(case.value + 1)]
    return _vectors(case, "update limit", points)


def _small_vector(spec: Mapping[str, Json]) -> tuple[Json, int]:
    """A vector that fits the collection, and how many numbers it holds."""
    for name in spec.get("sparse_vectors") or {}:
        return {name: {"indices": [0], "values": [1.0]}}, 2
    found = spec["vectors"]
    name = min(found, key=lambda word: (found[word]["size"], word))
    size = found[name]["size"]
    vector: Json = [0.5] * size
    if found[name].get("multivector_config"):
        vector = [vector]
    return (vector if name == "" else {name: vector}), size


def _sparse_length(case: _Case) -> Probe | str:
    if case.spec.get("sharding_method") == "custom":
        return _ROUTED
    vector, count = case.cap[1], case.value + 1
    if vector not in (case.spec.get("sparse_vectors") or {}):
        return "the collection has no sparse vector of that name"
    if count > MOST_ITEMS:
        return _too_large(case)
    sparse = {"indices": list(range(count)), "values": [1.0] * count}
    return _vectors(case, "has a limit of", [{"id": case.ids(1)[0], "vector": {vector: sparse}}])


def _vectors(case: _Case, words: str, points: Json) -> Probe:
    """An update of vectors, which only touches points that are there."""
    return case.probe(words, "points/vectors", {"points": points}, method="PUT",
                      query={"wait": "true"}, harmless=(NOT_FOUND, OK))  # fmt: skip


def _unindexed_write(case: _Case) -> Probe | str:
    if case.spec.get("sharding_method") == "custom":
        return _ROUTED
    body = {"keys": ["__qctl"], "filter": {"must": _unindexed(case)}}
    return case.probe("Index required", "points/payload/delete", body, query={"wait": "true"})


_EMPTY = "it has no shard key yet, so there is no shard that could refuse"
"""Nor one that could answer: the server drops the connection of a query then (1.16.3)."""
_ROUTED = "custom sharding wants a shard key with every write"
_FILLING = "only a write that takes effect would tell"
_FULL = "a node would have to be that full"

_READS: dict[str, Maker] = {
    "max_query_limit": _query_limit,
    "max_timeout": _timeout,
    "unindexed_filtering_retrieve": _unindexed_read,
    "search_max_hnsw_ef": _hnsw_ef,
    "search_allow_exact": _exact,
    "search_max_oversampling": _oversampling,
    "filter_max_conditions": _conditions,
    "condition_max_size": _condition_size,
    "read_rate_limit": _read_rate,
}
_WRITES: dict[str, Maker] = {
    "upsert_max_batchsize": _batch,
    "unindexed_filtering_update": _unindexed_write,
    "sparse_config": _sparse_length,
    "write_rate_limit": _write_rate,
}
_UNPROVABLE = {
    "max_points_count": _FILLING,
    "max_collection_vector_size_bytes": _FILLING,
    "max_collection_payload_size_bytes": _FILLING,
    "max_payload_index_count": "only creating an index would tell",
    "multivector_config": _FILLING,
    "max_resident_memory_percent": _FULL,
    "max_disk_usage_percent": _FULL,
}


def _too_large(case: _Case) -> str:
    return f"a request beyond {case.value} would be very large"


def probes(resource: Resource, token: str, *, writes: bool) -> Iterator[Probe | Proof]:
    """A probe for each cap of a live collection, or at once what is to be said of it."""
    name, caps = resource.address.name, resource.spec.get("strict_mode_config") or {}
    for cap, value in _flat(caps):
        case = _Case(name, resource.spec, cap, value, token)
        made = _made(case, writes=writes)
        if isinstance(made, Probe):
            yield made
        else:
            yield Proof(address=str(resource.address), cap=cap, value=value,
                        result=Result.NOT_PROVABLE, because=made)  # fmt: skip


def _flat(caps: Mapping[str, Json]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every cap that caps something, with its path."""
    for cap, value in caps.items():
        if isinstance(value, Mapping):
            for name, limits in value.items():
                yield from (((cap, name, word), limit) for word, limit in limits.items())
        elif cap != "enabled" and _caps_something(value):
            yield (cap,), value


def _caps_something(value: Json) -> bool:
    """`True` allows, and the largest numbers lift a cap."""
    return value is False if isinstance(value, bool) else bool(value < UNLIMITED)


def _made(case: _Case, *, writes: bool) -> Probe | str:
    cap = case.cap[0]
    if case.spec.get("sharding_method") == "custom" and not case.spec.get("shard_keys"):
        return _EMPTY
    if cap in _WRITES and not writes:
        return "only a request with the right to write tells; allow it with --prove-writes"
    if maker := _READS.get(cap) or _WRITES.get(cap):
        return maker(case)
    return _UNPROVABLE.get(cap, "no harmless request is known that tells")


def proved(probe: Probe, status: int, said: str, *, enabled: bool) -> Proof:
    """What the answer to a probe means. `said` are the server's own words."""
    said = said.removeprefix("Bad request: ").partition(". Help: ")[0]
    if status == probe.status and probe.words in said:
        result, because = Result.ENFORCED, f"{status}: {said}"
    elif status in probe.harmless:
        off = "" if enabled else "; enabled is false"
        result, because = Result.NOT_ENFORCED, f"{status}: the request was let through{off}"
    elif status in (401, 403):
        result, because = Result.NOT_PROVABLE, f"{status}: the key may not send it"
    else:
        result, because = Result.NOT_PROVABLE, f"{status}: {said or 'no answer'}"
    return Proof(address=probe.address, cap=probe.cap, value=probe.value, result=result,
                 request=_words(probe.call), because=because)  # fmt: skip


def _words(call: Call) -> str:
    """`POST /collections/c/points/scroll {"limit": 11, …}`."""
    query = "&".join(f"{word}={value}" for word, value in call.query.items())
    body = "" if call.body is ABSENT else json.dumps(call.body, ensure_ascii=False)
    body = body if len(body) <= SHOWN else body[: SHOWN - 1] + "…"
    return f"{call.method} {call.path}{'?' + query if query else ''} {body}".rstrip()


def _enforced(evidence: Evidence) -> Iterator[Verdict]:
    """QA408 from the proofs, for each collection."""
    if evidence.proofs is None:
        yield unseen("QA408", evidence.unseen or "nothing was tried; audit --prove does")
        return
    live = [] if evidence.inside is None else [str(a) for a in evidence.inside.live]
    addresses = [address for address in live if address.startswith("collection/")]
    if not addresses:
        yield idle("QA408", "there are no collections")
    for address in addresses:
        yield _summed(address, [p for p in evidence.proofs if p.address == address])


def _summed(address: str, proofs: list[Proof]) -> Verdict:
    by_result = {result: [p for p in proofs if p.result is result] for result in Result}
    if not proofs:
        return idle("QA408", "it has no caps", subject=address)
    if loose := by_result[Result.NOT_ENFORCED]:
        caps = ", ".join(".".join(proof.cap) for proof in loose)
        return failed("QA408", f"configured and not enforced: {caps}", subject=address)
    good, rest = len(by_result[Result.ENFORCED]), len(by_result[Result.NOT_PROVABLE])
    more = f", {rest} cannot be proved" if rest else ""
    if not good:
        return unseen("QA408", f"none of its {rest} caps can be proved", subject=address)
    return passed("QA408", f"{good} caps are enforced{more}", subject=address)


CHECKS: dict[str, Check] = {"QA408": _enforced}
