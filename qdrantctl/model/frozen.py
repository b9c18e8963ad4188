"""Frozen dataclasses that cost next to nothing before their first instance.

`dataclasses.dataclass` compiles six methods for each class when its module is imported; with a
hundred classes that took a fifth of the start of a command. `frozen` compiles one, and only for
classes that the command uses. `dataclasses.replace` and `asdict` work as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter
from threading import RLock
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_PENDING: dict[type[Any], Any] = {}
"""Classes without an instance, with the `__init__` that they have until then."""
_LOCK = RLock()
"""Two threads may make the first instance of a class at the same time."""


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A class decorator: instances have the annotated fields, and are compared by them.

    mypy refuses assignments to fields; at run time nothing prevents them.
    """

    def complete_first(self: T, *args: Any, **values: Any) -> None:
        _complete(cls)
        cls.__init__(self, *args, **values)

    _PENDING[cls] = complete_first
    for name, method in (("__init__", complete_first), *_SHARED.items()):
        if name not in cls.__dict__:
            setattr(cls, name, method)
    return cls


def _complete(cls: type[Any]) -> None:
    """Give a class the fields and the `__init__` of a dataclass, those of its bases first.

    They are made on a copy, so that other threads never see a class without an `__init__`.
    """
    with _LOCK:
        if cls not in _PENDING:
            return
        for base in cls.__mro__[:0:-1]:
            _complete(base)
        parts = {n: v for n, v in cls.__dict__.items() if n not in ("__dict__", "__weakref__")}
        if parts["__init__"] is _PENDING[cls]:
            del parts["__init__"]
        metaclass: Any = type(cls)
        copy = dataclass(repr=False, eq=False)(metaclass(cls.__name__, cls.__bases__, parts))
        for name in ("__dataclass_fields__", "__dataclass_params__", "__match_args__"):
            setattr(cls, name, getattr(copy, name))
        compared = [each for each in fields(cls) if each.compare]
        cls.__compared__ = _getter(each.name for each in compared)
        cls.__hashed__ = _getter(each.name for each in compared if each.hash is not False)
        cls.__init__ = copy.__init__
        del _PENDING[cls]


def _getter(names: Iterable[str]) -> Callable[[Any], Any]:
    """Returns the values of these fields; a single value as it is."""
    listed = tuple(names)
    return attrgetter(*listed) if listed else lambda _: ()


def _equals(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    compared = self.__class__.__compared__
    return compared(self) == compared(other)


def _hash_fields(self: Any) -> int:
    return hash(self.__class__.__hashed__(self))


def _describe_fields(self: Any) -> str:
    shown = (f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


_SHARED = {"__eq__": _equals, "__hash__": _hash_fields, "__repr__": _describe_fields}
