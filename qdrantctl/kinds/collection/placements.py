"""Where data lives, in its old spelling (`on_disk`) and its new one (`memory`, since 1.19).

Source: 1.19.0, `on_disk: false` and `memory: cached` are one placement, so are `true` and `cold`:
changing one into the other rewrites no segment. The index of a sparse vector is kept on the heap:
there `false` is `pinned`. Beside `memory` an `on_disk` has no effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from qdrantctl.kinds.collection.common import MEMORY_GATE
from qdrantctl.model.change import FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.paths import get_at, leaf_paths, put_at
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec import Path, format_field
from qdrantctl.model.spec_memo import SpecMemo
from qdrantctl.model.violation import Finding, Severity

MEMORY, ON_DISK = "memory", "on_disk"
PAYLOAD_MEMORY, ON_DISK_PAYLOAD = ("payload", MEMORY), ("on_disk_payload",)
_ID_TRACKER = ("id_tracker", MEMORY)
_SAME = "the same placement in its other spelling; nothing is rewritten"
_BY_DEFAULT = "as it is by default; nothing is rewritten"
_NO_EFFECT = "has no effect while memory is set"


class Spellings(NamedTuple):
    """The paths of the two fields that state one placement."""

    memory: Path
    on_disk: Path

    def placement_in(self, spec: Mapping[str, Json]) -> Json:
        """`cold`, `cached` or `pinned`; None where neither is stated, since defaults differ."""
        return self.placement(get_at(spec, self.memory), get_at(spec, self.on_disk))

    def placement(self, memory: Json, on_disk: Json) -> Json:
        """The placement that the values of the two fields state together."""
        if memory is not ABSENT:
            return memory
        return None if on_disk is ABSENT else placement_of(on_disk, heap=self.on_heap)

    @property
    def on_heap(self) -> bool:
        """Whether the data is on the heap unless it is on disk."""
        return self.memory[0] == "sparse_vectors"


def placement_of(on_disk: bool, *, heap: bool) -> str:
    """The placement that a value of `on_disk` means."""
    return "cold" if on_disk else "pinned" if heap else "cached"


def respell_placements(
    spec: Mapping[str, Json], other: Mapping[str, Json], server: Server
) -> Mapping[str, Json]:
    """`spec` with every placement in the spelling of `other`, where both state the same one.

    A server without `memory` refuses it, so there nothing is respelled.
    """
    if MEMORY_GATE.unsupported_reason(server):
        return spec
    for pair in _pairs_in(spec):
        placement = pair.placement_in(spec)
        if placement is not None and placement == pair.placement_in(other):
            for path in pair:
                if get_at(spec, path) != get_at(other, path):
                    spec = put_at(spec, path, get_at(other, path))
    return spec


def judge_placements(
    fields: tuple[FieldChange, ...], _: Resource, live: Resource | None, __: Resource | None
) -> tuple[FieldChange, ...]:
    """The fields, where `on_disk` and `memory` are judged together: they say one thing."""
    if live is None:
        return fields
    changed = {field.path: field.desired for field in fields if field.effect is Effect.REBUILD}
    return tuple(_judge_placement(field, live.spec, changed) for field in fields)


def find_idle_spellings(spec: Mapping[str, Json]) -> Iterable[Finding]:
    """QC241: every `on_disk` beside a `memory`."""
    return _IDLE_SPELLINGS.recall((spec,), lambda: tuple(_list_idle_spellings(spec)))


_IDLE_SPELLINGS: SpecMemo[tuple[Finding, ...]] = SpecMemo()


def _list_idle_spellings(spec: Mapping[str, Json]) -> Iterator[Finding]:
    for path in leaf_paths(spec):
        if path[-1] != MEMORY or (pair := _spellings(path)) is None:
            continue
        memory, on_disk = pair
        if get_at(spec, on_disk) is not ABSENT:
            yield Finding(
                "QC241",
                on_disk,
                f"{format_field(on_disk)} has no effect beside {format_field(memory)}",
                f"Leave {on_disk[-1]} out.",
                Severity.WARNING,
            )


def _judge_placement(
    field: FieldChange, live: Mapping[str, Json], changed: Mapping[Path, Json]
) -> FieldChange:
    if field.path == _ID_TRACKER and field.live is ABSENT and field.desired == "pinned":
        return field.model_copy(update={"effect": Effect.UPDATE, "because": _BY_DEFAULT})
    if field.effect is not Effect.REBUILD or (pair := _spellings(field.path)) is None:
        return field
    after_memory, after_on_disk = (changed.get(path, get_at(live, path)) for path in pair)
    before, after = pair.placement_in(live), pair.placement(after_memory, after_on_disk)
    if field.path == pair.on_disk and after_memory is not ABSENT:
        because = _NO_EFFECT
    elif before is not None and before == after:
        because = _SAME
    else:
        return field
    return field.model_copy(update={"effect": Effect.UPDATE, "because": because})


def _pairs_in(spec: Mapping[str, Json]) -> Iterator[Spellings]:
    """The two spellings of every placement that a spec can state."""
    yield Spellings(PAYLOAD_MEMORY, ON_DISK_PAYLOAD)
    sections: list[Path] = [("hnsw_config",)]
    for name in spec.get("vectors", {}):
        sections += [("vectors", name), ("vectors", name, "hnsw_config")]
    sections += [("sparse_vectors", name, "index") for name in spec.get("sparse_vectors", {})]
    for section in sections:
        yield Spellings((*section, MEMORY), (*section, ON_DISK))


def _spellings(path: Path) -> Spellings | None:
    """The spellings of the placement that the field at `path` states; None for other fields."""
    if path in (PAYLOAD_MEMORY, ON_DISK_PAYLOAD):
        return Spellings(PAYLOAD_MEMORY, ON_DISK_PAYLOAD)
    if path[0] in ("payload_indexes", "id_tracker") or path[-1] not in (MEMORY, ON_DISK):
        return None
    if "quantization_config" in path:
        return None
    return Spellings((*path[:-1], MEMORY), (*path[:-1], ON_DISK))
