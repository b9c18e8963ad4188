"""Values in templates: what an expression writes means, as YAML, what the value was.

`null` has no text: Jinja2 writes `None`, which is a string in YAML. Lists and mappings are written
as JSON, which is YAML; Jinja2 writes them as Python does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from jinja2 import UndefinedError, pass_context

from qdrantctl.model.field_rule import Json


class NullVariable:
    """A variable whose value is null. It can be tested, and has no text."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, NullVariable)

    def __hash__(self) -> int:
        return hash(None)

    def __str__(self) -> NoReturn:
        raise UndefinedError(f"{self.path} is null")

    __repr__ = __str__


# Jinja2 names the class in an error about an attribute of the value.
NullVariable.__module__, NullVariable.__name__ = "builtins", "null"


def mark_nulls(value: Json, path: str) -> Any:
    """The value of a variable with a `NullVariable` in place of each null."""
    if isinstance(value, Mapping):
        return {key: mark_nulls(inner, f"{path}.{key}") for key, inner in value.items()}
    if isinstance(value, list):
        return [mark_nulls(inner, f"{path}[{place}]") for place, inner in enumerate(value)]
    return NullVariable(path) if value is None else value


def is_none(value: object) -> bool:
    """Jinja2's test `none`."""
    return value is None or isinstance(value, NullVariable)


def dump_json(value: object, **options: Any) -> str:
    """JSON, in which null has a text."""
    return json.dumps(value, default=_plain_value, **options)


def _plain_value(value: object) -> None:
    if not isinstance(value, NullVariable):
        raise TypeError(f"a {type(value).__name__} has no JSON")


@pass_context
def write_value(_: object, value: object) -> object:
    """What an expression writes. With a context, so that Jinja2 calls it on its line."""
    if value is None:
        raise UndefinedError("the value of this expression is null")
    if isinstance(value, dict | list | tuple):
        return dump_json(value, ensure_ascii=False)
    return value
