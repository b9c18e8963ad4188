"""What a field can do on the server, declared on the field itself: `Annotated[int, Rule(...)]`."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from pydantic import MISSING

from qdrantctl.model.server import UNKNOWN, Server, Version

Json = Any
"""A JSON value; `ABSENT` where a value may be missing."""

NEIGHBOURS = 1e-15
"""Relative difference below which two floats are the same."""

ABSENT: Any = MISSING
"""No value at all, as different from null. Left out when a model is written as JSON."""


class Effect(IntEnum):
    """What a difference in one field means. Ordered: the worst field decides."""

    SAME = 0
    """Equal, or equal in meaning."""
    KEPT = 1
    """The server keeps its value: not managed, or it cannot be unset."""
    UPDATE = 2
    """Changed in place, cheaply."""
    REBUILD = 3
    """Changed in place; the server re-indexes in the background."""
    REPLACE = 4
    """Fixed when the collection is created: only a new collection can have it."""
    REFUSED = 5
    """Cannot be had on this server."""


@dataclass(frozen=True, slots=True)
class Availability:
    """The servers on which something exists. Empty words mean no bound."""

    since: str = ""
    """First version that has it, e.g. `1.16.0`."""
    until: str = ""
    """Last version that has it."""
    cluster: bool = False
    """Only in cluster mode (a cluster of one node is enough)."""
    signed: bool = False
    """Only where tokens can be signed with the given key."""

    def unsupported_reason(self, server: Server) -> str:
        """Why `server` cannot have it; empty when it can."""
        if server.version == UNKNOWN:
            return ""
        if self.since and server.version < Version.parse(self.since):
            return f"needs Qdrant {self.since} or newer, this server is {server.version}"
        if self.until and server.version > Version.parse(self.until):
            return f"ended with Qdrant {self.until}, this server is {server.version}"
        if self.cluster and not server.distributed:
            return "needs cluster mode, this server runs standalone"
        if self.signed and server.unsigned:
            return f"no token can be signed: {server.unsigned}"
        return ""


OPEN = Availability()


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one field behaves. One triple add / change / drop covers scalars and keyed maps alike.

    On a map the triple speaks of its keys; on a section (a nested spec) the fields inside speak
    for themselves, unless the section is `whole`.
    """

    add: Effect = Effect.UPDATE
    """From absent to a value."""
    change: Effect = Effect.UPDATE
    """From one value to another."""
    drop: Effect = Effect.KEPT
    """From a value that was ours to absent."""
    because: str = ""
    """The reason shown for an add or a change."""
    drop_because: str = ""
    """The reason shown for a drop."""
    unset_value: Json = ABSENT
    """The value that means the same as absent; told to the server when a drop must be sent."""
    gate: Availability = OPEN
    values: Mapping[Json, Availability] = field(default_factory=dict, hash=False)
    """Values that only some servers know."""
    in_place_since: str = ""
    """Before this version an add or a drop of a key forces replacement."""
    replaced_as_unit: bool = False
    """Stating any of it states all of it: the server replaces it as one."""
    merge_before_send: bool = False
    """A map that the server replaces as one, though its keys are owned one by one."""
    key: str = ""
    """A list with identity: the name of the member that identifies an entry."""
    value_member: str = ""
    """A list with identity whose entries say one thing: the member that says it. It is compared
    as a map of that."""
    write_only: bool = False
    """Not reported back: compared with what was recorded, taken on trust where nothing was."""
    float32: bool = False
    """The server keeps 32-bit floats: values are compared after rounding to one."""
    patch_section: str = ""
    """The section of PATCH's body that takes it, when that differs from the spec's place."""
    create: bool = True
    """Whether creation takes it; otherwise it is set right after."""
    shorthand_key: str | None = None
    """The key that need not be written where it is the only one: `keyword` for `{type: keyword}`.
    The value may stand for a list of it, too."""
    destroys_data: bool = False
    """Dropping a key of this map destroys stored data."""
    is_limit: bool = False
    """A cap on clients: a smaller value is tighter, and none at all the loosest."""
    client_side: bool = False
    """Said to qdrantctl alone: no server has it, so it is neither compared nor recorded."""

    def normalize(self, value: Json) -> Json:
        """`value` in the form that is compared: neutral is absent, floats are rounded."""
        if value is ABSENT or (
            self.unset_value is not ABSENT and json_equal(value, self.unset_value)
        ):
            return ABSENT
        if self.float32 and isinstance(value, int | float):
            return struct.unpack("f", struct.pack("f", value))[0]
        return value

    def unsupported_reason(self, value: Json, server: Server) -> str:
        """Why this server cannot have `value` here; empty when it can."""
        if reason := self.gate.unsupported_reason(server):
            return reason
        gate = self.values.get(value) if self.values and isinstance(value, str) else None
        return f"{value} {reason}" if gate and (reason := gate.unsupported_reason(server)) else ""


def json_equal(first: Json, second: Json) -> bool:
    """Equality of JSON values: `1` equals `1.0`, but neither equals `true`.

    The server reads a number of 17 digits as one of its neighbours now and then (1.16.3 gives
    0.4664815503593344 for 0.46648155035933436), so the last bit of a float does not count.
    """
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            json_equal(first[key], second[key]) for key in first
        )
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(json_equal, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=NEIGHBOURS, abs_tol=sys.float_info.min)
    return bool(first == second)
