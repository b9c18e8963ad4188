"""The kind SnapshotPolicy: backups of collections, with schedule, destinations and retention.

It does not exist on the server: it is only recorded, and `snapshots run` reads the record.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection_selector import selects_collection
from qdrantctl.kinds.cron_schedule import NoTimeZonesError, check_schedule, load_time_zone
from qdrantctl.model.address import Address
from qdrantctl.model.change import Change
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.consent import matches_glob
from qdrantctl.model.duration import PATTERN, parse_duration
from qdrantctl.model.field_rule import Effect, FieldRule, Json
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.snapshots.destination import CLUSTER, unusable_destination_reason
from qdrantctl.model.spec import Spec
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Finding, Severity

_POLICY_NAME = "snapshot_policy"
_DROPPED = FieldRule(drop=Effect.UPDATE)
"""A value that the manifest drops no longer applies."""


def _policy_error(reason: ValueError | str, rule: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError(
        "policy", "{reason}", {"reason": str(reason), "rule": rule, "hint": hint}
    )


def _check_policy_duration(text: str) -> str:
    try:
        parse_duration(text)
    except ValueError as error:
        raise _policy_error(
            error, "QC163", "Write days, hours or minutes, as in 7d or 12h."
        ) from None
    return text


def _check_policy_schedule(text: str) -> str:
    try:
        check_schedule(text)
    except ValueError as error:
        hint = 'Write minute, hour, day, month and weekday, as in "0 3 * * *".'
        raise _policy_error(error, "QC163", hint) from None
    return text


def _check_time_zone(text: str) -> str:
    try:
        load_time_zone(text)
    except NoTimeZonesError as error:
        hint = "Install the system's package tzdata, or Python's of the same name."
        raise _policy_error(error, "QC163", hint) from None
    except ValueError as error:
        raise _policy_error(error, "QC163", "Write UTC, or a name as Europe/Berlin.") from None
    return text


def _check_destination(text: str) -> str:
    if reason := unusable_destination_reason(text):
        hint = "Write s3://, gs:// or az://BUCKET/PREFIX, file:///FOLDER or cluster; credentials "
        hint += "come from the environment of the caller."
        raise _policy_error(reason, "QC161", hint)
    return text.rstrip("/")


PolicyDuration = Annotated[
    str,
    AfterValidator(_check_policy_duration),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
Destination = Annotated[str, AfterValidator(_check_destination)]
RetentionCount = Annotated[int | None, _DROPPED, Field(ge=1, le=100_000)]


def _as_destinations(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class Retention(Spec):
    """Which snapshots are kept. A snapshot stays if any of these keeps it, as in restic."""

    keep_last: Annotated[
        RetentionCount, Field(description="Number of newest snapshots to keep.")
    ] = None
    keep_hourly: Annotated[
        RetentionCount, Field(description="Number of hours of which the last snapshot is kept.")
    ] = None
    keep_daily: Annotated[
        RetentionCount, Field(description="Number of days of which the last snapshot is kept.")
    ] = None
    keep_weekly: Annotated[
        RetentionCount, Field(description="Number of weeks of which the last snapshot is kept.")
    ] = None
    keep_monthly: Annotated[
        RetentionCount, Field(description="Number of months of which the last snapshot is kept.")
    ] = None
    keep_yearly: Annotated[
        RetentionCount, Field(description="Number of years of which the last snapshot is kept.")
    ] = None
    max_age: Annotated[
        PolicyDuration | None,
        _DROPPED,
        Field(
            description="None is kept longer than that, but the last good one and the last one "
            "that has points."
        ),
    ] = None

    @model_validator(mode="after")
    def _keeps(self) -> Self:
        if not self.model_fields_set - {"max_age"}:
            hint = "State how many, as in keep_daily: 7."
            raise _policy_error("the retention keeps no snapshots", "QC164", hint)
        return self


class Verify(Spec):
    """How often a snapshot is verified by restoring it."""

    every: Annotated[
        PolicyDuration, _DROPPED, Field(description="At least one within that time, as in 7d.")
    ]


class SnapshotPolicy(Spec):
    """Backups of collections: when snapshots are taken, where they are put, how long they stay."""

    collections: Annotated[
        list[str] | None,
        Field(min_length=1, description="Names of collections, with * and ? as wildcards."),
    ] = None
    match_labels: Annotated[
        dict[str, str] | None,
        _DROPPED,
        Field(
            min_length=1,
            description="Labels that a collection of this project must have, all of them. If "
            "collections is stated, too, both must match.",
        ),
    ] = None
    schedule: Annotated[
        str,
        AfterValidator(_check_policy_schedule),
        Field(description="When, as cron writes it: `0 3 * * *`."),
    ]
    timezone: Annotated[
        str, AfterValidator(_check_time_zone), Field(description="Time zone of the schedule.")
    ] = "UTC"
    retention: Annotated[Retention, Field(description="Which snapshots are kept.")]
    destination: Annotated[
        list[Destination],
        BeforeValidator(_as_destinations, json_schema_input_type=str | list[str]),
        Field(
            min_length=1,
            description="Where they are put: s3://, gs:// or az://BUCKET/PREFIX, file:///FOLDER, "
            "or cluster, which leaves them on the server.",
        ),
    ]
    server_copy: Annotated[
        Literal["remove", "keep"],
        Field(
            description="What becomes of the server's own copy once the set is elsewhere: it is "
            "removed, or kept until the last destination gives the set up."
        ),
    ] = "remove"
    verify: Annotated[
        Verify | None, _DROPPED, Field(description="How often a snapshot is verified.")
    ] = None

    @model_validator(mode="after")
    def _selects(self) -> Self:
        if not self.collections and not self.match_labels:
            hint = 'State collections: ["*"], or match_labels: {team: search}.'
            raise _policy_error("the policy selects no collections", "QC166", hint)
        return self


def _canonical_policy(spec: Spec) -> Mapping[str, Json]:
    return spec.model_dump(exclude_none=True)


def _resolve_labels(resource: Resource, desired: Inventory) -> Resource:
    """Labels as the names they select: a later run has no manifests."""
    if "match_labels" not in resource.spec:
        return resource
    names = [
        a.name for a, collection in desired.items() if selects_collection(resource.spec, collection)
    ]
    return replace(resource, spec={**resource.spec, "collections": names})


def _merge_unselected(resource: Resource, desired: Inventory, recorded: Resource) -> Resource:
    """Names that labels selected before stay, unless the collection's labels are known now."""
    if not {"match_labels"} <= resource.spec.keys() & recorded.spec.keys():
        return resource
    stated = {address.name for address in desired if address.kind == "collection"}
    names = {*resource.spec["collections"], *({*recorded.spec["collections"]} - stated)}
    return replace(resource, spec={**resource.spec, "collections": sorted(names)})


def _observe_policies(_: Client, request: ReadRequest) -> Iterator[Resource]:
    """The records, since policies do not exist on the server."""
    for address, recorded in request.recorded.items():
        if address.kind == _POLICY_NAME and request.includes(address):
            yield replace(recorded, record=None)


def _no_steps(_change: Change, _context: Context) -> Iterable[Call]:
    return ()


def _lint_policy(resource: Resource, _: Inventory) -> Iterator[Finding]:
    if not resource.spec["collections"]:
        message = "no collection that is stated here has the labels of the policy"
        hint = "Correct its labels, or leave it out here."
        yield Finding("QC167", ("match_labels",), message, hint, Severity.WARNING)
    if resource.spec["destination"] == [CLUSTER]:
        yield Finding(
            "QC162",
            ("destination",),
            "the snapshots stay on the same disk as the data, which is not a backup",
            "Add a destination in another place, as in [cluster, s3://backups/qdrant].",
            Severity.WARNING,
        )


def _policy_subjects(spec: Mapping[str, Json], known: Collection[Address]) -> Iterable[Address]:
    """The collections that it selects by name."""
    return (
        address
        for address in known
        if address.kind == "collection"
        and any(matches_glob(glob, address.name) for glob in spec["collections"])
    )


SNAPSHOT_POLICY = Kind(
    name=_POLICY_NAME,
    manifest="SnapshotPolicy",
    spec=SnapshotPolicy,
    canonical=_canonical_policy,
    observe=_observe_policies,
    steps=_no_steps,
    resolve_selectors=_resolve_labels,
    merge_unselected=_merge_unselected,
    subjects=_policy_subjects,
    lint=_lint_policy,
    after=("collection",),
    scoped_to_owner=True,
)
"""Backups of collections: schedule, destinations and retention of snapshots."""
