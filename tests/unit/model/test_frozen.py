"""Frozen values behave like dataclasses, also those whose class was not used before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, field, fields, replace
from threading import Barrier

import pytest

from qdrantctl.model.frozen import frozen


@frozen
class Place:
    """A value."""

    name: str
    tags: dict[str, str] = field(default_factory=dict, hash=False)
    note: str = field(default="", compare=False, repr=False)


@frozen
class Town(Place):
    """A value with fields of another one, which may have no instance yet."""

    size: int = 0


def test_values_are_compared_copied_and_shown_by_their_fields():
    town = Town("Ulm", size=3, note="a")
    assert town == Town("Ulm", size=3, note="b")
    assert town != Town("Ulm", size=4)
    assert town != Place("Ulm")
    assert hash(town) == hash(Town("Ulm", {"a": "b"}, size=3))
    assert replace(town, size=5).size == 5
    assert repr(town) == "Town(name='Ulm', tags={}, size=3)"
    assert asdict(Place("Ulm")) == {"name": "Ulm", "tags": {}, "note": ""}
    assert [each.name for each in fields(town)] == ["name", "tags", "note", "size"]
    assert Place("a").tags is not Place("a").tags
    with pytest.raises(TypeError):
        Place()
    match town:
        case Town(name):
            assert name == "Ulm"


def test_threads_may_make_the_first_instance_at_once():
    for _ in range(50):

        @frozen
        class Fresh:
            """Used first by all threads."""

            number: int

        barrier = Barrier(4)

        def make(number: int, cls: type = Fresh, barrier: Barrier = barrier) -> int:
            barrier.wait()
            return cls(number).number

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(make, range(4))) == [0, 1, 2, 3]
