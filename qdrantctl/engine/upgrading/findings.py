"""All findings about an upgrade, in the order of their topics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qdrantctl.engine.deprecations import find_deprecated
from qdrantctl.engine.upgrading.inputs import UpgradeInput
from qdrantctl.engine.upgrading.order import check_order
from qdrantctl.engine.upgrading.refusals import find_refusals
from qdrantctl.engine.upgrading.snapshots import check_stored_snapshots
from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import Resource
from qdrantctl.model.server import Server, Version
from qdrantctl.model.spec import Path, field_tree_of
from qdrantctl.model.upgrade import Topic, UpgradeFinding, UpgradeSubject, VersionChange
from qdrantctl.model.violation import Severity

_WEIGHTS = (Severity.ERROR, Severity.WARNING, Severity.NOTE)


def find_upgrade_findings(inputs: UpgradeInput) -> tuple[UpgradeFinding, ...]:
    """What to know and to do before the upgrade; the same inputs give the same findings."""
    findings = [
        *check_order(inputs),
        *_check_refusals(inputs),
        *check_stored_snapshots(inputs),
        *_check_deprecations(inputs),
        *_check_pending_changes(inputs),
        *_check_new_fields(inputs),
        *_check_table(inputs),
    ]
    topics = list(Topic)
    return tuple(
        sorted(
            _merge_findings(findings),
            key=lambda f: (topics.index(f.topic), _WEIGHTS.index(f.severity)),
        )
    )


def _merge_findings(findings: Iterable[UpgradeFinding]) -> Iterator[UpgradeFinding]:
    """One finding for those that differ in their subjects only."""
    merged: dict[UpgradeFinding, dict[UpgradeSubject, None]] = {}
    for finding in findings:
        bare = finding.model_copy(update={"subjects": ()})
        merged.setdefault(bare, {}).update(dict.fromkeys(finding.subjects))
    for bare, subjects in merged.items():
        yield bare.model_copy(update={"subjects": tuple(subjects)})


def _check_table(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    """What the table of changes says about the versions on the way."""
    for change in inputs.table.changes:
        if not inputs.is_crossed(change.since) or not _is_relevant(change, inputs):
            continue
        subjects = tuple(_concerned(change, inputs)) if change.kind else ()
        if subjects or not change.kind:
            yield UpgradeFinding(
                topic=change.topic,
                severity=change.severity,
                since=change.since,
                subjects=subjects,
                message=change.message,
                hint=change.hint,
            )


def _is_relevant(change: VersionChange, inputs: UpgradeInput) -> bool:
    comes_from = change.only_from_before
    if comes_from and inputs.current.version >= Version.parse(comes_from):
        return False
    return inputs.current.distributed or not change.only_in_cluster


def _concerned(change: VersionChange, inputs: UpgradeInput) -> Iterator[UpgradeSubject]:
    for address, resource in _known_resources(inputs).items():
        if address.kind == change.kind and change.concerns(resource.spec):
            yield UpgradeSubject(address=str(address))


def _known_resources(inputs: UpgradeInput) -> Mapping[Address, Resource]:
    """Every resource: as desired, else as live, else as last applied."""
    known = {**inputs.recorded, **inputs.live, **inputs.desired}
    return {address: known[address] for address in sorted(known)}


def _check_refusals(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    """What the target refuses to create, and the current server does not."""
    for address, resource in _known_resources(inputs).items():
        declared = address in inputs.desired
        for path, because in _new_refusals(resource, inputs, inputs.current, inputs.target):
            yield UpgradeFinding(
                topic=Topic.REFUSED,
                severity=Severity.ERROR if declared else Severity.WARNING,
                subjects=(_subject(resource, path),),
                message=because,
                hint="Change the manifest before the upgrade."
                if declared
                else "It exists and stays. It cannot be created or restored like this any more.",
            )


def _check_new_fields(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    """Stated fields that the current server refuses and the target accepts."""
    for resource in inputs.desired.values():
        for path, because in _new_refusals(resource, inputs, inputs.target, inputs.current):
            yield UpgradeFinding(
                topic=Topic.NO_WAY_BACK,
                severity=Severity.NOTE,
                subjects=(_subject(resource, path),),
                message=f"{because}: refused now, applied by the first plan after the upgrade",
                hint="After that an older server may refuse the storage, or drop the setting.",
            )


def _new_refusals(
    resource: Resource, inputs: UpgradeInput, before: Server, after: Server
) -> Iterator[tuple[Path, str]]:
    """What `after` refuses of a resource, and `before` does not."""
    kind = inputs.kinds[resource.address.kind]
    if kind.holds_data:
        accepted, refused = (
            find_refusals(resource, kind, server, inputs.today) for server in (before, after)
        )
        known = {path for path, _ in accepted}
        for path, because in sorted(refused - accepted, key=str):
            if not path or path not in known:
                yield path, because


def _check_deprecations(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    for address, resource in inputs.desired.items():
        shape = field_tree_of(inputs.kinds[address.kind].spec)
        for path, deprecated in find_deprecated(shape, resource.spec, inputs.target.version):
            if inputs.is_crossed(deprecated.since):
                yield UpgradeFinding(
                    topic=Topic.DEPRECATED,
                    severity=Severity.NOTE,
                    since=deprecated.since,
                    subjects=(_subject(resource, path),),
                    message=f"{path[-1]} is deprecated",
                    hint=deprecated.advice,
                )


def _check_pending_changes(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    """Planned changes that need a new collection now, and do not on the target."""
    if inputs.current.version >= inputs.target.version:
        return
    now, then = (_effects(inputs, server) for server in (inputs.current, inputs.target))
    for (address, path), effect in now.items():
        later = then.get((address, path), Effect.SAME)
        if effect is Effect.REPLACE and Effect.KEPT < later < Effect.REPLACE:
            yield UpgradeFinding(
                topic=Topic.IN_PLACE,
                severity=Severity.NOTE,
                subjects=(UpgradeSubject(address=address, path=path),),
                message="the planned change needs a new collection now, and is made in place after "
                "the upgrade",
                hint="Apply it after the upgrade.",
            )


def _effects(inputs: UpgradeInput, server: Server) -> Mapping[tuple[str, Path], Effect]:
    changes = inputs.plan_for(server)
    return {(c.address, field.path): field.effect for c in changes for field in c.fields}


def _subject(resource: Resource, path: Path) -> UpgradeSubject:
    """A field of a resource, at the line that states it if a manifest or an overlay does."""
    origin, position = resource.origin_of(path), resource.locate(path)
    is_layered = any(where[: len(path)] == path for where in resource.layers) and bool(path)
    column = position[1] if position and position[1] and not is_layered else ABSENT
    return UpgradeSubject(
        address=str(resource.address),
        path=path,
        origin=origin or ABSENT,
        column=column if origin else ABSENT,
    )
