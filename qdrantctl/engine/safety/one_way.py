"""Changes after which no older server reads the storage or its snapshots."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

from qdrantctl.engine.safety.context import Problem, SafetyInput
from qdrantctl.model.change import Change, identify_fields
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.server import Version
from qdrantctl.model.spec import FieldTree, Path, field_tree_of, format_field
from qdrantctl.model.violation import Severity, Violation

_OLDEST_WAY_BACK = Version(1, 16, 3)
"""The oldest server that was measured: of a way back to older ones nothing is said."""


def check_way_back(inputs: SafetyInput) -> Iterator[Problem]:
    """QC238: the first settings of a collection that older servers do not know.

    1.16.3 does not start on a storage folder of 1.19.0 that it cannot express, refuses a snapshot
    with turbo, and loses `memory` from one (seen).
    """
    known: dict[Hashable, dict[Path, Version]] = {}
    for change in inputs.changes:
        kind = inputs.kinds[change.parsed_address.kind]
        if not kind.holds_data:
            continue
        shape = field_tree_of(kind.spec)
        likeness = kind.name, identify_fields(change.fields)
        if likeness not in known:
            known[likeness] = _versions_of_changes(change, shape)
        new = known[likeness]
        newest = max(new.values(), default=_OLDEST_WAY_BACK)
        if newest <= _OLDEST_WAY_BACK:
            continue
        live = inputs.context.live.get(change.parsed_address)
        in_use = shape.first_versions(live.spec).values() if live else ()
        if newest <= max(in_use, default=_OLDEST_WAY_BACK):
            continue
        names = ", ".join(format_field(path) for path, first in new.items() if first == newest)
        yield Problem(
            Violation(
                rule="QC238",
                severity=Severity.NOTE,
                address=change.address,
                message=f"no way back to {_version_before(newest)}: no server before {newest} "
                f"knows {names}",
                hint="An older server may not start on this storage any more, and it refuses "
                "snapshots of the collection or drops the setting.",
            )
        )


def _versions_of_changes(change: Change, shape: FieldTree) -> dict[Path, Version]:
    """The first version that knows each value that a change sets."""
    versions: dict[Path, Version] = {}
    for field in change.fields:
        if Effect.KEPT < field.effect < Effect.REFUSED and field.desired is not ABSENT:
            versions |= shape.first_versions_at(field.path, field.desired)
    return versions


def _version_before(version: Version) -> str:
    """`1.18` for 1.19.0, `1.18.1` for 1.18.2."""
    major, minor, patch = version
    return f"{major}.{minor}.{patch - 1}" if patch else f"{major}.{minor - 1}"
