"""The versions in the Rules against the API descriptions of every tag (`api.json`)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qdrantctl.model.field_rule import Availability
from qdrantctl.model.server import Version
from qdrantctl.model.spec import FieldTree
from tests.conformance.api import known
from tests.conformance.places import SHAPE

OLDEST = Version.parse("1.13.0")
"""What every server has from here on needs no gate; one that is stated is exact all the same."""

UNKNOWN = Version.parse("1.20.0")
"""Known from a client's models alone: no server has been seen to take it."""

Place = tuple[str, ...]


def gates(shape: FieldTree, path: Place = ()) -> Iterator[tuple[Place, str, Availability]]:
    """Every field and every value of its own gate, with where it stands."""
    for name, inner in shape.fields.items():
        here = (*path, name)
        yield here, "", inner.rule.gate
        for value, gate in inner.rule.values.items():
            yield here, str(value), gate
        yield from gates(inner, here)
    if shape.entries is not None:
        yield from gates(shape.entries, (*path, "<name>"))


def word(path: Place, value: str = "") -> str:
    """A place of the manifest in the words of the API."""
    head, *rest = path
    if head == "payload_indexes":
        found = ".".join(["index.field_schema", *rest[1:]])
    elif head == "shard_keys":
        last = rest[-1] if rest else "key"
        found = "shard_key_create." + {"key": "shard_key"}.get(last, last)
    elif head.startswith("read_fan_out"):
        found = f"update.params.{head}"
    else:
        found = ".".join(["create", *path])
    return f'{found}="{value}"' if value else found


GATES = list(gates(SHAPE))


@pytest.mark.parametrize(("path", "value", "gate"), GATES)
def test_a_gate_is_the_version_that_first_has_it(path, value, gate):
    first, last = known()[word(path, value)]
    if gate.since or Version.parse(first) > OLDEST:
        assert gate.since == first
    assert gate.until == last


REFUSED = frozenset({'create.sparse_vectors.<name>.index.datatype="turbo4"'})
"""Values that the API describes and the server refuses (1.19.0: 422)."""


def test_every_value_that_came_later_than_its_field_is_gated():
    """`turbo4`, the stemmer `none`, and whatever comes next."""
    gated = {word(path, value) for path, value, _ in GATES if value}
    fields = {word(path): Version.parse(gate.since or "1.0.0") for path, _, gate in GATES}
    for stated, (first, _) in known().items():
        field, _, value = stated.partition("=")
        since = Version.parse(first)
        if value and field in fields and since < UNKNOWN and stated not in REFUSED:
            assert since <= max(OLDEST, fields[field]) or stated in gated, stated


def test_every_field_that_the_api_describes_is_in_the_spec():
    """From the oldest server to the newest; one unnamed vector is written as a named one."""
    stated = {word(path) for path, _, _ in GATES}
    stated |= {name.replace("vectors.<name>", "vectors") for name in stated}
    stated |= {"index.field_name", "index.field_schema"}
    left = {
        path
        for path, (first, last) in known().items()
        if path.startswith(("create.", "index.", "shard_key_create.", "update.params."))
        and "=" not in path
        and Version.parse(first) < UNKNOWN
        and not (last and Version.parse(last) < OLDEST)
    }
    there = {path for path in left if path.removeprefix("update.params.") in SHAPE.fields}
    there |= {"update.params.payload.memory"}
    ended = {path for path in left if path.rsplit(".", 1)[1] in ("copy_vectors", "init_from")}
    ended |= {"create.init_from.collection"}
    assert left - stated - there - ended == {"shard_key_create.initial_state"}
