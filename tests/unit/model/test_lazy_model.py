"""Models are completed by pydantic at their first use, and stay the same class."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from qdrantctl.model.lazy_model import LATER, LazyModel
from qdrantctl.model.spec import Spec


class Point(LazyModel):
    x: int = Field(default=1, ge=0)

    @field_validator("x")
    @classmethod
    def _refuses_seven(cls, value: int) -> int:
        if value == 7:
            raise ValueError("seven")
        return value


class Cube(Point):
    z: int = 3


class Shared(LazyModel):
    x: int


class Inner(Spec):
    size: Annotated[int, Field(ge=1)]


class Outer(Spec):
    inner: Annotated[Inner, LATER] | None = None
    entries: dict[str, Annotated[Inner, LATER]] | None = None


def test_a_model_is_the_same_class_before_and_after_its_first_use():
    before, subclass = Point, Cube
    assert subclass(x=2) == Cube(x=2, z=3)
    assert isinstance(Cube(), before)
    assert isinstance(Cube(), BaseModel)
    assert list(before.model_fields) == ["x"]


@pytest.mark.parametrize("x", [-1, 7])
def test_subclasses_inherit_constraints_and_validators(x):
    with pytest.raises(ValidationError):
        Cube(x=x)


def test_threads_that_use_a_model_first_at_the_same_moment_see_a_whole_class():
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda x: Shared(x=x).x, range(64)))
    assert made == list(range(64))


def test_errors_of_a_later_section_have_their_place():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inner": {"size": 0, "a": 1}, "entries": {"b": 3}})
    places = [(error["loc"], error["type"]) for error in caught.value.errors()]
    assert places == [
        (("inner", "size"), "greater_than_equal"),
        (("inner", "a"), "extra_forbidden"),
        (("entries", "b"), "model_type"),
    ]


def test_a_later_section_is_dumped_like_any_other():
    outer = Outer.model_validate({"inner": {"size": 2}, "entries": {"b": {"size": 3}}})
    assert isinstance(outer.inner, Inner)
    stated = {"inner": {"size": 2}, "entries": {"b": {"size": 3}}}
    assert outer.model_dump(exclude_none=True) == stated


def test_sections_that_no_manifest_states_are_not_completed():
    code = """
from qdrantctl.kinds.collection.quantization import Quantization
from qdrantctl.kinds.collection.spec import Collection
from qdrantctl.model.lazy_model import _UNFINISHED
Collection.model_validate({"vectors": {"size": 4, "distance": "Dot"}})
assert Quantization in _UNFINISHED and Collection not in _UNFINISHED
Collection.model_validate({"quantization_config": {"scalar": {"type": "int8"}}})
assert Quantization not in _UNFINISHED
"""
    subprocess.run([sys.executable, "-c", code], check=True)
