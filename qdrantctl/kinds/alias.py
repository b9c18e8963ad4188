"""The kind Alias: a second name for a collection. It holds no points and moves in one request."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from qdrantctl.model.address import OWN_PREFIX, Address, unsendable_reason
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.field_rule import FieldRule, Json
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.spec import Spec
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Finding, Violation


class Alias(Spec):
    """The spec of an Alias manifest."""

    collection: Annotated[
        str,
        FieldRule(because="moves the alias"),
        Field(description="The collection that it points to."),
    ]


def _canonical_alias(spec: Spec) -> Mapping[str, Json]:
    return spec.model_dump()


def _observe_aliases(client: Client, request: ReadRequest) -> Iterator[Resource]:
    for entry in client.request(Call(method="GET", path="/aliases"))["aliases"]:
        address = Address("alias", entry["alias_name"])
        if request.includes(address) and not address.name.startswith(OWN_PREFIX):
            target = request.names.logical_name(entry["collection_name"])
            yield Resource(address, {"collection": target})


def _alias_steps(change: Change, context: Context) -> Iterator[Call]:
    """One action: creating an existing alias moves it, and a failure leaves it unchanged."""
    if change.action is Action.ADOPT and not change.fields:
        return
    if change.action is Action.DELETE:
        yield _alias_call({"delete_alias": {"alias_name": change.parsed_address.name}})
    else:
        target = _find_target(context.desired[change.parsed_address].spec)
        yield point_alias(change.parsed_address.name, context.names.object_name(target))


def point_alias(alias: str, collection: str) -> Call:
    """The request that points an alias to a collection, from any previous target."""
    return _alias_call({"create_alias": {"alias_name": alias, "collection_name": collection}})


def _alias_call(action: Mapping[str, Json]) -> Call:
    return Call(method="POST", path="/collections/aliases", body={"actions": [action]})


def _lint_alias(resource: Resource, desired: Inventory) -> Iterator[Finding]:
    target = resource.spec["collection"]
    reason = unsendable_reason(target)
    if not reason and target == resource.address.name:
        reason = "an alias cannot point to itself"
    if not reason and Address("alias", target) in desired:
        reason = f"{target} is itself an alias; an alias must name a real collection"
    if reason:
        yield Finding("QC103", ("collection",), reason, "Name the collection it points to.")


def _check_alias(change: Change, context: Context) -> Iterator[Violation]:
    if change.action not in (Action.CREATE, Action.UPDATE, Action.ADOPT):
        return
    target = _find_target(context.desired[change.parsed_address].spec)
    holder = context.names.find_holder(target.name)
    if target in context.deleted:
        reason = f"{target} is deleted by this plan"
    elif holder not in (None, target):
        reason = f"a collection of that name belongs to {holder}, so it is named {holder.name} here"
    elif target not in context.live and target not in context.desired:
        reason = f"{target} is neither on the cluster nor in the manifests"
    else:
        return
    yield Violation(
        rule="QC127",
        address=change.address,
        message=f"{change.address} cannot point to {target.name}: {reason}",
        hint="Correct the name, or state the collection.",
    )


def _find_target(spec: Mapping[str, Json]) -> Address:
    return Address("collection", spec["collection"])


def _alias_references(spec: Mapping[str, Json]) -> Iterable[Address]:
    yield _find_target(spec)


def _alias_subjects(spec: Mapping[str, Json], _: Collection[Address]) -> Iterable[Address]:
    return _alias_references(spec)


ALIAS_KIND = Kind(
    name="alias",
    manifest="Alias",
    spec=Alias,
    canonical=_canonical_alias,
    observe=_observe_aliases,
    steps=_alias_steps,
    lint=_lint_alias,
    check=_check_alias,
    references=_alias_references,
    subjects=_alias_subjects,
    after=("collection",),
    namespace="collections",
)
"""An alias of a collection."""
