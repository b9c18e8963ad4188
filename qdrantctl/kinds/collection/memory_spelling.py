"""The fields of a Collection manifest that `memory` replaces, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from qdrantctl.kinds.collection.placements import (
    MEMORY,
    ON_DISK,
    ON_DISK_PAYLOAD,
    PAYLOAD_MEMORY,
    placement_of,
)
from qdrantctl.kinds.collection.vectors import name_vectors
from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import Path

_QUANTIZES, _INDEXES = "an apply would quantize again", "an apply would build the index again"
_RAM_KEY = "always_ram"


@dataclass(frozen=True, slots=True)
class Respelling:
    """One field in its old spelling, and its new one in the same section."""

    path: Path
    """Of the field in the spec, in the manifest's notation."""
    key: str
    """The key to write instead; empty if the field says nothing and can go."""
    value: Json = None
    rebuilds: str = ""
    """What applying the new spelling makes the server do; empty if it does nothing."""


def find_respellings(stated: Mapping[str, Json]) -> Iterator[Respelling]:
    """Every field that `memory` replaces, in a valid spec in the manifest's notation."""
    yield from _payload(stated)
    yield from _index((), stated)
    vectors = stated.get("vectors") or {}
    for name, vector in name_vectors(vectors).items():
        path: Path = ("vectors",) if vector is vectors else ("vectors", name)
        yield from _placement(path, vector)
        yield from _index(path, vector)
    for name, vector in (stated.get("sparse_vectors") or {}).items():
        path = ("sparse_vectors", name, "index")
        yield from _placement(path, (vector or {}).get("index"), heap=True)
    for name, index in (stated.get("payload_indexes") or {}).items():
        yield from _unit(("payload_indexes", name), index, ON_DISK, "cold", _INDEXES)


def _payload(stated: Mapping[str, Json]) -> Iterator[Respelling]:
    section, memory = PAYLOAD_MEMORY
    if isinstance(on_disk := stated.get(ON_DISK_PAYLOAD[0]), bool):
        if (stated.get(section) or {}).get(memory):
            yield Respelling(ON_DISK_PAYLOAD, "")
        else:
            placement = placement_of(on_disk, heap=False)
            yield Respelling(ON_DISK_PAYLOAD, section, {memory: placement})


def _index(path: Path, section: Mapping[str, Json]) -> Iterator[Respelling]:
    """The graph and the quantization of a vector, or of all of them."""
    yield from _placement((*path, "hnsw_config"), section.get("hnsw_config"))
    for spelling in ("quantization_config", "quantization"):
        for kind, settings in (section.get(spelling) or {}).items():
            yield from _unit((*path, spelling, kind), settings, _RAM_KEY, "pinned", _QUANTIZES)


def _placement(path: Path, section: Json, *, heap: bool = False) -> Iterator[Respelling]:
    """`on_disk` of a section; beside `memory` it has no effect."""
    if isinstance(section, Mapping) and isinstance(on_disk := section.get(ON_DISK), bool):
        if section.get(MEMORY):
            yield Respelling((*path, ON_DISK), "")
        else:
            yield Respelling((*path, ON_DISK), MEMORY, placement_of(on_disk, heap=heap))


def _unit(
    path: Path, section: Json, key: str, placement: str, rebuilds: str
) -> Iterator[Respelling]:
    """A field of a section that the server compares as a whole; `false` is its default."""
    if isinstance(section, Mapping) and isinstance(value := section.get(key), bool):
        if value and not section.get(MEMORY):
            yield Respelling((*path, key), MEMORY, placement, rebuilds)
        else:
            yield Respelling((*path, key), "", rebuilds=rebuilds)
