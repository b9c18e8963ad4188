"""The part of a replacement's gate that compares the points of both collections."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from qdrantctl.flows.replacement.passes.context import ShardKey
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import Digest, Point, PointKey, PointStore, RawPoint
from qdrantctl.model.polling import poll
from qdrantctl.model.replacement import MARK, ReplacementSettings
from qdrantctl.model.replacement_gate import CheckName, GateCheck
from qdrantctl.model.resource import canonical_json

WRITE_PATIENCE = 5.0
LOOKS = 3
"""How often a point that differs is looked at: it may just have been written."""
_LOOK_PAUSE = 1.0
_COMPARED_AT_ONCE = 256
_SHOWN_DIFFERENCES = 5

Equality = Literal["digest", "content", "payload", "presence"]
"""How a point must be equal: all of it as stored; all of it but for what a conversion rounds; its
payload; or not at all, it must only be there."""

_TOLERANCES = {"float16": 2e-3, "turbo16": 2e-3, "turbo8": 0.05, "turbo4": 0.3}
"""The relative error of a vector that was stored as this type."""
_FLOAT_TOLERANCE = 1e-5


def choose_equality(settings: ReplacementSettings, *, is_identity: bool) -> Equality:
    """How points must be equal. `is_identity`: whether a copied point is stored as it was.

    A command without text fields may change payload and vectors at will.
    """
    if settings.fill == "copy":
        return "digest" if is_identity else "content"
    return "presence" if settings.fill == "command" and not settings.text_fields else "payload"


@dataclass(frozen=True, slots=True)
class GatePoints:
    """How the points of both collections are reached and compared."""

    open_pair: Callable[[ShardKey], tuple[PointStore, PointStore]]
    """Source and target of one shard key."""
    spec: Mapping[str, Any]
    """The canonical spec of the new collection."""
    equality: Equality
    sample: int
    """Number of random points."""
    shard_keys: tuple[ShardKey, ...] = (None,)
    patience: float = WRITE_PATIENCE
    """Seconds within which what is written to both sides is there."""

    @contextmanager
    def pair_of(self, shard_key: ShardKey) -> Iterator[tuple[PointStore, PointStore]]:
        """Source and target, until the block ends."""
        source, target = self.open_pair(shard_key)
        try:
            yield source, target
        finally:
            source.close()
            target.close()


def check_counts(points: GatePoints, late: int) -> GateCheck:
    """Whether both sides hold equally many points, for each shard key. Raises ClusterError.

    A pass has just carried over `late` points that were written since the pass before it, so as
    many may have been written since. The counts must come that near within the patience.
    """
    counts = poll(
        lambda: {key: _count_both(points, key) for key in points.shard_keys},
        lambda counts: _count_difference(counts) <= late,
        timeout=points.patience,
        interval=_LOOK_PAUSE / 2,
    )
    difference = _count_difference(counts)
    listed = "; ".join(
        f"{f'shard key {key}: ' if key is not None else ''}old {old:,}, new {new:,}"
        for key, (old, new) in counts.items()
    )
    if 0 < difference <= late:
        listed += f" (writers go on: the last pass found {late:,} differences)"
    return GateCheck(
        name=CheckName.COUNTS,
        passed=difference <= late,
        text=listed,
        figures={
            "old": sum(old for old, _ in counts.values()),
            "new": sum(new for _, new in counts.values()),
            "late": late,
        },
    )


def _count_difference(counts: Mapping[ShardKey, tuple[int, int]]) -> int:
    return sum(abs(old - new) for old, new in counts.values())


def _count_both(points: GatePoints, shard_key: ShardKey) -> tuple[int, int]:
    with points.pair_of(shard_key) as (source, target):
        return source.count_points(), target.count_points()


@dataclass(frozen=True, slots=True)
class _Difference:
    """A point that differs, and as what it was read from the source."""

    text: str
    source: Digest | None


def check_sample(points: GatePoints, catch_up: Callable[[], int] | None) -> GateCheck:
    """Whether random points are equal, half of them drawn from each side. Raises ClusterError.

    A point that differs is looked at again after a pass, or after a pause. If it was changed in the
    source meanwhile, that says nothing about it.
    """
    sampled = {key: _sample_both(points, key) for key in points.shard_keys}
    doubtful = {key: _compare_both(points, key, keys) for key, keys in sampled.items()}
    certain: dict[PointKey, str] = {}
    for _ in range(LOOKS - 1):
        if not any(doubtful.values()):
            break
        if catch_up:
            catch_up()
        else:
            time.sleep(min(_LOOK_PAUSE, points.patience))
        for shard_key, before in doubtful.items():
            now = _compare_both(points, shard_key, list(before))
            same = {k: d for k, d in now.items() if d.source == before[k].source}
            certain |= {key: difference.text for key, difference in same.items()}
            doubtful[shard_key] = {k: d for k, d in now.items() if k not in same}
    changing = sum(map(len, doubtful.values()))
    count = sum(map(len, sampled.values()))
    text = f"{count - len(certain):,} of {count:,} sampled points are equal"
    text += f", {changing:,} of them change all the time" if changing else ""
    if certain:
        first = sorted(certain.items())[:_SHOWN_DIFFERENCES]
        text += "; " + "; ".join(f"id {key.point_id}: {flaw}" for key, flaw in first)
    figures = {"sampled": count, "different": len(certain), "changing": changing}
    return GateCheck(name=CheckName.SAMPLE, passed=not certain, text=text, figures=figures)


def _sample_both(points: GatePoints, shard_key: ShardKey) -> list[PointKey]:
    count = math.ceil(points.sample / len(points.shard_keys) / 2)
    with points.pair_of(shard_key) as (source, target):
        return sorted({*source.sample_keys(count), *target.sample_keys(count)})


def _compare_both(
    points: GatePoints, shard_key: ShardKey, keys: Sequence[PointKey]
) -> dict[PointKey, _Difference]:
    differences = {}
    with points.pair_of(shard_key) as (source, target):
        for begin in range(0, len(keys), _COMPARED_AT_ONCE):
            batch = keys[begin : begin + _COMPARED_AT_ONCE]
            old = {source.key_of(point): point for point in source.fetch_points(batch)}
            new = {target.key_of(point): point for point in target.fetch_points(batch)}
            for key in batch:
                if text := _compare_points(points, source, target, old.get(key), new.get(key)):
                    digest = source.digest_of(old[key]) if key in old else None
                    differences[key] = _Difference(text, digest)
    return differences


def _compare_points(
    points: GatePoints,
    source: PointStore,
    target: PointStore,
    old: RawPoint | None,
    new: RawPoint | None,
) -> str:
    """How two points differ; empty if they are equal."""
    if old is None or new is None:
        if old is None and new is None:
            return ""
        return "it is not in the old collection" if old is None else "it is missing"
    if points.equality == "presence":
        return ""
    if points.equality == "digest" and source.digest_of(old) == target.digest_of(new):
        return ""
    before, after = source.decode_point(old), target.decode_point(new)
    if _payload_of(before) != _payload_of(after):
        return "its payload differs"
    if points.equality == "payload":
        return ""
    for name in sorted(before.vectors.keys() | after.vectors.keys()):
        if not _is_same_vector(points, name, before.vectors.get(name), after.vectors.get(name)):
            return f"its vector {name!r} differs" if name else "its vector differs"
    return "it differs" if points.equality == "digest" else ""


def _payload_of(point: Point) -> str:
    return canonical_json({name: v for name, v in point.payload.items() if name != MARK})


def _is_same_vector(points: GatePoints, name: str, old: Json, new: Json) -> bool:
    """Whether a vector is the same but for what its new type rounds and its metric scales."""
    dense = (points.spec.get("vectors") or {}).get(name)
    sparse = (points.spec.get("sparse_vectors") or {}).get(name)
    if dense is None and sparse is None:
        return True  # the new collection has no such vector
    if old is None or new is None:
        return old is new
    if dense is None:
        a, b = _entries_of(old), _entries_of(new)
        datatype = ((sparse or {}).get("index") or {}).get("datatype")
        return a.keys() == b.keys() and _is_close(
            [a[index] for index in sorted(a)], [b[index] for index in sorted(b)], datatype
        )
    rows_a = old if old and isinstance(old[0], list) else [old]
    rows_b = new if new and isinstance(new[0], list) else [new]
    is_scaled = dense.get("distance") == "Cosine" and dense.get("datatype") != "uint8"
    return len(rows_a) == len(rows_b) and all(
        _is_close(_normalise(a), _normalise(b), dense.get("datatype"))
        if is_scaled
        else _is_close(a, b, dense.get("datatype"))
        for a, b in zip(rows_a, rows_b, strict=True)
    )


def _entries_of(vector: Json) -> dict[int, float]:
    return dict(zip(vector["indices"], vector["values"], strict=True))


def _normalise(vector: Sequence[float]) -> list[float]:
    length = math.hypot(*vector) or 1.0
    return [value / length for value in vector]


def _is_close(a: Sequence[float], b: Sequence[float], datatype: str | None) -> bool:
    if len(a) != len(b):
        return False
    if datatype == "uint8":
        return all(abs(x - y) <= 1.0 for x, y in zip(a, b, strict=True))
    tolerance = _TOLERANCES.get(datatype or "", _FLOAT_TOLERANCE)
    return math.dist(a, b) <= tolerance * math.hypot(*a)
