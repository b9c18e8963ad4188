"""The kind Quota: how full the nodes may get before they refuse writes (Qdrant 1.19 and newer).

A cluster always has a quota. One that limits nothing is the same as none: so a quota is created,
and deleted, like any other resource.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection.observe import telemetry_request
from qdrantctl.kinds.collection.strict_mode import Percent
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import ABSENT, Availability, Effect, FieldRule, Json
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.quota import (
    DISK_LIMIT,
    MEMORY_LIMIT,
    QUOTAS_PATH,
    QUOTAS_SINCE,
    NodeUsage,
    QuotaStatus,
)
from qdrantctl.model.resource import Facts, Inventory, Resource
from qdrantctl.model.spec import Spec
from qdrantctl.model.step import Call
from qdrantctl.model.violation import Finding

_ADDRESS = Address("quota", "cluster")
_NO_QUOTA = {"enabled": False}
_MOST_MEMORY = 2**40
"""KiB: no machine has a pebibyte. A control group without a limit has about 2^53."""

_GATE = Availability(since=str(QUOTAS_SINCE))
_LIMIT = FieldRule(drop=Effect.UPDATE, drop_because="lifts the limit", gate=_GATE, is_limit=True)


class Quota(Spec):
    """The quota of the cluster: the body of `PUT /quotas`."""

    enabled: Annotated[
        bool,
        FieldRule(unset_value=False, gate=_GATE, is_limit=True),
        Field(description="Whether the limits are enforced."),
    ]
    max_resident_memory_percent: Annotated[
        Percent | None,
        _LIMIT,
        Field(
            description="Share of its memory that a server may have in use; from there on it "
            "refuses writes."
        ),
    ] = None
    max_disk_usage_percent: Annotated[
        Percent | None,
        _LIMIT,
        Field(
            description="Share of the disk of its storage that may be in use; from there on it "
            "refuses writes."
        ),
    ] = None
    release_margin_percent: Annotated[
        Annotated[int, Field(ge=0, le=100)] | None,
        FieldRule(drop=Effect.UPDATE, drop_because="the default of the server", gate=_GATE),
        Field(
            description="How many percentage points below a limit that was reached the usage has "
            "to fall before writes are accepted again. Default: 5."
        ),
    ] = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.max_resident_memory_percent is None and self.max_disk_usage_percent is None:
            raise PydanticCustomError(
                "quota",
                "the quota limits nothing",
                {
                    "rule": "QC242",
                    "hint": f"State {DISK_LIMIT} or {MEMORY_LIMIT}, or delete the manifest.",
                },
            )
        return self


def _canonical_quota(spec: Spec) -> Mapping[str, Json]:
    return spec.model_dump(exclude_none=True)


def _observe_quota(client: Client, request: ReadRequest) -> Iterator[Resource]:
    """The quota, if it limits anything."""
    if client.server.version < QUOTAS_SINCE or not request.includes(_ADDRESS):
        return
    status = read_quota_status(client)
    if status is None:
        return
    needs_quota = request.only is not None or any(
        _ADDRESS in inventory for inventory in (request.desired, request.recorded)
    )
    if status.unread and needs_quota:
        raise ClusterError(
            f"{client.server.url}: the quota cannot be read",
            why=status.unread,
            hint="Use a cluster-wide key; a read-only one is enough to plan.",
        )
    if status.config.keys() & {MEMORY_LIMIT, DISK_LIMIT}:
        yield Resource(_ADDRESS, status.config, facts=Facts(usage=status.nodes))


def read_quota_status(client: Client) -> QuotaStatus | None:
    """The quota in force and the usage of the nodes; None before a version that has quotas.

    Raises ClusterError.
    """
    if client.server.version < QUOTAS_SINCE:
        return None
    try:
        answer = client.request(Call(method="GET", path=QUOTAS_PATH))
    except ClusterError as error:
        if not error.forbidden:
            raise
        return QuotaStatus(unread=error.why or error.what)
    telemetry = client.request(telemetry_request())
    return parse_quota_status(answer, telemetry)


def parse_quota_status(answer: Mapping[str, Any], telemetry: Mapping[str, Any]) -> QuotaStatus:
    """The results of `GET /quotas` and of `GET /telemetry`.

    A standalone server says only in telemetry whether it refuses writes: a limit that was reached
    holds until the usage is a margin below it.
    """
    peers: Mapping[str, Mapping[str, Any]] | None = answer.get("peers")
    if peers is None:
        exceeded = (telemetry.get("quota") or {}).get("exceeded") or {}
        peers = {"": {**answer["usage"], "exceeded": any(exceeded.values())}}
    memory = ((telemetry.get("app") or {}).get("system") or {}).get("ram_size")
    return QuotaStatus(
        config={
            name: answer["config"][name] for name in Quota.model_fields if name in answer["config"]
        },
        nodes=tuple(_parse_usage(node, usage) for node, usage in sorted(peers.items())),
        memory_is_unbounded=isinstance(memory, int) and memory > _MOST_MEMORY,
    )


def _parse_usage(node: str, usage: Mapping[str, Any]) -> NodeUsage:
    return NodeUsage(
        node=node,
        memory_percent=usage["resident_memory_percent"],
        disk_percent=usage["disk_usage_percent"],
        exceeded=usage["exceeded"],
    )


def _quota_steps(change: Change, context: Context) -> Iterator[Call]:
    """One request: it replaces the whole quota, so it repeats what stays as it is."""
    if change.action is Action.DELETE:
        yield _put_quota(_NO_QUOTA)
        return
    live = context.live.get(_ADDRESS)
    changed = [field for field in change.fields if field.effect > Effect.KEPT]
    config = (dict(live.spec) if live else {}) | {str(f.path[0]): f.desired for f in changed}
    if changed:
        yield _put_quota({name: value for name, value in config.items() if value is not ABSENT})


def _put_quota(config: Mapping[str, Json]) -> Call:
    return Call(method="PUT", path=QUOTAS_PATH, query={"wait": "true"}, body=dict(config))


def _lint_quota(resource: Resource, _: Inventory) -> Iterator[Finding]:
    if resource.address != _ADDRESS:
        message = f"a cluster has one quota, and its name is {_ADDRESS.name}"
        yield Finding("QC242", (), message, f"Write metadata: {{name: {_ADDRESS.name}}}.")


QUOTA = Kind(
    name=_ADDRESS.kind,
    manifest="Quota",
    spec=Quota,
    canonical=_canonical_quota,
    observe=_observe_quota,
    steps=_quota_steps,
    lint=_lint_quota,
    is_atomic=True,
    limits_only=True,
)
"""The limits of memory and disk, one set for the whole cluster."""
