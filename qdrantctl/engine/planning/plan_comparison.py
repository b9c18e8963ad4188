"""The comparison of two plans of the same resources: which values changed between them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qdrantctl.model.change import NOT_MANAGED, Change
from qdrantctl.model.field_rule import ABSENT, Effect, Json
from qdrantctl.model.resource import canonical_json
from qdrantctl.model.spec import Path

Document = Mapping[str, Any]

_DERIVED = {
    "because",
    "cause",
    "origin",
    "destroys_data",
    "desired",
    "disk_bytes",
    "points",
    "replacement",
}
"""These follow from the other values, or differ from one moment to the next. Another version may
word texts differently, and a plan that is computed from its own records desires the applied value
where it keeps drift.
"""


def changed_values(before: Mapping[str, Change], now: Mapping[str, Change]) -> Iterator[str]:
    """A line for every value of the changes `before`, by address, that differs `now`.

    Requests and records follow from the cluster and the ledger. They are reported only if nothing
    in those has changed.
    """
    for address, change in before.items():
        if address not in now:
            yield f"{address}: planned was {change.action}, now no change is needed"
            continue
        old, new = _change_document(change), _change_document(now[address])
        if canonical_json(old) == canonical_json(new):
            continue
        differences = _document_differences(old, new)
        causes = {path: sides for path, sides in differences.items() if _is_cause(path)}
        for path, (was, is_now) in (causes or differences or {(): (old, new)}).items():
            yield _describe_difference(address, path, was, is_now)


def is_same_work(before: Sequence[Change], now: Sequence[Change]) -> bool:
    """Whether two plans have the same steps and values. Their texts may differ."""
    if tuple(before) == tuple(now):
        return True
    old, new = (
        [(change.address, canonical_json(_change_document(change))) for change in changes]
        for changes in (before, now)
    )
    return old == new


def _change_document(change: Change) -> Document:
    """A change as its JSON, without derived values, its fields keyed by their path as JSON."""
    document = change.model_dump(mode="json", exclude=_DERIVED)
    fields = (
        field.model_dump(mode="json", exclude=_DERIVED)
        for field in change.fields
        if not (field.effect is Effect.KEPT and field.because == NOT_MANAGED)
    )
    return document | {"fields": {canonical_json(field.pop("path")): field for field in fields}}


def _document_differences(before: Document, now: Document) -> dict[Path, tuple[Json, Json]]:
    """Every path at which two documents differ, with both values; ABSENT for a missing one."""
    from deepdiff import DeepDiff

    diff = DeepDiff(
        before, now, view="tree", threshold_to_diff_deeper=0, ignore_private_variables=False
    )
    items = [item for group in diff.values() for item in group]
    return {
        tuple(item.path(output_format="list")): (_or_absent(item.t1), _or_absent(item.t2))
        for item in sorted(items, key=lambda item: str(item.path()))
    }


def _or_absent(value: Any) -> Json:
    return ABSENT if type(value).__name__ == "NotPresent" else value


def _is_cause(path: Path) -> bool:
    """Whether a value comes from the cluster or the ledger, and not from the other values."""
    match path:
        case ("action" | "uuid" | "created_at",) | ("schema_version", "recorded"):
            return True
        case ("fields", _) | ("fields", _, "live" | "recorded", *_):
            return True
    return False


def _describe_difference(address: str, path: Path, was: Json, now: Json) -> str:
    match path:
        case ("action",):
            return f"{address}: planned was {was}, now it is {now}"
        case ("uuid" | "created_at",) if ABSENT not in (was, now):
            return f"{address}: it was deleted and recreated since"
        case ("schema_version", "recorded"):
            return f"{address}: another apply has recorded it since"
        case ("fields", field) if now is ABSENT:
            return f"{address} {_document_field_name(field)}: no longer differs"
        case ("fields", field):
            live = _show_value(now.get("live", ABSENT))
            return f"{address} {_document_field_name(field)}: differs now ({live})"
        case ("fields", field, side, *inner):
            name = _document_field_name(field, *inner)
            return f"{address} {name}: {side} was {_show_value(was)}, is now {_show_value(now)}"
    where = _format_document_path(path)
    return f"{address}: {where} was {_show_value(was)}, is now {_show_value(now)}"


def _document_field_name(field: str | int, *inner: str | int) -> str:
    """The dotted path of a value in a field, given the field's own path as JSON."""
    return _format_document_path([*json.loads(str(field)), *inner])


def _format_document_path(path: Iterable[str | int]) -> str:
    return ".".join(str(part) for part in path if part != "")


def _show_value(value: Json) -> str:
    return "absent" if value is ABSENT else canonical_json(value)
