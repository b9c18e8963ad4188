"""A kind is a value: its words, and pure functions that observe and change its resources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from qdrantctl.model.address import Address
from qdrantctl.model.change import Change, FieldChange
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec import Spec
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Finding, Violation


@dataclass(frozen=True, slots=True)
class Context:
    """What a kind may use to plan: the server, the day and the three states."""

    server: Server
    today: date
    desired: Inventory
    live: Inventory
    recorded: Inventory
    deleted: frozenset[Address] = frozenset()
    """Resources that this plan deletes."""
    owner: str = ""
    """Project and environment together."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """A kind of manifest that is no resource of its own: it is laid under others."""

    name: str
    """The word that errors use: `strict_mode_profile`."""
    manifest: str
    """The word in manifests: `StrictModeProfile`."""
    spec: type[Spec]
    canonical: Callable[[Spec], Mapping[str, Json]]
    apply: Callable[[Inventory, Inventory], Inventory]
    """documents of this kind, desired -> desired with them laid under."""
    lint: Callable[[Resource, Inventory], Iterable[Finding]]
    """What is wrong with a document beside the resources it may be laid under."""


def _no_violations(*_: object) -> Iterable[Violation]:
    return ()


def _no_findings(*_: object) -> Iterable[Finding]:
    return ()


def _unexpanded(desired: Mapping[str, Json], *_: object) -> Mapping[str, Json]:
    return desired


def _unclassified(fields: tuple[FieldChange, ...], *_: object) -> tuple[FieldChange, ...]:
    return fields


def _no_defaults(*_: object) -> Mapping[str, Json]:
    return {}


def _no_references(_: Mapping[str, Json]) -> Iterable[Address]:
    return ()


def _unresolved(resource: Resource, *_: object) -> Resource:
    return resource


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource."""

    name: str
    """The word in addresses: `collection`."""
    manifest: str
    """The word in manifests: `Collection`."""
    spec: type[Spec]
    """What `spec:` may hold."""
    canonical: Callable[[Spec], Mapping[str, Json]]
    """A validated spec as canonical JSON: one tree for one meaning."""
    observe: Callable[[Client, ReadRequest], Iterable[Resource]]
    """The live resources of this kind, their specs canonical."""
    steps: Callable[[Change, Context], Iterable[Call]]
    """The requests that carry out a change."""
    resolve_selectors: Callable[[Resource, Inventory], Resource] = _unresolved
    """A desired resource and the others -> with what it says of them by their labels spelt out."""
    merge_unselected: Callable[[Resource, Inventory, Resource], Resource] = _unresolved
    """A desired resource, the others that -f names, what is recorded of it -> with what it said of
    resources that -f does not name."""
    lint: Callable[[Resource, Inventory], Iterable[Finding]] = _no_findings
    """What is wrong with a desired resource beside the others, seen without a server."""
    check: Callable[[Change, Context], Iterable[Violation]] = _no_violations
    """What is wrong with a change on this cluster."""
    expand: Callable[
        [Mapping[str, Json], Mapping[str, Json], Mapping[str, Json]], Mapping[str, Json]
    ] = _unexpanded
    """desired, live, recorded -> desired with what it implies on this live resource."""
    classify_scope: Callable[
        [tuple[FieldChange, ...], Resource, Resource | None, Resource | None],
        tuple[FieldChange, ...],
    ] = _unclassified
    """fields, desired, live, recorded -> the fields with what no rule of one field can tell."""
    server_defaults: Callable[[Mapping[str, Json], Server], Mapping[str, Json]] = _no_defaults
    """live, server -> what the server reports of such a resource by default."""
    references: Callable[[Mapping[str, Json]], Iterable[Address]] = _no_references
    """The resources that a spec refers to: they come first, and go last."""
    after: tuple[str, ...] = ()
    """Kinds that are settled before this one."""
    namespace: str = ""
    """Kinds of one namespace cannot share a name."""
    scoped_to_owner: bool = False
    """Whether it is addressed per owner: two owners may both have one of a name."""
    needs_signing_key: bool = False
    """Whether tokens are made of it, which takes the key that the server signs with."""
    holds_data: bool = False
    """Whether removing one destroys points."""
