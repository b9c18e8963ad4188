"""Resources: desired, live and last-applied state are all an `Inventory`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import field
from datetime import date
from functools import cached_property
from typing import NamedTuple

from pydantic import ConfigDict, Field

from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.quota import NodeUsage
from qdrantctl.model.server import Version
from qdrantctl.model.spec import Path
from qdrantctl.model.spec_memo import SpecMemo


class Origin(LazyModel):
    """A line of a file: `manifests/products.yaml:4`. Paths are relative to the project."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    file: str = Field(description="Path of the file, from the project's folder.")
    line: int = Field(description="Line, from 1.")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@frozen
class IgnoredField:
    """A field that plans ignore (`lifecycle.ignore`)."""

    path: Path
    reason: str
    until: date | None = None


@frozen
class Lifecycle:
    """The `lifecycle` section of a manifest."""

    protect: bool = False
    replace: str = "refuse"
    exclusive: tuple[Path, ...] = ()
    """Maps from which unmanaged keys are removed."""
    ignore: tuple[IgnoredField, ...] = ()
    replacement: Mapping[str, Json] = field(default_factory=dict)
    """The `replacement` section without defaults: the document of `ReplacementSettings`."""

    def document(self) -> dict[str, Json]:
        """The canonical JSON form without defaults, so that setting a default changes nothing."""
        result: dict[str, Json] = {}
        if self.protect:
            result["protect"] = True
        if self.replace != "refuse":
            result["replace"] = self.replace
        if self.exclusive:
            result["exclusive"] = sorted(list(path) for path in self.exclusive)
        if self.ignore:
            result["ignore"] = [
                {"path": list(i.path), "reason": i.reason}
                | ({"until": i.until.isoformat()} if i.until else {})
                for i in self.ignore
            ]
        if self.replacement:
            result["replacement"] = dict(self.replacement)
        return result

    @classmethod
    def parse(cls, document: Mapping[str, Json]) -> Lifecycle:
        """The inverse of `document`."""
        return cls(
            protect=bool(document.get("protect", False)),
            replace=str(document.get("replace", "refuse")),
            exclusive=tuple(tuple(path) for path in document.get("exclusive", ())),
            ignore=tuple(
                IgnoredField(
                    tuple(i["path"]),
                    i.get("reason", ""),
                    date.fromisoformat(i["until"]) if i.get("until") else None,
                )
                for i in document.get("ignore", ())
            ),
            replacement=dict(document.get("replacement", {})),
        )


STORAGE_SINCE = Version(1, 18, 0)
"""The first version that reports the size of a collection."""


class CollectionStorage(LazyModel):
    """The size of a collection: one replica of each shard, as `GET /collections/{name}/memory`."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    disk_bytes: int = Field(description="Bytes of its files.")
    ram_bytes: int = Field(description="Bytes that it holds in memory.")
    cached_bytes: int = Field(description="Bytes of its files that are in the page cache.")
    expected_cache_bytes: int = Field(
        description="Bytes of its files that should be in the page cache, by its settings."
    )


@frozen
class Facts:
    """What the cluster reports of a live resource beside its spec. It is never diffed."""

    uuid: str = ""
    """The collection's identity in cluster mode; a recreated collection has another one."""
    created_at: str = ""
    """When it was created, as the server reports from 1.20 on; empty if it was not read."""
    points: int | None = None
    """Stored points; None if they were not read. An estimate of the server unless `counted`."""
    counted: bool = False
    """Whether `points` is exact."""
    uncountable: str = ""
    """Why an exact count was refused; `points` is None then."""
    contradiction: str = ""
    """How its index contradicts its reported settings; empty if it does not, or was not read."""
    status: str = ""
    """green, yellow, grey or red; empty if it was not read."""
    aliases: tuple[str, ...] = ()
    hidden_by: str = ""
    """Where an alias of the collection's own name leads. Every request by this name then reaches
    that collection, except for a deletion, which removes this one."""
    replicas: Mapping[str, int] = field(default_factory=dict)
    """Active replicas by shard number; empty if they were not read."""
    peers: frozenset[str] = frozenset()
    """Nodes that hold shards of it; empty if they were not read."""
    points_by_key: Mapping[Path, int | None] = field(default_factory=dict)
    """Stored points by the path of each shard key in the spec; None if some of its shards are only
    on other nodes."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """Fields of the spec that could not be read because a node is down, each with the cause. Their
    values are the last-applied ones."""
    object: str = ""
    """The collection's name on the cluster; empty if it is the name in its address."""
    generations: tuple[Mapping[str, Json], ...] = ()
    """Of an access key: each of its generations, the newest last."""
    usage: tuple[NodeUsage, ...] = ()
    """Of the quota: how full each node is."""
    storage: CollectionStorage | None = None
    """Of a collection: its size; None if it was not read, or before Qdrant 1.18."""

    @property
    def identity(self) -> dict[str, str]:
        """What tells it from a recreated collection: `uuid`, `created_at`, or neither."""
        pins = {"uuid": self.uuid, "created_at": self.created_at}
        return {name: value for name, value in pins.items() if value}


@frozen
class Record:
    """The ledger entry of a resource without its spec."""

    owner: str
    schema_version: int = 0
    digest: str = ""
    uuid: str = ""
    created_at: str = ""
    pending: Mapping[str, Json] | None = None
    """An interrupted apply: `{"action": …, "spec": …}`."""
    commit: str = ""
    who: str = ""
    when: str = ""
    server: str = ""
    """Version of the server at the last apply."""
    observed: Mapping[str, Json] | None = None
    """The live spec after the last apply."""
    generations: tuple[Mapping[str, Json], ...] = ()
    """Of an access key: every generation that was created, the newest last."""
    committed: bool = False
    """Read from the committed state because the ledger has no entries of this owner."""


def is_recreated(before: Facts | Record, now: Facts) -> bool:
    """Whether `now` describes another collection: by the uuid, else by the time of creation.

    False where neither is known of both.
    """
    if before.uuid and now.uuid:
        return before.uuid != now.uuid
    return bool(before.created_at and now.created_at) and before.created_at != now.created_at


class OverlayOrigin(NamedTuple):
    """The origin of a value that an overlay provides as a default."""

    document: Address
    path: Path
    """In the overlay's spec."""
    origin: Origin | None


@frozen
class Resource:
    """A desired, live or last-applied resource.

    `spec` is canonical JSON: equal settings give equal trees.
    """

    address: Address
    spec: Mapping[str, Json]
    origin: Origin | None = None
    lifecycle: Lifecycle = Lifecycle()
    facts: Facts = Facts()
    record: Record | None = None
    """Only in the last-applied state."""
    labels: Mapping[str, str] = field(default_factory=dict)
    locate: Callable[[Path], tuple[int, int] | None] = field(
        default=lambda _: None, compare=False, repr=False
    )
    """Line and column, in `origin.file`, of the value at a path of the spec, or of the nearest
    parent; only in the desired state."""
    declared: Mapping[str, Json] = field(default_factory=dict)
    """Values of the manifest for qdrantctl only; only in the desired state."""
    layers: Mapping[Path, OverlayOrigin] = field(default_factory=dict, compare=False, repr=False)
    """Values of the spec that come from overlays; only in the desired state."""

    @property
    def object_name(self) -> str:
        """The name of a live collection on the cluster."""
        return self.facts.object or self.address.name

    @cached_property
    def digest(self) -> str:
        """sha256 over address, spec and lifecycle: its desired state."""
        address, lifecycle = str(self.address), self.lifecycle.document()
        return _text_digest(
            f'{{"address":{canonical_json(address)},"lifecycle":{canonical_json(lifecycle)},'
            f'"spec":{_SPEC_TEXTS.recall((self.spec,), lambda: canonical_json(self.spec))}}}'
        )

    @property
    def is_from_state(self) -> bool:
        """Whether its record comes from the committed state and not from the ledger."""
        return self.record is not None and self.record.committed

    def origin_of(self, path: Path) -> Origin | None:
        """The line that sets the value at `path`; that of the manifest if it is unknown."""
        if self.layers:
            for where, layer in self.layers.items():
                if where[: len(path)] == path:
                    return layer.origin
        position = self.locate(path)
        if self.origin is None or position is None:
            return self.origin
        return Origin(file=self.origin.file, line=position[0])


class Inventory(Mapping[Address, Resource]):
    """The desired, live or last-applied state: resources by address, in address order."""

    __slots__ = ("_resources",)

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        by_address = {resource.address: resource for resource in resources}
        self._resources = {address: by_address[address] for address in sorted(by_address)}

    def __getitem__(self, address: Address) -> Resource:
        return self._resources[address]

    def get(  # type: ignore[override]  # that of Mapping raises and catches KeyError
        self, address: Address, default: Resource | None = None
    ) -> Resource | None:
        """The resource at an address, or None."""
        return self._resources.get(address, default)

    def values(self) -> ValuesView[Resource]:
        """The resources."""
        return self._resources.values()

    def items(self) -> ItemsView[Address, Resource]:
        """Each address with its resource."""
        return self._resources.items()

    def __contains__(self, address: object) -> bool:
        return address in self._resources

    def __iter__(self) -> Iterator[Address]:
        return iter(self._resources)

    def __len__(self) -> int:
        return len(self._resources)


def canonical_json(value: Json) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return _CANONICAL.encode(value)


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def json_digest(value: Json) -> str:
    """`sha256:…` of the canonical JSON."""
    return _text_digest(canonical_json(value))


def _text_digest(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


_SPEC_TEXTS: SpecMemo[str] = SpecMemo()
