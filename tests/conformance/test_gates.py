"""The versions in the Rules against the table of the API, and the table against the Rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from qdrantctl.model.field_rule import Availability
from qdrantctl.model.server import Version
from qdrantctl.model.spec import FieldTree
from tests.conformance.api import known
from tests.conformance.places import SHAPE
from tests.conformance.targets import REFUSED, manifest_word, reason_not_stated

OLDEST = Version.parse("1.13.0")
"""What every server has from here on needs no gate; one that is stated is exact all the same."""

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


def test_every_value_that_came_later_than_its_field_is_gated():
    """`turbo4`, the stemmer `none`, and whatever comes next."""
    gated = {word(path, value) for path, value, _ in GATES if value}
    fields = {word(path): Version.parse(gate.since or "1.0.0") for path, _, gate in GATES}
    for stated, (first, _) in known().items():
        field, _, value = stated.partition("=")
        since = Version.parse(first)
        if value and field in fields and stated not in REFUSED:
            assert since <= max(OLDEST, fields[field]) or stated in gated, stated


def unknown_to_the_specs(path: str) -> bool:
    """Whether no spec has a field or value of the API, and no reason is listed why."""
    word_of_spec = manifest_word(path)
    if word_of_spec in REFUSED or reason_not_stated(path):
        return False
    field, _, value = word_of_spec.partition("=")
    if field not in FIELDS:
        return True
    tree = FIELDS[field]
    return bool(value) and json.loads(value) not in (
        *re.split(r" \| | or ", tree.type_name),
        tree.rule.unset_value,
    )


def fields(shape: FieldTree, path: Place = ()) -> Iterator[tuple[str, FieldTree]]:
    """Every field in the words of the API, with its tree."""
    for name, inner in shape.fields.items():
        yield word((*path, name)), inner
        yield from fields(inner, (*path, name))
    if shape.entries is not None:
        yield from fields(shape.entries, (*path, "<name>"))


FIELDS = dict(fields(SHAPE))


def test_every_path_of_the_api_is_known_to_a_spec_or_listed_with_a_reason():
    """From the oldest server to the newest, in requests and in answers."""
    newest = (path for path, (_, last) in known().items() if not last)
    assert [path for path in newest if unknown_to_the_specs(path)] == []


def test_a_path_that_no_spec_knows_is_found():
    for path in (
        "create.colour",
        "update.params.colour",
        "info.config.hnsw_config.colour",
        "index.field_schema.colour",
        'create.vectors.<name>.datatype="turbo32"',
        'create.quantization_config="Off"',
        "vector_name_create.dense.colour",
    ):
        assert unknown_to_the_specs(path), path
