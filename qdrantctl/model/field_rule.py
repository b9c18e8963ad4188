"""How a field behaves on the server, declared on the field: `Annotated[int, FieldRule(...)]`."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping
from dataclasses import field
from enum import IntEnum
from typing import Any

from pydantic import MISSING

from qdrantctl.model.frozen import frozen
from qdrantctl.model.server import UNKNOWN, Server, Version

Json = Any
"""A JSON value; `ABSENT` where a value may be missing."""

NEIGHBOURS = 1e-15
"""Relative difference below which two floats are the same."""

ABSENT: Any = MISSING
"""No value, as opposed to null. Left out when a model is written as JSON."""


class Effect(IntEnum):
    """The effect of a difference in one field. Ordered: the worst field decides."""

    SAME = 0
    """Equal, or equal in meaning."""
    KEPT = 1
    """The server keeps its value: it is not managed, or cannot be unset."""
    UPDATE = 2
    """Changed in place, cheaply."""
    REBUILD = 3
    """Changed in place; the server re-indexes in the background."""
    REPLACE = 4
    """Fixed when the collection is created: a change needs a new collection."""
    REFUSED = 5
    """Not supported by this server."""


@frozen
class Availability:
    """The servers that support a field or value. Empty versions mean no bound."""

    since: str = ""
    """First version that supports it, e.g. `1.16.0`."""
    until: str = ""
    """Last version that supports it."""
    cluster: bool = False
    """Only in cluster mode (a cluster of one node is enough)."""
    signed: bool = False
    """Only where tokens can be signed with the given key."""

    def unsupported_reason(self, server: Server) -> str:
        """Why `server` does not support it; empty if it does."""
        if server.version == UNKNOWN:
            return ""
        if self.since and server.version < Version.parse(self.since):
            return f"needs Qdrant {self.since} or newer, {server.describe_version()}"
        if self.until and (newest := server.newest_version) > Version.parse(self.until):
            where = "the newest node" if server.is_mixed else "this server"
            return f"ended with Qdrant {self.until}, {where} is {newest}"
        if self.cluster and not server.distributed:
            return "needs cluster mode, this server runs standalone"
        if self.signed and server.unsigned:
            return f"no token can be issued: {server.unsigned}"
        return ""


OPEN = Availability()


@frozen
class Deprecation:
    """A field that servers accept and that another one is to replace."""

    since: str
    """First version that deprecates it, e.g. `1.19.0`."""
    advice: str
    """What to write instead, as a sentence."""


@frozen
class FieldRule:
    """How one field behaves. One triple add / change / drop covers scalars and keyed maps alike.

    On a map the triple applies to its keys. The fields of a section (a nested spec) have their own
    rules, unless the section is `replaced_as_unit`.
    """

    add: Effect = Effect.UPDATE
    """From absent to a value."""
    change: Effect = Effect.UPDATE
    """From one value to another."""
    drop: Effect = Effect.KEPT
    """From a managed value to absent."""
    because: str = ""
    """The reason shown for an add or a change."""
    drop_because: str = ""
    """The reason shown for a drop."""
    unset_value: Json = ABSENT
    """The value that means the same as absent; sent to the server for a drop if necessary."""
    gate: Availability = OPEN
    deprecated: Deprecation | None = None
    values: Mapping[Json, Availability] = field(default_factory=dict, hash=False)
    """Values that only some servers support."""
    in_place_since: str = ""
    """Before this version an add or a drop of a key forces replacement."""
    drop_safe_since: str = ""
    """From `in_place_since` on, and before this version, a drop of a key is refused."""
    drop_unsafe_because: str = ""
    """The reason shown then."""
    remade_since: str = ""
    """From this version on a key whose fixed parts change is dropped and added again. Before it
    that forces replacement."""
    remade_because: str = ""
    """The reason shown for the parts that change then."""
    fixed_key: str | None = None
    """The key that no version adds or drops in place."""
    fixed_key_because: str = ""
    """The reason shown for it."""
    replaced_as_unit: bool = False
    """Setting any part of it sets all of it: the server replaces it as a unit."""
    merge_before_send: bool = False
    """A map that the server replaces as a unit, although its keys are managed individually."""
    key: str = ""
    """A list with identity: the name of the member that identifies an entry."""
    value_member: str = ""
    """A list with identity whose entries have a single value: its member. The list is compared as
    a map to that member."""
    write_only: bool = False
    """Not reported by the server: compared with the last-applied value, if there is one."""
    float32: bool = False
    """The server keeps 32-bit floats: values are compared after rounding to one."""
    patch_section: str = ""
    """The section of PATCH's body that contains it, if it differs from that of the spec."""
    create: bool = True
    """Whether the create request can contain it; otherwise it is set after creation."""
    shorthand_key: str | None = None
    """The key that can be left out if it is the only one: `keyword` for `{type: keyword}`. A value
    can also be written for a list of one."""
    destroys_data: bool = False
    """Dropping a key of this map destroys stored data."""
    is_limit: bool = False
    """A limit for clients: a smaller value is tighter, and no value is the loosest."""
    client_side: bool = False
    """For qdrantctl only: servers do not have it, so it is neither compared nor recorded."""

    def normalize(self, value: Json) -> Json:
        """`value` in the form that is compared: `unset_value` is absent, floats are rounded."""
        if value is ABSENT or (
            self.unset_value is not ABSENT and json_equal(value, self.unset_value)
        ):
            return ABSENT
        if self.float32 and isinstance(value, int | float):
            return struct.unpack("f", struct.pack("f", value))[0]
        return value

    def first_version(self, value: Json) -> Version:
        """The first version that knows the field and `value`; 0.0.0 where none is known."""
        gates = [self.gate]
        if isinstance(value, str) and value in self.values:
            gates.append(self.values[value])
        return max(Version.parse(gate.since) if gate.since else UNKNOWN for gate in gates)

    def unsupported_reason(self, value: Json, server: Server) -> str:
        """Why this server does not support `value` here; empty if it does."""
        if reason := self.gate.unsupported_reason(server):
            return reason
        gate = self.values.get(value) if self.values and isinstance(value, str) else None
        return f"{value} {reason}" if gate and (reason := gate.unsupported_reason(server)) else ""


def json_equal(first: Json, second: Json) -> bool:
    """Equality of JSON values: `1` equals `1.0`, but neither equals `true`.

    The server sometimes reads a number of 17 digits as one of its neighbours (1.16.3 gives
    0.4664815503593344 for 0.46648155035933436), so the last bit of a float does not count.
    """
    if first is second:
        return True
    if isinstance(first, bool) or isinstance(second, bool):
        return False
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(
            json_equal(first[key], second[key]) for key in first
        )
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(json_equal, first, second))
    if isinstance(first, float) and isinstance(second, float):
        return math.isclose(first, second, rel_tol=NEIGHBOURS, abs_tol=sys.float_info.min)
    return bool(first == second)
