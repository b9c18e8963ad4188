"""One row for every field: where it stands, two values, and the collection it is tried on."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import reduce
from typing import Any

SIZE = 16
DENSE = {"size": SIZE, "distance": "Dot"}
TUNING = {"indexing_threshold": 1, "default_segment_number": 1}
"""One indexed segment from a kilobyte on."""

PLAIN: dict[str, Any] = {"vectors": DENSE, "optimizers_config": TUNING}
NAMED: dict[str, Any] = {"vectors": {"v": {**DENSE}, "w": {**DENSE}}, "optimizers_config": TUNING}
SPARSE: dict[str, Any] = {**PLAIN, "sparse_vectors": {"s": {}}}
CUSTOM: dict[str, Any] = {**PLAIN, "sharding_method": "custom", "shard_keys": ["eu"]}
SCALAR = {"type": "int8"}
PRODUCT = {"compression": "x4"}
MEMORY = ("cold", "pinned")
PLACEMENT = ("cold", "cached")
HERE: list[int] = []
"""The id of the server's only node, filled in when there is one."""


@dataclass(frozen=True)
class Row:
    """A field's life: absent, `first`, `second`, absent again, `first` again."""

    path: tuple[str | int, ...]
    first: Any
    second: Any
    base: dict[str, Any]
    required: bool = False
    """It cannot be left out of what it stands in."""
    since: str = ""
    """Later than the server that the tests run on."""
    until: str = ""

    def __str__(self) -> str:
        return ".".join(map(str, self.path)) or '""'

    def spec(self, value: Any = None) -> dict[str, Any]:
        """The base with `value` at the path; None leaves it out."""
        spec = deepcopy(self.base)
        if self.path[0] == "shard_keys":
            return _with_key(spec, self.path, value, self.required)
        *above, last = self.path
        if value is not None:
            within = reduce(lambda tree, word: tree.setdefault(word, {}), above, spec)
            within[last] = value
            return spec
        return pruned(spec, self.path)


def pruned(spec: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """`spec` without what stands at `path`."""
    within: Any = spec
    for word in path[:-1]:
        within = within.get(word, {})
    within.pop(path[-1], None)
    return spec


def _with_key(
    spec: dict[str, Any], path: tuple[str | int, ...], value: Any, required: bool
) -> dict[str, Any]:
    """Shard keys are a list: the entry, or the entry's field, that the path names."""
    _, key, *rest = path
    if rest:
        entry = {} if required else {"key": key}
        spec["shard_keys"].append(entry | ({rest[0]: value} if value is not None else {}))
    elif value is not None:
        spec["shard_keys"].append(value)
    return spec


def _hnsw(*path: str, base: dict[str, Any]) -> Iterator[Row]:
    at = (*path, "hnsw_config")
    yield Row((*at, "m"), 8, 24, base)
    yield Row((*at, "ef_construct"), 50, 80, base)
    yield Row((*at, "full_scan_threshold"), 20, 40, base)
    yield Row((*at, "max_indexing_threads"), 1, 2, base)
    yield Row((*at, "on_disk"), True, False, base)
    yield Row((*at, "payload_m"), 8, 4, base)
    yield Row((*at, "inline_storage"), True, False, base)
    yield Row((*at, "memory"), *MEMORY, base, since="1.19.0")


def _quantization(*path: str, base: dict[str, Any]) -> Iterator[Row]:
    at = (*path, "quantization_config")
    for first, second in (("scalar", "product"), ("product", "binary"), ("binary", "scalar")):
        made = {"scalar": SCALAR, "product": PRODUCT, "binary": {}}
        yield Row(at, {first: made[first]}, {second: made[second]}, base)
    yield Row(at, {"turbo": {}}, {"turbo": {"bits": "bits2"}}, base, since="1.18.0")
    kinds = {"scalar": SCALAR, "product": PRODUCT, "binary": {}, "turbo": {"bits": "bits4"}}
    for kind, made in kinds.items():
        on = _put(base, at, {kind: made})
        turbo = "1.18.0" if kind == "turbo" else ""
        yield Row((*at, kind, "always_ram"), True, False, on, since=turbo)
        yield Row((*at, kind, "memory"), *MEMORY, on, since="1.19.0")
    on = _put(base, at, {"scalar": SCALAR})
    yield Row((*at, "scalar", "type"), "int8", "int8", on, required=True)
    yield Row((*at, "scalar", "quantile"), 0.9, 0.912345678, on)
    on = _put(base, at, {"product": PRODUCT})
    yield Row((*at, "product", "compression"), "x8", "x16", on, required=True)
    on = _put(base, at, {"binary": {}})
    yield Row((*at, "binary", "encoding"), "two_bits", "one_and_half_bits", on)
    yield Row((*at, "binary", "query_encoding"), "scalar8bits", "binary", on)
    on = _put(base, at, {"turbo": {"always_ram": True}})
    yield Row((*at, "turbo", "bits"), "bits2", "bits4", on, since="1.18.0")
    yield Row((*at, "turbo", "bits"), "bits8", "bits8", on, since="1.20.0")


def _vector(name: str, base: dict[str, Any]) -> Iterator[Row]:
    at = ("vectors", name)
    yield Row((*at, "size"), SIZE, SIZE * 2, base, required=True)
    yield Row((*at, "distance"), "Dot", "Manhattan", base, required=True)
    yield Row((*at, "on_disk"), True, False, base)
    yield Row((*at, "datatype"), "float16", "uint8", base)
    yield Row((*at, "datatype"), "turbo4", "turbo4", base, since="1.18.2")
    yield Row((*at, "datatype"), "turbo8", "turbo16", base, since="1.20.0")
    yield Row((*at, "memory"), *PLACEMENT, base, since="1.19.0")
    yield Row((*at, "multivector_config"), {"comparator": "max_sim"}, {"comparator": "max_sim"},
              base)  # fmt: skip
    many = _put(base, at, {**DENSE, "multivector_config": {"comparator": "max_sim"}})
    where = (*at, "multivector_config", "comparator")
    yield Row(where, "max_sim", "max_sim", many, required=True)
    yield from _hnsw(*at, base=base)
    yield from _quantization(*at, base=base)


def _sparse() -> Iterator[Row]:
    at = ("sparse_vectors", "s")
    yield Row((*at, "modifier"), "idf", "none", SPARSE)
    yield Row((*at, "index", "on_disk"), True, False, SPARSE)
    yield Row((*at, "index", "full_scan_threshold"), 100, 200, SPARSE)
    yield Row((*at, "index", "datatype"), "float16", "uint8", SPARSE)
    yield Row((*at, "index", "memory"), *MEMORY, SPARSE, since="1.19.0")


def _collection() -> Iterator[Row]:
    yield Row(("vectors", "x"), DENSE, {**DENSE, "on_disk": True}, NAMED)
    yield Row(("sparse_vectors", "x"), {}, {"modifier": "idf"}, SPARSE)
    yield Row(("shard_number",), 2, 3, PLAIN)
    yield Row(("sharding_method",), "custom", "auto", PLAIN)
    yield Row(("replication_factor",), 2, 3, PLAIN)
    yield Row(("write_consistency_factor",), 2, 3, {**PLAIN, "replication_factor": 3})
    yield Row(("read_fan_out_factor",), 0, 2, PLAIN)
    yield Row(("read_fan_out_delay_ms",), 10, 20, PLAIN, since="1.17.0")
    yield Row(("on_disk_payload",), False, True, PLAIN)
    yield Row(("payload", "memory"), *PLACEMENT, PLAIN, since="1.19.0")
    yield Row(("id_tracker", "memory"), *MEMORY, PLAIN, since="1.20.0")
    yield Row(("metadata", "team"), "search", {"name": "search", "floor": 3}, PLAIN)
    yield Row(("metadata", "nested"), {"a": {"b": 1, "c": None}, "d": 2}, {"a": {"b": 2}}, PLAIN)
    yield Row(("wal_config", "wal_capacity_mb"), 1, 2, PLAIN)
    yield Row(("wal_config", "wal_segments_ahead"), 1, 2, PLAIN)
    yield Row(("wal_config", "wal_retain_closed"), 2, 3, PLAIN)


def _optimizers() -> Iterator[Row]:
    at = "optimizers_config"
    yield Row((at, "deleted_threshold"), 0.1234567890123, 1, PLAIN)
    yield Row((at, "vacuum_min_vector_number"), 100, 200, PLAIN)
    yield Row((at, "default_segment_number"), 2, 3, PLAIN)
    yield Row((at, "max_segment_size"), 100000, 200000, PLAIN)
    yield Row((at, "memmap_threshold"), 100000, 0, PLAIN)
    yield Row((at, "indexing_threshold"), 20000, 0, PLAIN)
    yield Row((at, "flush_interval_sec"), 1, 2, PLAIN)
    yield Row((at, "max_optimization_threads"), 1, "auto", PLAIN)
    yield Row((at, "prevent_unoptimized"), True, False, PLAIN, since="1.17.0")


def _strict_mode() -> Iterator[Row]:
    at = "strict_mode_config"
    yield Row((at, "enabled"), True, False, PLAIN)
    flags = ("unindexed_filtering_retrieve", "unindexed_filtering_update", "search_allow_exact")
    for name in flags:
        yield Row((at, name), False, True, PLAIN)
    caps = (
        "max_query_limit", "max_timeout", "search_max_hnsw_ef", "upsert_max_batchsize",
        "max_collection_vector_size_bytes", "max_collection_payload_size_bytes",
        "max_points_count", "max_payload_index_count", "read_rate_limit", "write_rate_limit",
        "filter_max_conditions", "condition_max_size",
    )  # fmt: skip
    for name in caps:
        yield Row((at, name), 1000, 2**64 - 1, PLAIN)
    yield Row((at, "search_max_oversampling"), 2, 2.5, PLAIN)
    yield Row((at, "search_max_batchsize"), 10, 20, PLAIN, since="1.17.1")
    yield Row((at, "max_resident_memory_percent"), 80, 90, PLAIN, since="1.18.0")
    yield Row((at, "max_disk_usage_percent"), 80, 90, PLAIN, since="1.18.2", until="1.18.3")
    for each, word in (("multivector_config", "max_vectors"), ("sparse_config", "max_length")):
        kept = _put(PLAIN, (at, each), {"kept": {word: 7}})
        yield Row((at, each, "a"), {word: 10}, {word: 20}, kept)
        yield Row((at, each, "a", word), 10, 20, _put(kept, (at, each, "a"), {word: 5}),
                  required=True)  # fmt: skip


PARAMETERS: dict[str, dict[str, tuple[Any, Any]]] = {
    "keyword": {"is_tenant": (True, False)},
    "integer": {"lookup": (False, True), "range": (False, True), "is_principal": (True, False)},
    "float": {"is_principal": (True, False)},
    "bool": {},
    "geo": {},
    "datetime": {"is_principal": (True, False)},
    "uuid": {"is_tenant": (True, False)},
    "text": {
        "tokenizer": ("prefix", "multilingual"),
        "lowercase": (False, True),
        "min_token_len": (2, 3),
        "max_token_len": (8, 9),
        "phrase_matching": (True, False),
        "ascii_folding": (True, False),
        "stopwords": ("en", {"languages": ["es", "english", "en"], "custom": ["z", "a"]}),
        "stemmer": ({"type": "snowball", "language": "en"},
                    {"type": "snowball", "language": "german"}),
    },
}  # fmt: skip
"""Of every type of payload index, the parameters that not all of them have."""


def _payload_indexes() -> Iterator[Row]:
    at = "payload_indexes"
    for kind, parameters in PARAMETERS.items():
        long = {**PLAIN, at: {kind: {"type": kind}}}
        other = "text" if kind == "keyword" else "keyword"
        yield Row((at, kind), kind, {"type": kind, "on_disk": True}, PLAIN)
        yield Row((at, kind, "type"), kind, other, long, required=True)
        for name, (first, second) in (parameters | {"on_disk": (True, False)}).items():
            yield Row((at, kind, name), first, second, long)
        yield Row((at, kind, "enable_hnsw"), False, True, long, since="1.17.0")
        yield Row((at, kind, "memory"), *MEMORY, long, since="1.19.0")
        inside = {**PLAIN, at: {f"{kind}[].{kind}": {"type": kind}}}
        yield Row((at, f"{kind}[].{kind}", "nested"), kind, f"{kind}[]", inside, since="1.20.0")
    long = {**PLAIN, at: {"keyword": {"type": "keyword"}}}
    yield Row((at, "keyword", "prefix"), True, False, long, since="1.19.0")
    text = _put(PLAIN, (at, "text"), {"type": "text"})
    yield Row((at, "text", "tokenizer"), "code", "code", text, since="1.20.0")
    yield Row((at, "text", "scoring"), True, {"type": "bm25"}, text, since="1.20.0")
    scored = _put(PLAIN, (at, "text"), {"type": "text", "scoring": {"type": "bm25"}})
    where = (at, "text", "scoring", "type")
    yield Row(where, "bm25", "bm25", scored, required=True, since="1.20.0")
    words = _put(PLAIN, (at, "text"), {"type": "text", "stopwords": {"custom": ["the"]}})
    yield Row((at, "text", "stopwords", "languages"), ["en"], ["spanish", "en"], words)
    words = _put(PLAIN, (at, "text"), {"type": "text", "stopwords": {"languages": ["en"]}})
    yield Row((at, "text", "stopwords", "custom"), ["b", "a"], ["C"], words)
    stem = {"type": "snowball", "language": "en"}
    stems = _put(PLAIN, (at, "text"), {"type": "text", "stemmer": stem})
    where = (at, "text", "stemmer")
    yield Row((*where, "type"), "snowball", "snowball", stems, required=True)
    yield Row((*where, "language"), "en", "spanish", stems, required=True)
    text = _put(PLAIN, (at, "text"), {"type": "text"})
    yield Row(where, {"type": "none"}, {"type": "none"}, text, since="1.19.0")


def _shard_keys() -> Iterator[Row]:
    at = "shard_keys"
    yield Row((at, "us"), "us", {"key": "us"}, CUSTOM)
    yield Row((at, 7), 7, {"key": 7}, CUSTOM)
    yield Row((at, "us", "key"), "us", "us", CUSTOM, required=True)
    yield Row((at, "us", "shards_number"), 2, 3, CUSTOM)
    yield Row((at, "us", "replication_factor"), 1, 2, CUSTOM)
    yield Row((at, "us", "placement"), HERE, [1], CUSTOM)


def _put(base: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    spec = deepcopy(base)
    *above, last = path
    reduce(lambda tree, word: tree.setdefault(word, {}), above, spec)[last] = value
    return spec


UNNAMED = {"vectors": {"": DENSE}, "optimizers_config": TUNING}
UNNAMED_TOO = {("size",), ("on_disk",), ("multivector_config",), ("hnsw_config", "m"),
               ("quantization_config",), ("quantization_config", "scalar", "quantile")}  # fmt: skip
"""What is tried on the unnamed vector as well as on a named one: each way of sending it."""

ROWS: tuple[Row, ...] = (
    *(row for row in _vector("", UNNAMED) if row.path[2:] in UNNAMED_TOO),
    *_vector("v", NAMED),
    *_sparse(),
    *_hnsw(base=PLAIN),
    *_quantization(base=PLAIN),
    *_collection(),
    *_optimizers(),
    *_strict_mode(),
    *_payload_indexes(),
    *_shard_keys(),
)
