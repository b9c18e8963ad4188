"""Random collections for hypothesis, drawn from the spec's types: a new field joins by itself."""

from __future__ import annotations

import types
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.kinds.collection.text_index import STEMMED, STOPPED
from qdrantctl.model.field_rule import FieldRule
from qdrantctl.model.server import Server, Version
from qdrantctl.model.spec import Spec
from tests.support.servers import server_version

SERVER = Server(Version(1, 16, 3), "http://localhost:6333", distributed=True)
HUGE = 2**63

FEW: dict[str, tuple[int, ...]] = {
    "size": (1, 4, 64),
    "m": (0, 4, 16, 65535),
    "payload_m": (0, 4, 65535),
    "shard_number": (1, 2),
    "shards_number": (1, 2),
    "default_segment_number": (0, 1, 2),
    "wal_capacity_mb": (1, 2, 32),
    "wal_segments_ahead": (0, 1),
}
"""Numbers that cost memory, disk or time: few of them, and small."""

FIXED = (
    "size", "distance", "datatype", "multivector_config",
    "wal_config", "shard_number", "sharding_method", "shard_keys",
)  # fmt: skip
"""Fields of which a change makes a new collection."""

NAMES = st.sampled_from(["a", "b", "text", "é", "a b", "a.b", "7"])
PATHS = st.sampled_from(["a", "a.b", "a[].b", "a[0]", '"a b"', '"c"', "é", "x-y", "1"])
STRINGS = st.sampled_from(["", "a", "the", "Z", "é", "7", "on", "null"])
JSON = st.recursive(
    st.booleans() | st.integers(-HUGE, HUGE) | st.floats(allow_nan=False, allow_infinity=False)
    | STRINGS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(STRINGS, inner | st.none(), max_size=3),
    max_leaves=5,
)  # fmt: skip
MAPS = {"vectors": NAMES, "payload_indexes": PATHS, "metadata": STRINGS}
LANGUAGES = {
    "language": st.sampled_from(sorted({*STEMMED, *STEMMED.values()})),
    "languages": st.sampled_from(sorted({*STOPPED, *STOPPED.values()})),
}
JUNK = st.sampled_from(
    [-1, 0, 1, 2.5, True, None, "", "x", "Auto", "english", 2**64, 1e300, [], {}]
)


def values(
    server: Server, annotation: Any, name: str, low: float = -HUGE, high: float = HUGE
) -> st.SearchStrategy:
    """Values of a type, as a manifest for this server would state them."""
    origin = get_origin(annotation)
    if origin is Annotated:
        base, *marks = get_args(annotation)
        bounds = [m for mark in marks for m in getattr(mark, "metadata", [])]
        low = next((m.ge for m in bounds if hasattr(m, "ge")), low)
        high = next((m.le for m in bounds if hasattr(m, "le")), high)
        return values(server, base, name, low, high)
    if origin in (Union, types.UnionType):
        members = [member for member in get_args(annotation) if member is not type(None)]
        return st.one_of(*(values(server, member, name, low, high) for member in members))
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is dict:
        inner = get_args(annotation)[1]
        found = values(server, inner, name, low, high)
        return st.dictionaries(MAPS.get(name, NAMES), found, max_size=2)
    if origin is list:
        inner = values(server, get_args(annotation)[0], name, low, high)
        return st.lists(inner, max_size=3, min_size=0)
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return sections(server, annotation)
    return _scalars(annotation, name, low, high)


def _scalars(annotation: Any, name: str, low: float, high: float) -> st.SearchStrategy:
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        if name in FEW:
            return st.sampled_from(FEW[name])
        near = st.sampled_from([int(low), int(low) + 1, int(high) - 1, int(high)])
        return near | st.integers(int(low), min(int(high), int(low) + 100))
    if annotation is float:
        top = min(high, 1e6)
        return st.floats(low, top) | st.integers(int(low), int(top))
    return LANGUAGES.get(name, STRINGS) if annotation is str else JSON


def sections(server: Server, spec: type[Spec]) -> st.SearchStrategy:
    """A section: what is required, and any of the rest that the server knows."""
    required, optional = {}, {}
    for name, info in spec.model_fields.items():
        rule = _rule(info)
        if rule.gate.unsupported_reason(server) or name == "placement":
            continue
        found = values(server, info.annotation, name, *_bounds(info))
        if late := [
            value for value, gate in rule.values.items() if gate.unsupported_reason(server)
        ]:
            found = found.filter(lambda value, late=late: value not in late)
        (required if info.is_required() else optional)[name] = found
    return st.fixed_dictionaries(required, optional=optional)


def _rule(info: FieldInfo) -> FieldRule:
    return next((mark for mark in info.metadata if isinstance(mark, FieldRule)), FieldRule())


def _bounds(info: FieldInfo) -> tuple[float, float]:
    low = next((m.ge for m in info.metadata if hasattr(m, "ge")), -HUGE)
    return low, next((m.le for m in info.metadata if hasattr(m, "le")), HUGE)


@cache
def collections(server: Server = SERVER) -> st.SearchStrategy[dict[str, Any]]:
    """Documents that are mostly valid: every field within its own bounds."""
    return sections(server, Collection).map(_together)


def collections_here() -> st.SearchStrategy[dict[str, Any]]:
    """The same for the server that runs, which is asked when the first one is drawn."""
    return st.deferred(lambda: collections(Server(server_version(), SERVER.url, distributed=True)))


def _together(spec: dict[str, Any]) -> dict[str, Any]:
    """What fields ask of each other, so that most examples are accepted."""
    spec = deepcopy(spec)
    if spec.get("sharding_method") != "custom":
        spec.pop("shard_keys", None)
    for name in spec.get("vectors") or {}:
        (spec.get("sparse_vectors") or {}).pop(name, None)
    quantized = [spec, *(spec.get("vectors") or {}).values()]
    for section in quantized:
        kinds = section.get("quantization_config")
        if kinds is not None:
            for kind in list(kinds)[1:]:
                del kinds[kind]
            if not kinds:
                del section["quantization_config"]
    return spec


@st.composite
def pairs(
    draw: Callable[..., Any], made: st.SearchStrategy[dict[str, Any]] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two documents; of most pairs the second has what is fixed at creation from the first."""
    made = collections() if made is None else made
    first, second = draw(made), draw(made)
    if draw(st.sampled_from([True, True, True, False])):
        second = _alike(first, second)
    return first, second


def _alike(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    fixed = {name: first[name] for name in (*FIXED, "sparse_vectors") if name in first}
    found = {name: value for name, value in second.items() if name not in FIXED} | fixed
    found["vectors"] = {}
    tunings = list((second.get("vectors") or {}).values())
    for name, vector in (first.get("vectors") or {}).items():
        tuning = tunings.pop() if tunings else {}
        kept = {key: value for key, value in vector.items() if key in FIXED}
        found["vectors"][name] = kept | {k: v for k, v in tuning.items() if k not in FIXED}
    return _together(found)


@st.composite
def doubtful(draw: Callable[..., Any]) -> dict[str, Any]:
    """A document for the server that runs, in which one value stands in the place of another."""
    spec = draw(collections_here())
    if places := list(_places(spec)):
        within, key = draw(st.sampled_from(places))
        within[key] = draw(JUNK)
    return spec


def _places(tree: Any) -> Any:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, inner in items:
        yield tree, key
        if isinstance(inner, dict | list):
            yield from _places(inner)
