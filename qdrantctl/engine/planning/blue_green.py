"""The steps of a replacement without downtime: a new collection beside the old one. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from qdrantctl.engine.planning.size_forecast import forecast_bytes
from qdrantctl.engine.planning.vector_shapes import can_take_points, keeps_points
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change, ReplacementForecast
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.replacement import (
    CollectionRef,
    Phase,
    ReplacementRecord,
    ReplacementSettings,
    parse_settings,
)
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.step import (
    Call,
    CatchUp,
    Fill,
    Keep,
    Snapshot,
    Step,
    Sweep,
    SwitchAliases,
    Verify,
    collection_path,
)

BLUE_GREEN = "blue_green"
_READERS = "readers through the alias see the old collection, then the new one, and no gap"
_NOT_CARRIED = (
    "what was written since the switch: it stays in the collection that the aliases leave"
)
_PROMISES = {
    "live": (
        _READERS,
        "no acknowledged upsert or delete through the alias is lost, and no deleted point comes "
        "back",
    ),
    "dual": (_READERS, "a point that an application wrote to the new collection stays"),
    "frozen": (_READERS, "both collections are equal when the aliases move"),
}
_LIMITS = {
    "live": (
        "writes at any moment: they are refused right before the aliases move, and writers must "
        "repeat them",
        "both of two changes of one point, one on each side of the switch: the newer side stays, "
        "and the id is listed",
    ),
    "dual": (
        "what an application writes to one collection only: it is carried over as it was read",
    ),
    "frozen": ("writes that come nevertheless: they are carried over or listed, as found",),
}


def name_new_collection(address: Address, version: int) -> str:
    """The name on the cluster of a new collection: `products--8`."""
    return f"{address.name}--{version}"


def remaining_steps(
    record: ReplacementRecord, change: Change, context: Context, kind: Kind
) -> tuple[Step, ...]:
    """The steps from the recorded phase on. A rollback has source and target exchanged."""
    settings = parse_settings(record.settings)
    source, target = record.old.name, record.new.name
    pair = {"source": source, "target": target}
    spec: Mapping[str, Json] = record.entry["spec"]
    moves_away = settings.source is not None
    by_phase: dict[Phase, tuple[Step, ...]] = {
        Phase.CREATE: tuple(_steps_to_create(target, spec, change, context, kind)),
        Phase.FILL: (
            Step(
                fill=Fill(
                    **pair,
                    by=settings.fill,
                    environment=settings.source.environment if settings.source else "",
                )
            ),
        ),
        Phase.CATCH_UP: (Step(catch_up=CatchUp(**pair)),),
        Phase.GATE: (
            *_completing_steps(target, spec, kind, context.server),
            Step(verify=Verify(**pair)),
        ),
        Phase.SWITCH: ()
        if moves_away
        else (Step(switch=SwitchAliases(**pair, aliases=record.aliases)),),
        Phase.SWEEP: () if settings.writers == "dual" else (Step(sweep=Sweep(**pair)),),
        Phase.KEEP: () if moves_away else (Step(keep=Keep(**pair, duration=settings.keep)),),
    }
    if record.returning:
        by_phase[Phase.GATE] = ()
    if not record.carries:
        by_phase |= {Phase.CATCH_UP: (), Phase.SWEEP: ()}
    phases = list(Phase)
    remaining = phases[phases.index(record.phase) :]
    return tuple(step for phase in remaining for step in by_phase[phase])


def rollback_record(record: ReplacementRecord, *, has_digests: bool) -> ReplacementRecord:
    """The record of a rollback: source and target, and their states, are exchanged.

    Points are carried over if they were copied, and fit. Where the copy has rounded them, only the
    digests of the way forth (`has_digests`) tell which ones were written since.
    """
    before, entry = record.before, record.entry
    return record.model_copy(
        update={
            "phase": Phase.CATCH_UP,
            "old": record.new,
            "new": record.old,
            "entry": before,
            "before": entry,
            "returning": True,
            "carries": record.settings.get("fill", "copy") == "copy"
            and can_take_points(source=entry["spec"], target=before["spec"])
            and (has_digests or _is_exact(before["spec"], entry["spec"])),
            "keep_until": "",
            "passes": (),
            "conflicts": 0,
            "conflict_ids": (),
            "error": "",
        }
    )


def _is_exact(first: Mapping[str, Json], second: Mapping[str, Json]) -> bool:
    """Whether a copy in either direction keeps every point as it is."""
    return keeps_points(first, second) and keeps_points(second, first)


def retiring_steps(
    record: ReplacementRecord, nodes: tuple[str, ...], *, takes_snapshot: bool
) -> tuple[Step, ...]:
    """The steps that remove the old collection of a replacement, and lose its points."""
    deletion = Step(call=Call(method="DELETE", path=collection_path(record.old.name)))
    if not takes_snapshot:
        return (deletion,)
    snapshot = Snapshot(collection=record.collection, object=record.old.name, nodes=nodes)
    return (Step(snapshot=snapshot), deletion)


def draft_record(
    change: Change, record: Mapping[str, Json], desired: Resource, live: Resource | None, owner: str
) -> ReplacementRecord:
    """The record of a replacement that is not begun. Its id and time are set when it begins."""
    address = change.parsed_address
    settings = parse_settings(desired.lifecycle.replacement)
    is_moved = settings.source is not None
    new = address.name if is_moved else name_new_collection(address, record["schema_version"])
    old = address.name if live is None else live.object_name
    return ReplacementRecord(
        id="",
        owner=owner,
        collection=address.name,
        phase=Phase.CREATE,
        settings=dict(desired.lifecycle.replacement),
        old=_reference(old, live),
        new=_reference(new, None),
        aliases=live.facts.aliases if live else (),
        entry={**record, "object": new},
        begun="",
        expected=(live.facts.points if live else None) or 0,
    )


def forecast_replacement(
    record: ReplacementRecord, live: Resource | None, server: Server
) -> ReplacementForecast:
    """What a replacement takes, moves, promises and does not promise."""
    settings = parse_settings(record.settings)
    points = live.facts.points if live else None
    spec: Mapping[str, Json] = record.entry["spec"]
    shards = sum(
        (key.get("shards_number", 1) for key in spec["shard_keys"])
        if "shard_keys" in spec
        else (spec.get("shard_number", server.peers),)
    )
    replicas = spec.get("replication_factor", 1)
    optional: dict[str, int] = {}
    is_before = not (record.phase.is_after_switch or record.returning)
    aliases = live.facts.aliases if live is not None and is_before else ()
    if points is not None and is_before:
        disk, ram = forecast_bytes(spec, live, points)
        optional = {"points": points, "disk_bytes": disk * replicas, "ram_bytes": ram * replicas}
    return ReplacementForecast(
        old=record.old.name,
        new=record.new.name,
        phase=str(record.phase),
        rollback=record.returning,
        shards=shards,
        replicas=replicas,
        aliases=aliases or record.aliases,
        promises=_list_promises(record, settings),
        limits=_list_limits(settings) if record.carries else (_NOT_CARRIED,),
        **optional,
    )


def _list_promises(record: ReplacementRecord, settings: ReplacementSettings) -> tuple[str, ...]:
    if record.carries and settings.fill != "external":
        return _PROMISES[settings.writers]
    return (_READERS,)


def _list_limits(settings: ReplacementSettings) -> tuple[str, ...]:
    if settings.fill == "external":
        return ("any point: another program fills the new collection, and nothing is carried over",)
    return _LIMITS[settings.writers]


def _reference(name: str, live: Resource | None) -> CollectionRef:
    return CollectionRef(name=name, **(live.facts.identity if live else {}))


def _steps_to_create(
    name: str, spec: Mapping[str, Json], change: Change, context: Context, kind: Kind
) -> Iterator[Step]:
    """The requests that create the new collection, as it is while it is filled."""
    address = Address(kind.name, name)
    filling, _ = kind.split_for_filling(spec, context.server)
    creation = Change(address=str(address), action=Action.CREATE, cause=change.cause)
    alone = replace(
        context,
        desired=Inventory([Resource(address, filling)]),
        live=Inventory(),
        recorded=Inventory(),
    )
    for call in kind.steps(creation, alone):
        yield Step(call=call)


def _completing_steps(
    name: str, spec: Mapping[str, Json], kind: Kind, server: Server
) -> Iterator[Step]:
    """The request that gives the filled collection its index and its limits."""
    _, rest = kind.split_for_filling(spec, server)
    if rest is not ABSENT:
        yield Step(call=Call(method="PATCH", path=collection_path(name), body=rest))
