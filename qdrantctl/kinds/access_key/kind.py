"""The kind AccessKey as a value: how keys are read from the registry and changed there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from qdrantctl.kinds.access_key.checks import check_access_key, classify_scope, lint_access_key
from qdrantctl.kinds.access_key.spec import AccessKey, canonical_access_key
from qdrantctl.model.access_keys.generation import (
    REGISTRY_COLLECTION,
    Generation,
    parse_generations,
    registry_key_id,
)
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import Client, ReadRequest, get_or_none
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Facts, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call, collection_path, wait_query

_NAME_FIELD = "access_key"
_TERMS = ("ttl", "rotate_before", "grace")
_REGISTRY_PAGE = 1000


def _observe_keys(client: Client, request: ReadRequest) -> Iterator[Resource]:
    """Keys: revocable ones from the registry, the others from their records alone."""
    if request.only is None and not any(
        address.kind == _NAME_FIELD
        for inventory in (request.desired, request.recorded)
        for address in inventory
    ):
        return
    by_key: dict[str, list[Mapping[str, Json]]] = {}
    for payload in _read_registry(client, _registry_filter(request)):
        by_key.setdefault(str(payload["key"]), []).append(payload)
    prefixes = [f"{owner}/" for owner in reversed(request.owners)]
    # A previous name first: the entry under the present one overrides it.
    for key in sorted(by_key, key=lambda key: _owner_rank(key, prefixes)):
        rank = _owner_rank(key, prefixes)
        name = key.removeprefix(prefixes[rank]) if rank < len(prefixes) else key
        address = Address(_NAME_FIELD, name)
        if request.includes(address):
            yield _live_key(address, by_key[key])
    for address, recorded in request.recorded.items():
        if address.kind == _NAME_FIELD and request.includes(address) and _is_irrevocable(recorded):
            yield replace(
                recorded, record=None, facts=Facts(generations=_recorded_generations(recorded))
            )


def _owner_rank(key: str, prefixes: list[str]) -> int:
    ranks = (rank for rank, prefix in enumerate(prefixes) if key.startswith(prefix))
    return next(ranks, len(prefixes))


def _registry_filter(request: ReadRequest) -> dict[str, Json]:
    """The filter for the requested keys; empty if all keys are requested."""
    if request.only is None:
        return {}
    names = [address.name for address in request.only if address.kind == _NAME_FIELD]
    keys = [*names, *(registry_key_id(owner, name) for owner in request.owners for name in names)]
    return {"filter": {"must": [{"key": "key", "match": {"any": sorted(keys)}}]}}


def _read_registry(client: Client, filter_body: Mapping[str, Json]) -> Iterator[Mapping[str, Any]]:
    """The generations in the registry. Raises ClusterError for a point that is not one."""
    offset: Json = ABSENT
    while offset is not None:
        body = {"limit": _REGISTRY_PAGE, "with_payload": True, "with_vector": False, **filter_body}
        if offset is not ABSENT:
            body["offset"] = offset
        path = collection_path(REGISTRY_COLLECTION, "points", "scroll")
        page = get_or_none(client, Call(method="POST", path=path, body=body))
        if page is None:
            return
        for point in page["points"]:
            yield _parse_registration(point, client).document()
        offset = page.get("next_page_offset")


def _parse_registration(point: Mapping[str, Any], client: Client) -> Generation:
    """The generation of a point. A generation under another id could not be revoked."""
    with suppress(ValueError):
        result = Generation.parse(point.get("payload") or {})
        if result.point == point["id"]:
            return result
    raise ClusterError(
        f"{client.server.url}: the registry of keys holds a point {point['id']} that qdrantctl did "
        "not write",
        hint=f"Look at it, and delete it from the collection {REGISTRY_COLLECTION}.",
    )


def _live_key(address: Address, documents: list[Mapping[str, Json]]) -> Resource:
    """A key as its newest generation has it, revoked or not."""
    generations = parse_generations(documents)
    newest = generations[-1]
    spec: dict[str, Json] = {"access": dict(newest.access), **newest.terms, "revocable": True}
    if newest.subject:
        spec["subject"] = newest.subject
    return Resource(
        address,
        spec,
        facts=Facts(generations=tuple(generation.document() for generation in generations)),
    )


def _recorded_generations(resource: Resource | None) -> tuple[Mapping[str, Json], ...]:
    return resource.record.generations if resource and resource.record else ()


def _key_steps(change: Change, context: Context) -> Iterator[Call]:
    """A changed scope needs a new generation, since a token contains its scope."""
    live = context.live.get(change.parsed_address)
    existing = parse_generations(live.facts.generations) if live else ()
    if change.action is Action.DELETE:
        if existing and not _is_irrevocable(live):
            yield _delete_key(existing[-1].key, context.server)
        return
    desired = context.desired[change.parsed_address].spec
    if not desired["revocable"]:
        return
    for number in (f.path[1] for f in change.fields if f.path[0] == "generations"):
        revived = next(candidate for candidate in existing if candidate.number == number)
        yield _put_generation(replace(revived, revoked=True, live=False), context.server)
    changed = {str(f.path[0]) for f in change.fields if f.effect > Effect.KEPT} - {"generations"}
    if existing and not changed:
        return
    recorded = parse_generations(_recorded_generations(context.recorded.get(change.parsed_address)))
    newest = existing[-1] if existing else recorded[-1] if recorded else None
    key = newest.key if newest else registry_key_id(context.owner, change.parsed_address.name)
    generation = Generation(
        key=key,
        number=newest.number if newest else 1,
        access=desired["access"],
        subject=desired.get("subject", ""),
        terms={term: desired[term] for term in _TERMS if term in desired},
        # A revocation stays: only `keys rotate` grants access again.
        revoked=bool(newest and newest.revoked),
    )
    if existing and not changed & {"access", "subject"}:
        generation = replace(existing[-1], terms=generation.terms)
    elif newest and (newest.id or newest.revoked or not existing):
        number = max(candidate.number for candidate in (*existing, *recorded)) + 1
        generation = replace(generation, number=number)
    yield _put_generation(generation, context.server)


def _is_irrevocable(resource: Resource | None) -> bool:
    """Whether the server never looks its tokens up; unknown after an interrupted apply."""
    return resource is not None and resource.spec.get("revocable") is False


def _put_generation(generation: Generation, server: Server) -> Call:
    point = {"id": generation.point, "vector": {}, "payload": generation.document()}
    path = collection_path(REGISTRY_COLLECTION, "points")
    return Call(method="PUT", path=path, query=wait_query(server), body={"points": [point]})


def _delete_key(key: str, server: Server) -> Call:
    """Without its points, each token of the key is refused from the next request on."""
    path = collection_path(REGISTRY_COLLECTION, "points", "delete")
    only = {"must": [{"key": "key", "match": {"value": key}}]}
    return Call(method="POST", path=path, query=wait_query(server), body={"filter": only})


def _key_subjects(spec: Mapping[str, Json], known: Collection[Address]) -> Iterable[Address]:
    """The aliases and collections that it names; none for a key to the whole cluster."""
    named = (Address(kind, name) for name in spec["access"] for kind in ("alias", "collection"))
    return (address for address in named if address in known)


ACCESS_KEY = Kind(
    name=_NAME_FIELD,
    manifest="AccessKey",
    spec=AccessKey,
    canonical=canonical_access_key,
    observe=_observe_keys,
    steps=_key_steps,
    lint=lint_access_key,
    check=check_access_key,
    refine_fields=classify_scope,
    subjects=_key_subjects,
    after=("collection", "alias"),
    scoped_to_owner=True,
    needs_signing_key=True,
)
"""A key whose tokens the server checks; names are scoped to their owner."""
