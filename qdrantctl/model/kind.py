"""A kind is a value: its names, and pure functions that read and change its resources."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date

from qdrantctl.model.address import Address
from qdrantctl.model.change import Change, FieldChange
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.object_names import SAME_NAMES, ObjectNames
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec import Spec
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Finding, Violation


@frozen
class Context:
    """The input of a kind for planning: the server, the date and the three states."""

    server: Server
    today: date
    desired: Inventory
    live: Inventory
    recorded: Inventory
    deleted: frozenset[Address] = frozenset()
    """Resources that this plan deletes."""
    owner: str = ""
    """Project and environment together."""
    names: ObjectNames = SAME_NAMES
    """The names of collections on the cluster."""


@frozen
class Overlay:
    """A kind of manifest that is not a resource: it provides defaults for resources."""

    name: str
    """Its name in errors: `strict_mode_profile`."""
    manifest: str
    """Its name in manifests: `StrictModeProfile`."""
    spec: type[Spec]
    canonical: Callable[[Spec], Mapping[str, Json]]
    apply: Callable[[Inventory, Inventory], Inventory]
    """documents of this kind, desired -> desired with their defaults."""
    lint: Callable[[Resource, Inventory], Iterable[Finding]]
    """The errors of a document, given the resources that it may provide defaults for."""


def _no_violations(*_: object) -> Iterable[Violation]:
    return ()


def _no_findings(*_: object) -> Iterable[Finding]:
    return ()


def _unexpanded(desired: Mapping[str, Json], *_: object) -> Mapping[str, Json]:
    return desired


def _as_spelled(spec: Mapping[str, Json], *_: object) -> Mapping[str, Json]:
    return spec


def _unclassified(fields: tuple[FieldChange, ...], *_: object) -> tuple[FieldChange, ...]:
    return fields


def _no_defaults(*_: object) -> Mapping[str, Json]:
    return {}


def _meets_requirement(*_: object) -> str:
    return ""


def _unsplit(spec: Mapping[str, Json], _: Server) -> tuple[Mapping[str, Json], Json]:
    return spec, ABSENT


def _no_references(_: Mapping[str, Json]) -> Iterable[Address]:
    return ()


def _no_subjects(_: Mapping[str, Json], __: Collection[Address]) -> Iterable[Address]:
    return ()


def _unresolved(resource: Resource, *_: object) -> Resource:
    return resource


@frozen
class Kind:
    """One kind of resource."""

    name: str
    """Its name in addresses: `collection`."""
    manifest: str
    """Its name in manifests: `Collection`."""
    spec: type[Spec]
    """The model of `spec:`."""
    canonical: Callable[[Spec], Mapping[str, Json]]
    """A validated spec as canonical JSON: specs of the same meaning give equal trees."""
    observe: Callable[[Client, ReadRequest], Iterable[Resource]]
    """The live resources of this kind, their specs canonical."""
    steps: Callable[[Change, Context], Iterable[Call]]
    """The requests that carry out a change."""
    resolve_selectors: Callable[[Resource, Inventory], Resource] = _unresolved
    """A desired resource, all desired ones -> the resource with label selectors resolved."""
    merge_unselected: Callable[[Resource, Inventory, Resource], Resource] = _unresolved
    """A desired resource, those selected by -f, its last-applied state -> the resource with its
    last-applied settings for resources that -f does not select."""
    lint: Callable[[Resource, Inventory], Iterable[Finding]] = _no_findings
    """The errors of a desired resource, given all desired ones, without a server."""
    check: Callable[[Change, Context], Iterable[Violation]] = _no_violations
    """The violations of a change on this cluster."""
    expand: Callable[
        [Mapping[str, Json], Mapping[str, Json], Mapping[str, Json]], Mapping[str, Json]
    ] = _unexpanded
    """desired, live, last applied -> desired with the values it implies for this live resource."""
    respell: Callable[[Mapping[str, Json], Mapping[str, Json], Server], Mapping[str, Json]] = (
        _as_spelled
    )
    """a spec, another one, server -> the spec in the spelling of the other one, for values that
    have two."""
    refine_fields: Callable[
        [tuple[FieldChange, ...], Resource, Resource | None, Resource | None],
        tuple[FieldChange, ...],
    ] = _unclassified
    """fields, desired, live, last applied -> the fields, classified across field boundaries."""
    server_defaults: Callable[[Mapping[str, Json], Server], Mapping[str, Json]] = _no_defaults
    """live, server -> the values that the server reports for such a resource by default."""
    split_for_filling: Callable[[Mapping[str, Json], Server], tuple[Mapping[str, Json], Json]] = (
        _unsplit
    )
    """A spec, server -> the spec while points are written to a new resource, and the body of the
    PATCH that completes it; ABSENT for none."""
    references: Callable[[Mapping[str, Json]], Iterable[Address]] = _no_references
    """The resources that a spec refers to: they are created first and deleted last."""
    subjects: Callable[[Mapping[str, Json], Collection[Address]], Iterable[Address]] = _no_subjects
    """A spec, the known addresses -> the resources that it is about: what a picture connects."""
    unmet_requirement: Callable[[str, Mapping[str, Json]], str] = _meets_requirement
    """A requirement of the environment, a desired spec -> how the spec fails it; empty if it does
    not."""
    after: tuple[str, ...] = ()
    """Kinds whose changes run before those of this one."""
    namespace: str = ""
    """Kinds of one namespace cannot share a name."""
    scoped_to_owner: bool = False
    """Whether it is addressed per owner: two owners may have resources of the same name."""
    needs_signing_key: bool = False
    """Whether its tokens need the key that the server signs with."""
    holds_data: bool = False
    """Whether removing one destroys points."""
    limits_only: bool = False
    """Whether it consists of limits, so that removing one loosens them."""
    is_atomic: bool = False
    """Whether a change of it is one request that takes effect as a whole. It is recorded only
    afterwards: an exceeded quota refuses entries of the ledger until it is raised."""
