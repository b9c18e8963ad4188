"""Where data lives, in its old spelling (`on_disk`) and its new one (`memory`, since 1.19).

Source: 1.19.0, `on_disk: false` and `memory: cached` are one placement, so are `true` and `cold`:
changing one into the other rewrites no segment. Beside `memory` an `on_disk` has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qdrantctl.model.change import FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.paths import get_at, leaf_paths
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import Path, format_field
from qdrantctl.model.violation import Finding, Severity

_MEMORY, _ON_DISK = "memory", "on_disk"
_PAYLOAD, _ON_DISK_PAYLOAD = ("payload", _MEMORY), ("on_disk_payload",)
_SAME = "the same placement in its other spelling; nothing is rewritten"
_NO_EFFECT = "has no effect while memory is set"


def judge_placements(
    fields: tuple[FieldChange, ...], _: Resource, live: Resource | None, __: Resource | None
) -> tuple[FieldChange, ...]:
    """The fields, where `on_disk` and `memory` are judged together: they say one thing."""
    if live is None:
        return fields
    changed = {field.path: field.desired for field in fields if field.effect is Effect.REBUILD}
    return tuple(_judge_placement(field, live.spec, changed) for field in fields)


def find_idle_spellings(spec: Mapping[str, Json]) -> Iterator[Finding]:
    """QC241: every `on_disk` beside a `memory`."""
    for path in leaf_paths(spec):
        if path[-1] != _MEMORY or (pair := _spellings(path)) is None:
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
    if field.effect is not Effect.REBUILD or (pair := _spellings(field.path)) is None:
        return field
    memory, on_disk = pair
    before = _placement(get_at(live, memory), get_at(live, on_disk))
    after_memory, after_on_disk = (
        changed.get(path, get_at(live, path)) for path in (memory, on_disk)
    )
    after = _placement(after_memory, after_on_disk)
    if field.path == on_disk and after_memory is not ABSENT:
        because = _NO_EFFECT
    elif before is not None and before == after:
        because = _SAME
    else:
        return field
    return field.model_copy(update={"effect": Effect.UPDATE, "because": because})


def _spellings(path: Path) -> tuple[Path, Path] | None:
    """The paths of `memory` and of `on_disk` beside it; None for every other field."""
    if path in (_PAYLOAD, _ON_DISK_PAYLOAD):
        return _PAYLOAD, _ON_DISK_PAYLOAD
    if path[0] == "payload_indexes" or path[-1] not in (_MEMORY, _ON_DISK):
        return None
    if "quantization_config" in path:
        return None
    return (*path[:-1], _MEMORY), (*path[:-1], _ON_DISK)


def _placement(memory: Json, on_disk: Json) -> Json:
    """`cold`, `cached` or `pinned`; None where neither is stated, since defaults differ."""
    if memory is not ABSENT:
        return memory
    return None if on_disk is ABSENT else ("cold" if on_disk else "cached")
