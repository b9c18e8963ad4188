"""The requests that create, change, replace and delete a collection. Data, sent by others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qdrantctl.kinds.collection.defaults import collection_defaults
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.kinds.collection.strict_mode import RATES, UNLIMITED
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.kind import Context
from qdrantctl.model.paths import get_at, put_at
from qdrantctl.model.server import Server
from qdrantctl.model.spec import FieldTree, Path, field_tree_of
from qdrantctl.model.step import Call, collection_path, wait_query

STRICT_MODE_SECTION = "strict_mode_config"
OPTIMIZERS_SECTION = "optimizers_config"
THRESHOLD = "indexing_threshold"
INDEXES = "payload_indexes"
KEYS = "shard_keys"
NAMED = ("vectors", "sparse_vectors")
SCHEMA_TOKENS = 3
"""Write tokens that one payload index costs, and one vector name."""
_QUERY_WHEN_EMPTY = {"wait": "true"}
"""The query of an index of a new collection: it holds no points, so nothing outlasts the request,
and a cap of the server for new collections could refuse a timeout."""
_LIFTED = {"enabled": False, "max_payload_index_count": UNLIMITED, "write_rate_limit": UNLIMITED}


def collection_steps(change: Change, context: Context) -> Iterator[Call]:
    """The requests of a change of one collection."""
    name = context.names.object_name(change.parsed_address)
    if change.action is Action.CREATE:
        yield from _creation_steps(name, context.desired[change.parsed_address].spec)
    elif change.action is Action.DELETE:
        yield Call(method="DELETE", path=collection_path(name))
    elif change.action is Action.REPLACE:
        yield Call(method="DELETE", path=collection_path(name))
        yield from _creation_steps(name, context.desired[change.parsed_address].spec)
    else:
        yield from _update_steps(change, context)
    if change.action is not Action.DELETE:
        yield from _restore_aliases(change, context)


def _creation_steps(name: str, spec: Mapping[str, Json]) -> Iterator[Call]:
    """Shard keys before indexes, which need one; strict mode last, as it can forbid indexes.

    A server may have caps for every new collection, so stated caps that can forbid indexes are
    lifted until then. The server's own caps are unknown and stay.
    """
    shape = field_tree_of(Collection)
    body = {
        field: value
        for field, value in spec.items()
        if shape.fields[field].rule.create and field not in (INDEXES, KEYS)
    }
    later: dict[str, Any] = {}
    strict = body.pop(STRICT_MODE_SECTION, {})
    if strict.get("enabled") is False:
        strict = dict.fromkeys(RATES, UNLIMITED) | strict
    if strict and spec.get(INDEXES):
        later = {STRICT_MODE_SECTION: strict}
        strict = {cap: value for cap, value in _LIFTED.items() if cap in strict}
    if strict:
        body[STRICT_MODE_SECTION] = strict
    if set(body.get("vectors", ())) == {""}:
        body["vectors"] = body["vectors"][""]
    yield Call(method="PUT", path=collection_path(name), body=body)
    yield from (_shard_key_call(name, entry) for entry in spec.get(KEYS, ()))
    for field, index in spec.get(INDEXES, {}).items():
        yield _index_call(name, field, index, _QUERY_WHEN_EMPTY)
    later |= settings_after_creation(spec)
    if later:
        yield Call(method="PATCH", path=collection_path(name), body=later)


def settings_after_creation(spec: Mapping[str, Json]) -> dict[str, Any]:
    """The body of PATCH with what neither a creation nor a recovery from a snapshot sets."""
    body: dict[str, Any] = {}
    for field, tree in field_tree_of(Collection).fields.items():
        if field in spec and not tree.rule.create:
            body.setdefault(tree.rule.patch_section, {})[field] = spec[field]
    return body


def split_for_filling(
    spec: Mapping[str, Json], server: Server
) -> tuple[Mapping[str, Json], dict[str, Any]]:
    """The spec of a collection that is being filled, and the PATCH that completes it.

    Nothing is indexed until the points are there, which is faster than indexing them as they come.
    Strict mode comes last, so that its limits do not slow the filling down.
    """
    optimizers = spec.get(OPTIMIZERS_SECTION, {})
    threshold = optimizers.get(
        THRESHOLD, collection_defaults(spec, server)[OPTIMIZERS_SECTION][THRESHOLD]
    )
    filling = {**spec, OPTIMIZERS_SECTION: {**optimizers, THRESHOLD: 0}}
    rest: dict[str, Any] = {OPTIMIZERS_SECTION: {THRESHOLD: threshold}}
    if strict := filling.pop(STRICT_MODE_SECTION, None):
        rest[STRICT_MODE_SECTION] = strict
    return filling, rest


def _restore_aliases(change: Change, context: Context) -> Iterator[Call]:
    """The aliases that this replacement, or an interrupted one, has removed."""
    address = change.parsed_address
    missing = {
        a for a in _aliases_to_restore(change, context) if Address("alias", a) not in context.live
    }
    if change.action is Action.REPLACE:
        missing.update(context.live[address].facts.aliases)
    name = context.names.object_name(address)
    actions = [
        {"create_alias": {"alias_name": alias, "collection_name": name}}
        for alias in sorted(missing)
        if not _is_alias_taken(Address("alias", alias), address, context)
    ]
    if actions:
        yield Call(method="POST", path="/collections/aliases", body={"actions": actions})


def _aliases_to_restore(change: Change, context: Context) -> Iterable[str]:
    """Aliases of a replacement that was interrupted."""
    recorded = context.recorded.get(change.parsed_address)
    pending = recorded.record.pending if recorded and recorded.record else None
    aliases: Iterable[str] = (pending or {}).get("aliases", ())
    return aliases


def _is_alias_taken(alias: Address, collection: Address, context: Context) -> bool:
    """Whether this plan deletes an alias, or gives it to another collection."""
    desired = context.desired.get(alias)
    moves = desired is not None and desired.spec["collection"] != collection.name
    return alias in context.deleted or moves


def _update_steps(change: Change, context: Context) -> Iterator[Call]:
    """Only the changed fields, in an order that the server accepts."""
    name = context.names.object_name(change.parsed_address)
    desired, live = (
        context.desired[change.parsed_address].spec,
        context.live[change.parsed_address].spec,
    )
    changed = [field for field in change.fields if field.effect > Effect.KEPT]
    keys = [field for field in changed if field.path[0] == KEYS]
    indexes = _changed_indexes(field for field in changed if field.path[0] == INDEXES)
    vectors = [f for f in changed if f.path[0] in NAMED and len(f.path) == 2]
    remade = {
        f.path[:2] for f in changed if f.path[0] in NAMED and len(f.path) > 2 and f.destroys_data
    }
    for vector in sorted(remade, key=str):
        vectors += _remade_vector([f for f in changed if f.path[:2] == vector], desired, live)
    rest = [
        f
        for f in changed
        if f.path[0] not in (KEYS, INDEXES) and f not in vectors and f.path[:2] not in remade
    ]

    entries = {entry["key"]: entry for entry in desired.get(KEYS, ())}
    yield from (_shard_key_call(name, entries[f.path[1]]) for f in keys if f.desired is not ABSENT)
    body = patch_body(rest, desired, live)
    stated_limits = body.pop(STRICT_MODE_SECTION, {})
    if body:
        yield Call(method="PATCH", path=collection_path(name), body=body)
    relaxed = _relaxed_limits(live, indexes, len(vectors), stated_limits)
    if relaxed:
        yield Call(method="PATCH", path=collection_path(name), body={STRICT_MODE_SECTION: relaxed})
    query = _write_query(live, context.server)
    yield from _vector_name_calls(name, vectors, query)
    for index in sorted(index for index, is_dropped in indexes.items() if is_dropped):
        yield Call(method="DELETE", path=collection_path(name, "index", index), query=query)
    for index in sorted(index for index, is_dropped in indexes.items() if not is_dropped):
        yield _index_call(name, index, desired[INDEXES][index], query)
    final_limits = {
        cap: live.get(STRICT_MODE_SECTION, {}).get(cap) for cap in relaxed
    } | stated_limits
    final_limits = {cap: value for cap, value in final_limits.items() if relaxed.get(cap) != value}
    if final_limits:
        yield Call(
            method="PATCH", path=collection_path(name), body={STRICT_MODE_SECTION: final_limits}
        )
    for field in keys:
        if field.desired is ABSENT:
            path, body = collection_path(name, "shards", "delete"), {"shard_key": field.path[1]}
            yield Call(method="POST", path=path, body=body)


def _changed_indexes(fields: Iterable[FieldChange]) -> dict[str, bool]:
    """Index names with whether they are dropped."""
    result: dict[str, bool] = {}
    for field in fields:
        is_dropped = len(field.path) == 2 and field.desired is ABSENT
        result[str(field.path[1])] = is_dropped
    return result


def _relaxed_limits(
    live: Mapping[str, Json],
    indexes: Mapping[str, bool],
    vector_names: int,
    strict: Mapping[str, Json],
) -> dict[str, Json]:
    """Caps that are lifted while indexes and vector names are created, with values that allow that.

    At the index cap the server refuses even to recreate an existing index. Each index and each
    vector name costs write tokens of a bucket that may hold fewer, and that also exists with strict
    mode off.
    """
    caps = live.get(STRICT_MODE_SECTION, {})
    created = sum(not is_dropped for is_dropped in indexes.values())
    if not (created or vector_names):
        return {}
    relaxed: dict[str, Json] = {}
    existing = live.get(INDEXES, {})
    dropped = sum(is_dropped for is_dropped in indexes.values())
    recreated = sum(not is_dropped and field in existing for field, is_dropped in indexes.items())
    most = max(
        len(existing) - dropped + (created - recreated), len(existing) - dropped + (recreated > 0)
    )
    cap = "max_payload_index_count"
    if created and caps.get("enabled") and caps.get(cap, UNLIMITED) < most:
        relaxed[cap] = max(most, strict.get(cap, 0))
    cap = "write_rate_limit"
    tokens = SCHEMA_TOKENS * (len(indexes) + vector_names)
    if vector_names and cap in caps:  # one that a used-up limit refuses is in no shard, and shows
        relaxed[cap] = UNLIMITED
    elif caps.get(cap, UNLIMITED) < tokens:
        relaxed[cap] = strict[cap] if strict.get(cap, 0) >= tokens else UNLIMITED
    return relaxed


def patch_body(
    fields: Iterable[FieldChange], desired: Mapping[str, Json], live: Mapping[str, Json]
) -> dict[str, Any]:
    """The body of PATCH that changes these fields and nothing else.

    A section that the server replaces as a unit is sent whole; parameters are sent where PATCH
    reads them.
    """
    shape = field_tree_of(Collection)
    body: dict[str, Any] = {}
    for field in fields:
        trees = list(shape.walk(field.path))
        path = _sent_path(shape, field.path)
        rule = trees[len(path) - 1].rule
        if rule.merge_before_send:
            value = _merged_map(path, fields, desired, live)
        elif rule.replaced_as_unit or len(trees) < len(field.path):
            value = get_at(desired, path)
        else:
            value = field.desired
        if value is ABSENT:
            value = None if rule.unset_value is ABSENT else rule.unset_value
        section = trees[0].rule.patch_section
        body = put_at(body, (section, *path) if section else path, value)
    return body


def _sent_path(shape: FieldTree, path: Path) -> Path:
    """The path of what is sent for a field: of the unit that contains it, if there is one."""
    trees = list(shape.walk(path))
    units = (
        length
        for length, tree in enumerate(trees, 1)
        if tree.rule.replaced_as_unit or tree.rule.merge_before_send
    )
    return path[: next(units, len(trees))]


def _merged_map(
    path: Path, fields: Iterable[FieldChange], desired: Mapping[str, Json], live: Mapping[str, Json]
) -> Json:
    """A map that the server replaces as a unit: live and desired keys, without dropped ones."""
    dropped = {
        f.path[len(path)]
        for f in fields
        if f.path[: len(path)] == path
        and len(f.path) == len(path) + 1
        and f.desired is ABSENT
        and f.effect > Effect.KEPT
    }
    live_map, desired_map = get_at(live, path), get_at(desired, path)
    merged = {
        **(live_map if live_map is not ABSENT else {}),
        **(desired_map if desired_map is not ABSENT else {}),
    }
    return {key: value for key, value in merged.items() if key not in dropped}


def _remade_vector(
    fields: Sequence[FieldChange], desired: Mapping[str, Json], live: Mapping[str, Json]
) -> Iterator[FieldChange]:
    """The drop and the creation of a vector whose `fields` change.

    What no manifest states is created as it is now, as with a change in place.
    """
    shape, path = field_tree_of(Collection), fields[0].path[:2]
    vector = get_at(live, path)
    for field in fields:
        sent = _sent_path(shape, field.path)
        vector = put_at(vector, sent[2:], get_at(desired, sent))
    for value in (ABSENT, vector):
        yield fields[0].model_copy(update={"path": path, "desired": value})


def _vector_name_calls(
    name: str, fields: Iterable[FieldChange], query: Mapping[str, str]
) -> Iterator[Call]:
    """Vector names are created and dropped one by one (since 1.18); PATCH sets their tuning.

    The request that creates one is answered with 200 and drops everything else.
    """
    for field in fields:
        path = collection_path(name, "vectors", str(field.path[1]))
        if field.desired is ABSENT:
            yield Call(method="DELETE", path=path, query=query)
            continue
        dense = field.path[0] == "vectors"
        fixed = ("size", "distance", "datatype", "multivector_config") if dense else ("modifier",)
        body = {key: field.desired[key] for key in fixed if key in field.desired}
        tuned = {key: value for key, value in field.desired.items() if key not in fixed}
        index = {} if dense else field.desired.get("index", {})
        if "datatype" in index:
            body["datatype"] = index["datatype"]
            if len(index) == 1:
                del tuned["index"]
        vector_type = "dense" if dense else "sparse"
        yield Call(method="PUT", path=path, query=query, body={vector_type: body})
        if tuned:
            patched = {field.path[0]: {field.path[1]: tuned}}
            yield Call(method="PATCH", path=collection_path(name), body=patched)


def _shard_key_call(name: str, entry: Mapping[str, Json]) -> Call:
    body = {"shard_key" if field == "key" else field: value for field, value in entry.items()}
    return Call(method="PUT", path=collection_path(name, "shards"), body=body)


def _write_query(live: Mapping[str, Json], server: Server) -> Mapping[str, str]:
    """The query of a request for an index or a vector name, within the caps in force."""
    caps = live.get(STRICT_MODE_SECTION, {})
    return wait_query(server, caps.get("max_timeout") if caps.get("enabled") else None)


def _index_call(name: str, field: str, index: Mapping[str, Json], query: Mapping[str, str]) -> Call:
    schema = index["type"] if set(index) == {"type"} else dict(index)
    body = {"field_name": field, "field_schema": schema}
    path = collection_path(name, "index")
    return Call(method="PUT", path=path, query=query, body=body)
