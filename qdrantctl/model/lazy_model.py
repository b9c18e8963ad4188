"""Pydantic models that cost next to nothing before their first use.

Pydantic evaluates the annotations of a model and collects its fields when the class is made. With
a hundred models that took a third of the start of a command. A `LazyModel` is a plain class until
a command asks for its fields or makes an instance; then pydantic completes the same class.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from functools import partial
from threading import RLock
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

_LOADER = ModuleType("pydantic.plugin._loader")
vars(_LOADER)["get_plugins"] = tuple
sys.modules.setdefault(_LOADER.__name__, _LOADER)
"""Stands in for pydantic's search for plugins, which reads the metadata of every installed package
and took a tenth of the start. No model of qdrantctl uses one."""

_FROM_PYDANTIC = ("model_", "__pydantic_", "__get_pydantic_", "__signature__")
"""How the names begin of what pydantic gives a class when it completes it."""

_UNFINISHED: dict[type[Any], _Body] = {}
"""Classes that pydantic has not completed, with what stands in each."""
_LOCK = RLock()
"""Two threads may use a class for the first time at the same moment."""


class _Body(dict[str, Any]):
    """What stands in a class: its attributes by name."""

    owner: Any = None
    """The class, once it exists."""
    words: dict[str, Any]
    """The keywords behind its bases."""


class _KeepClass(ABCMeta):
    """Gives pydantic the existing class when it is about to create the one of a `_Body`."""

    def __new__(mcs, name: str, bases: tuple[Any, ...], body: Any, **words: Any) -> Any:
        if not isinstance(body, _Body):
            return super().__new__(mcs, name, bases, body, **words)
        cls = body.owner
        for key, value in body.items():
            if cls.__dict__.get(key, _KeepClass) is not value and key != "__classcell__":
                setattr(cls, key, value)
        return cls


class _LazyMeta(ModelMetaclass, _KeepClass):
    """Creates classes without their fields."""

    def __new__(mcs, name: str, bases: tuple[Any, ...], body: Any, **words: Any) -> Any:
        if BaseModel in bases or "<locals>" in body.get("__qualname__", "<locals>"):
            words.setdefault("__pydantic_reset_parent_namespace__", False)
            return super().__new__(mcs, name, bases, body, **words)
        unfinished = _Body(body)
        unfinished.words = words
        cls = unfinished.owner = _KeepClass.__new__(_UnfinishedMeta, name, bases, body, **words)
        _UNFINISHED[cls] = unfinished
        return cls


class _UnfinishedMeta(_LazyMeta):
    """The metaclass of a model without its fields. Code that needs them completes the model."""

    def __getattribute__(cls, name: str) -> Any:
        if name.startswith(_FROM_PYDANTIC):
            _finish(cls)
        return type.__getattribute__(cls, name)

    def __call__(cls, *args: Any, **values: Any) -> Any:
        _finish(cls)
        return type.__call__(cls, *args, **values)


def _finish(cls: Any) -> None:
    """Have pydantic complete a class, and those that it inherits from before it."""
    with _LOCK:
        for base in reversed(cls.__mro__):
            if body := _UNFINISHED.pop(base, None):
                name, bases = base.__name__, base.__bases__
                ModelMetaclass.__new__(_LazyMeta, name, bases, body, None, False, **body.words)
                base.__class__ = _LazyMeta


class LazyModel(BaseModel, metaclass=_LazyMeta):
    """A model whose fields are collected, and whose schema is built, when it is first used."""

    model_config = ConfigDict(defer_build=True)


class _Later:
    """Marks a model inside another one that is completed when a value has it."""

    def __get_pydantic_core_schema__(self, source: Any, _: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(partial(_validate_inner, source))

    def __get_pydantic_json_schema__(
        self, core: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        while "schema" in core:  # of a validator before it
            core = core["schema"]
        validate = core["function"]["function"]
        (model,) = validate.args
        model.model_rebuild()
        inner = model.__pydantic_core_schema__
        return handler(core_schema.no_info_before_validator_function(validate, inner))


def _validate_inner(model: type[LazyModel], value: Any) -> LazyModel:
    return model.model_validate(value)


LATER = _Later()
