"""Shard keys of a collection with custom sharding."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from pydantic_core import PydanticCustomError

from qdrantctl.kinds.collection.common import U64, PositiveU32
from qdrantctl.model.field_rule import Availability, Effect, FieldRule
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.spec import Spec

_KEY_FIXED = "fixed when the shard key is created; give the new layout to a new shard key"
_SHARDS = FieldRule(add=Effect.REFUSED, change=Effect.REFUSED, because=_KEY_FIXED)
_REPLICAS = FieldRule(
    add=Effect.REFUSED, change=Effect.REFUSED, because=_KEY_FIXED, write_only=True
)


class ShardKey(Spec):
    """A shard key with a layout of its own."""

    key: Annotated[
        str | Annotated[int, Field(ge=0, le=U64)],
        Field(description='The key: a string or a number. 7 and "7" are different keys.'),
    ]
    shards_number: Annotated[
        PositiveU32 | None, _SHARDS, Field(description="Shards of this key.")
    ] = None
    replication_factor: Annotated[
        PositiveU32 | None, _REPLICAS, Field(description="Replicas of each of its shards.")
    ] = None
    placement: Annotated[
        Annotated[list[Annotated[int, Field(ge=0, le=U64)]], Field(min_length=1)] | None,
        _REPLICAS,
        Field(description="Ids of the nodes that hold it."),
    ] = None


KEYED = Availability(since="1.7.0", cluster=True)
BareOrNot = Annotated[ShardKey, LATER, FieldRule(shorthand_key="key", gate=KEYED)]


def expand_shard_keys(value: Any) -> Any:
    """A bare key is short for `{key: …}`."""
    if not isinstance(value, list):
        return value
    return [
        {"key": key} if isinstance(key, str | int) and not isinstance(key, bool) else key
        for key in value
    ]


def refuse_duplicate_keys(keys: list[ShardKey]) -> list[ShardKey]:
    """The keys, unless one is stated twice. Raises PydanticCustomError."""
    identities: set[tuple[str, str | int]] = set()
    for entry in keys:
        if (identity := (type(entry.key).__name__, entry.key)) in identities:
            raise PydanticCustomError(
                "shard_key",
                "the shard key {key} is stated twice",
                {"key": repr(entry.key), "rule": "QC114", "hint": "Keep one of the two."},
            )
        identities.add(identity)
    return keys
