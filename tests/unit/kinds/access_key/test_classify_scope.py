"""Who gains and loses what by a change of a scope, on data."""

import pytest

from qdrantctl.kinds.access_key.kind import ACCESS_KEY
from qdrantctl.model.address import Address
from qdrantctl.model.change import Cause, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.resource import Resource

KEY = Address("access_key", "k")


def key(access):
    return Resource(KEY, {"access": access, "revocable": True})


def change(name, effect=Effect.UPDATE):
    return FieldChange(path=("access", name), effect=effect, cause=Cause.EDIT)


@pytest.mark.parametrize(
    ("live", "desired", "name", "direction"),
    [
        (None, {"a": "r"}, "a", "widens"),
        ({"a": "r"}, {"a": "rw"}, "a", "widens"),
        ({"a": "rw"}, {"a": "r"}, "a", "narrows"),
        ({"a": "r", "b": "r"}, {"a": "r"}, "b", "narrows"),
    ],
)
def test_a_scope_widens_or_narrows(live, desired, name, direction):
    existing = key(live) if live else None
    (found,) = ACCESS_KEY.refine_fields((change(name),), key(desired), existing, None)
    assert found.direction == direction
    assert found.because.startswith("gains: " if direction == "widens" else "loses: ")


@pytest.mark.parametrize("effect", [Effect.KEPT, Effect.REFUSED])
def test_what_is_not_changed_has_no_direction(effect):
    (found,) = ACCESS_KEY.refine_fields((change("a", effect),), key({"a": "rw"}), None, None)
    assert found.direction is ABSENT
