"""The kind Alias: a second name for a collection. It holds no points and moves in one request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated

from pydantic import Field

from qdrantctl.model.address import OWN_PREFIX, Address, unsendable
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import Asked, Door
from qdrantctl.model.field_rule import Json, Rule
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.spec import Spec
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Finding, Violation


class Alias(Spec):
    """What a manifest says of an alias."""

    collection: Annotated[
        str, Rule(because="moves the alias"), Field(description="The collection that it points to.")
    ]


def _canonical(spec: Spec) -> Mapping[str, Json]:
    return spec.model_dump()


def _observe(door: Door, asked: Asked) -> Iterator[Resource]:
    for entry in door.ask(Call(method="GET", path="/aliases"))["aliases"]:
        address = Address("alias", entry["alias_name"])
        if asked.wants(address) and not address.name.startswith(OWN_PREFIX):
            yield Resource(address, {"collection": entry["collection_name"]})


def _steps(change: Change, context: Context) -> Iterator[Call]:
    """One action: creating an alias that exists moves it, and a failure leaves it where it was."""
    if change.action is Action.ADOPT and not change.fields:
        return
    if change.action is Action.DELETE:
        yield _call({"delete_alias": {"alias_name": change.where.name}})
    else:
        yield pointing(change.where.name, context.desired[change.where].spec["collection"])


def pointing(alias: str, collection: str) -> Call:
    """The request that makes an alias stand for a collection, wherever it was."""
    return _call({"create_alias": {"alias_name": alias, "collection_name": collection}})


def _call(action: Mapping[str, Json]) -> Call:
    return Call(method="POST", path="/collections/aliases", body={"actions": [action]})


def _lint(resource: Resource, desired: Inventory) -> Iterator[Finding]:
    target = resource.spec["collection"]
    reason = unsendable(target)
    if not reason and target == resource.address.name:
        reason = "an alias cannot stand for itself"
    if not reason and Address("alias", target) in desired:
        reason = f"{target} is itself an alias; an alias must name a real collection"
    if reason:
        yield Finding("QC103", ("collection",), reason, "Name the collection it stands for.")


def _check(change: Change, context: Context) -> Iterator[Violation]:
    if change.action not in (Action.CREATE, Action.UPDATE, Action.ADOPT):
        return
    target = Address("collection", context.desired[change.where].spec["collection"])
    if target in context.deleted:
        reason = f"{target} is deleted by this plan"
    elif target not in context.live and target not in context.desired:
        reason = f"{target} is neither on the cluster nor in the manifests"
    else:
        return
    yield Violation(
        rule="QC127",
        address=change.address,
        message=f"{change.address} cannot stand for {target.name}: {reason}",
        hint="Correct the name, or state the collection.",
    )


def _refs(spec: Mapping[str, Json]) -> Iterable[Address]:
    yield Address("collection", spec["collection"])


ALIAS = Kind(
    name="alias",
    manifest="Alias",
    spec=Alias,
    canonical=_canonical,
    observe=_observe,
    steps=_steps,
    lint=_lint,
    check=_check,
    refs=_refs,
    after=("collection",),
    namespace="collections",
)
"""An alias of a collection."""
