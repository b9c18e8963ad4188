"""Live collections as canonical specs: read in bulk, normalised so that no plan repeats itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from qdrantctl.kinds.collection.overrides import find_contradiction
from qdrantctl.kinds.collection.payload_indexes import canonical_payload_index
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.address import OWN_PREFIX, Address
from qdrantctl.model.client import Client, ReadRequest, get_or_none
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.resource import STORAGE_SINCE, CollectionStorage, Facts, Resource
from qdrantctl.model.server import CollectionLimit
from qdrantctl.model.spec import FieldTree, Path, Spec, field_tree_of
from qdrantctl.model.spec_memo import SharedSpecs
from qdrantctl.model.step import Call, collection_path

KIND = "collection"

_TOP_LEVEL = ("hnsw_config", "quantization_config", "wal_config", "strict_mode_config", "metadata")


def canonical_collection(spec: Spec) -> Mapping[str, Json]:
    """A manifest's spec as its canonical tree."""
    plain = spec.model_dump(exclude_none=True)
    if indexes := plain.get("payload_indexes"):
        plain["payload_indexes"] = {path: canonical_payload_index(i) for path, i in indexes.items()}
    if keys := plain.get("shard_keys"):
        plain["shard_keys"] = sorted(keys, key=_shard_key_order)
    return prune_empty(field_tree_of(Collection), plain)


def observe_collections(client: Client, request: ReadRequest) -> Iterator[Resource]:
    """The live collections, without those that are reserved for qdrantctl."""
    aliases: dict[str, list[str]] = defaultdict(list)
    targets: dict[str, str] = {}
    for entry in client.request(Call(method="GET", path="/aliases"))["aliases"]:
        aliases[entry["collection_name"]].append(entry["alias_name"])
        targets[entry["alias_name"]] = entry["collection_name"]
    names = request.names
    configurations = {
        address: config
        for address, config in _read_configurations(client, request)
        if (name := names.object_name(address)) not in targets and not name.startswith(OWN_PREFIX)
    }
    details = {
        address: _detail_request(names.object_name(address))
        for address, config in configurations.items()
        if _needs_details(request, address, config)
    }
    client.prefetch(details.values())
    shared, parsed = SharedSpecs(), dict[str, Mapping[str, Json]]()
    for address, config in configurations.items():
        name = names.object_name(address)
        facts = Facts(
            uuid=config.get("uuid") or "",
            object=names.by_address.get(address, ""),
            aliases=tuple(sorted(aliases[name])),
        )
        spec = _parse_once(config, parsed)
        if address in details:
            try:
                spec, facts = _add_details(client, name, spec, facts)
            except ClusterError as error:
                if not error.server_failed or client.server.peers == 1:
                    raise
                spec, facts = _assume_as_applied(request.recorded.get(address), error, spec, facts)
        needs_peers = (
            client.server.peers > 1
            and request.only is not None
            and address in request.details
            and not request.after_change
        )
        if address in request.counted:
            facts = _count_points(client, name, facts)
        if address in request.sized:
            facts = replace(facts, storage=_read_storage(client, name))
        if client.server.distributed and (needs_peers or _needs_topology(request, address, spec)):
            spec, facts = _add_topology(client, name, spec, facts)
            if address in request.counted:
                facts = _count_shard_keys(client, name, facts)
        yield Resource(address, shared.share(spec), facts=facts)
    yield from _find_hidden_collections(client, request, targets)


def _find_hidden_collections(
    client: Client, request: ReadRequest, targets: Mapping[str, str]
) -> Iterator[Resource]:
    """Collections whose name is also an alias (`targets`): only the list of names shows them.

    By their name every read, telemetry included, reaches the target of the alias.
    """
    names = request.names
    if request.only is not None:
        targets = {
            name: targets[name] for name in map(names.object_name, request.only) if name in targets
        }
    if not targets:
        return
    for entry in client.request(Call(method="GET", path="/collections"))["collections"]:
        name = entry["name"]
        address = names.find_address(name) if name in targets else None
        if address and request.includes(address):
            facts = _hidden_facts(names.logical_name(targets[name]))
            yield Resource(address, {}, facts=facts)


def _hidden_facts(target: str) -> Facts:
    return Facts(hidden_by=target, uncountable=f"an alias of its name leads to {target}")


def _read_storage(client: Client, name: str) -> CollectionStorage | None:
    """The size of a collection; None where the server does not report it.

    Nothing depends on it, so an error is no error of the plan.
    """
    if client.server.version < STORAGE_SINCE:
        return None
    try:
        sizes = client.request(Call(method="GET", path=collection_path(name, "memory")))["total"]
    except ClusterError:
        return None
    return CollectionStorage(**{field: sizes[field] for field in CollectionStorage.model_fields})


def _count_points(client: Client, name: str, facts: Facts) -> Facts:
    """The exact number of points. What the server reports beside a collection is an estimate.

    Where it refuses to count (strict mode without exact search, a timeout, missing rights), the
    number stays unknown.
    """
    try:
        return replace(facts, points=_count_exactly(client, name), counted=True)
    except ClusterError as error:
        return replace(facts, points=None, uncountable=error.why or error.what)


def _count_shard_keys(client: Client, name: str, facts: Facts) -> Facts:
    """The points of shard keys that seem to hold none, or are on other nodes, counted exactly."""
    exact: dict[Path, int | None] = {}
    for path, points in facts.points_by_key.items():
        if not points:
            try:
                exact[path] = _count_exactly(client, name, {"shard_key": path[-1]})
            except ClusterError:
                exact[path] = None
    return replace(facts, points_by_key={**facts.points_by_key, **exact})


def _count_exactly(client: Client, name: str, where: Mapping[str, Json] | None = None) -> int:
    body = {"exact": True, **(where or {})}
    call = Call(method="POST", path=collection_path(name, "points", "count"), body=body)
    return int(client.request(call)["count"])


def parse_live_spec(config: Mapping[str, Any]) -> Mapping[str, Json]:
    """The `config` of GET /collections/{name} as a canonical spec.

    GET has `optimizer_config` where every other request has `optimizers_config`, and has under
    `params` what a create request has at the top.
    """
    tree: dict[str, Json] = dict(config.get("params") or {})
    tree |= {key: config[key] for key in _TOP_LEVEL if config.get(key) is not None}
    tree["optimizers_config"] = config.get("optimizer_config") or {}
    vectors = tree.get("vectors") or {}
    tree["vectors"] = {"": vectors} if isinstance(vectors.get("size"), int) else vectors
    return prune_empty(field_tree_of(Collection), tree)


def _parse_once(
    config: Mapping[str, Any], parsed: dict[str, Mapping[str, Json]]
) -> Mapping[str, Json]:
    """The spec of a configuration; `parsed` keeps those of others that are written alike."""
    text = repr({name: value for name, value in config.items() if name != "uuid"})
    if text not in parsed:
        parsed[text] = parse_live_spec(config)
    return parsed[text]


def prune_empty(shape: FieldTree, tree: Mapping[str, Any]) -> dict[str, Json]:
    """A section without nulls, empty sections and fields that qdrantctl does not know."""
    result: dict[str, Json] = {}
    for name, inner in shape.fields.items():
        if (value := tree.get(name)) is None:
            continue
        if not (inner.is_leaf or isinstance(value, Mapping | list)):
            raise TypeError(f"{name} is no section")
        if inner.entries is not None and isinstance(value, Mapping):
            leaf = inner.entries.is_leaf
            value = {k: v if leaf else prune_empty(inner.entries, v) for k, v in value.items()}
        elif inner.fields and isinstance(value, Mapping):
            value = prune_empty(inner, value)
        if value or inner.is_leaf or (inner.rule.replaced_as_unit and inner.fields):
            result[name] = value
    return result


def _read_configurations(
    client: Client, request: ReadRequest
) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    """Addresses and configurations: one response of telemetry has all of them.

    In cluster mode only telemetry has the identity of a collection. It has also those that the
    server tells no details of, as a shard has no replica that is up.
    """
    if request.only is not None and not client.server.distributed:
        yield from _read_configurations_of(request.only, client, request.names)
        return
    names = request.names
    configurations = {
        entry["id"]: entry["config"] for entry in _read_telemetry(client)["collections"]
    }
    for name in sorted(configurations):
        named = names.find_address(name)
        if named and request.includes(named):
            yield named, configurations[name]


def telemetry_request() -> Call:
    """The request for the configurations of all collections."""
    return Call(method="GET", path="/telemetry", query={"details_level": "2"})


def _read_configurations_of(
    addresses: Iterable[Address], client: Client, names: ObjectNames
) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    """The same of some collections, each by a request of its own. Raises ClusterError."""
    for address in sorted(addresses):
        name = names.object_name(address)
        is_own = address.kind == KIND and names.find_address(name) == address
        if is_own and (info := _read_details(client, name)):
            yield address, info["config"]


def _read_telemetry(client: Client) -> Mapping[str, Any]:
    """Telemetry's part about collections."""
    result: Mapping[str, Any] = client.request(telemetry_request())["collections"]
    return result


def read_collection_limit(client: Client) -> CollectionLimit | None:
    """The server's limit of collections; None without one, or before a version that states it."""
    collections = _read_telemetry(client)
    most = collections.get("max_collections")
    if type(most) is not int:
        return None
    return CollectionLimit(most, frozenset(entry["id"] for entry in collections["collections"]))


def _detail_request(name: str) -> Call:
    return Call(method="GET", path=collection_path(name))


def _read_details(client: Client, name: str) -> Mapping[str, Any] | None:
    result: Mapping[str, Any] | None = get_or_none(client, _detail_request(name))
    return result


def _needs_details(
    request: ReadRequest, address: Address, configuration: Mapping[str, Any]
) -> bool:
    """Whether payload indexes, points or status are needed, or the time of creation as identity."""
    recorded = request.recorded.get(address)
    is_timed = recorded is not None and recorded.record and recorded.record.created_at
    return bool(
        address in request.details
        or _is_stated(request, address, "payload_indexes")
        or (is_timed and not configuration.get("uuid"))
    )


def _is_stated(request: ReadRequest, address: Address, field: str) -> bool:
    """Whether a manifest or a record states a field."""
    resources = (request.desired.get(address), request.recorded.get(address))
    return any(
        field in resource.spec
        or any(path[0] == field for path in resource.lifecycle.exclusive)
        or (resource.record and field in ((resource.record.pending or {}).get("spec") or {}))
        for resource in resources
        if resource is not None
    )


def _add_details(
    client: Client, name: str, spec: Mapping[str, Json], facts: Facts
) -> tuple[Mapping[str, Json], Facts]:
    """Payload indexes, points and status, which need a request of their own."""
    info = _read_details(client, name)
    if info is None:
        return spec, facts
    indexes = {
        field: canonical_payload_index(entry.get("params") or {"type": entry["data_type"]})
        for field, entry in sorted(info["payload_schema"].items())
    }
    if indexes:
        spec = {**spec, "payload_indexes": indexes}
    facts = replace(
        facts,
        created_at=str(info.get("created_at") or ""),
        points=info.get("points_count") or 0,
        status=info["status"],
        contradiction=find_contradiction(info, spec),
    )
    return spec, facts


def _assume_as_applied(
    recorded: Resource | None, error: ClusterError, spec: Mapping[str, Json], facts: Facts
) -> tuple[Mapping[str, Json], Facts]:
    """The server reports no details of a collection while a shard has no replica that is up.

    Its indexes are then assumed as last applied and marked unread; its points stay unknown.
    """
    if recorded and "payload_indexes" in recorded.spec:
        spec = {**spec, "payload_indexes": recorded.spec["payload_indexes"]}
    return spec, replace(facts, unread={"payload_indexes": error.why})


def _needs_topology(request: ReadRequest, address: Address, spec: Mapping[str, Json]) -> bool:
    """Whether shards are needed: for shard keys, or if a manifest states more replicas."""
    desired = request.desired.get(address)
    desired_replicas = desired.spec.get("replication_factor", 0) if desired else 0
    needs_replicas = desired_replicas > spec.get("replication_factor", 1)
    return needs_replicas or spec.get("sharding_method") == "custom"


def _add_topology(
    client: Client, name: str, spec: Mapping[str, Json], facts: Facts
) -> tuple[Mapping[str, Json], Facts]:
    """Shard keys with their shards, and the number and the peers of the replicas of each shard."""
    topology = client.request(Call(method="GET", path=collection_path(name, "cluster")))
    shards: dict[str | int, set[int]] = defaultdict(set)
    replicas: dict[str, int] = defaultdict(int)
    points: dict[str | int, dict[int, int]] = defaultdict(dict)
    for shard in (*topology["local_shards"], *topology["remote_shards"]):
        number = shard["shard_id"]
        replicas[str(number)] += shard["state"] == "Active"
        if (key := shard.get("shard_key")) is not None:
            shards[key].add(number)
            if "points_count" in shard:
                points[key][number] = shard["points_count"]
    if spec.get("sharding_method") == "custom" and shards:
        entries = [{"key": key, "shards_number": len(ids)} for key, ids in shards.items()]
        spec = {**spec, "shard_keys": sorted(entries, key=_shard_key_order)}
    points_by_key: dict[Path, int | None] = {
        ("shard_keys", key): sum(points[key].values()) if ids == set(points[key]) else None
        for key, ids in shards.items()
    }
    peers = {str(shard["peer_id"]) for shard in topology["remote_shards"]}
    peers |= {str(topology["peer_id"])} if topology["local_shards"] else set()
    facts = replace(
        facts, replicas=dict(replicas), peers=frozenset(peers), points_by_key=points_by_key
    )
    return spec, facts


def _shard_key_order(entry: Mapping[str, Json]) -> tuple[bool, Json]:
    """Numbers before strings: 7 and "7" are different keys."""
    return isinstance(entry["key"], str), entry["key"]
