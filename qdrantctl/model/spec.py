"""Specs of manifests as pydantic models, and their FieldTree: the fields and rules for the diff."""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, ConfigDict, model_validator
from pydantic.fields import FieldInfo

from qdrantctl.model.field_rule import ABSENT, OPEN, FieldRule, Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lazy_model import LazyModel
from qdrantctl.model.server import Version

Path = tuple[str | int, ...]
"""The place of a value in a spec: field names, map keys (strings, or integers for shard keys)."""


class Spec(LazyModel):
    """User-written data. Unknown keys are errors; null is the same as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict) or None not in value.values():
            return value
        spellings = {
            spelling
            for name, info in cls.model_fields.items()
            for spelling in field_spellings(name, info)
        }
        return {k: v for k, v in value.items() if v is not None or k not in spellings}


def field_spellings(name: str, info: FieldInfo) -> tuple[str, ...]:
    """The keys under which a field may be set, the usual one first."""
    alias = info.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias,) if isinstance(alias, str) else (name,)


@frozen
class FieldTree:
    """One place in a spec: its rule, and the fields or entries below it."""

    rule: FieldRule
    specs: tuple[type[Spec], ...] = ()
    """Of a section: its type, or the types of a union with different `type` values."""
    entries: FieldTree | None = None
    """Of a map, or of a list with identity: the tree of every entry."""
    description: str = ""
    """The field's description, from its docstring or `Field(description=…)`."""
    type_name: str = ""
    """The type, as the field reference writes it: `integer or string`."""
    spellings: tuple[str, ...] = ()
    """Of a field: the keys under which it may be set, the usual one first."""

    @cached_property
    def fields(self) -> Mapping[str, FieldTree]:
        """The fields of a section by name, collected when a command first asks for them."""
        return _collect_fields(self.specs, self.rule)

    @property
    def is_leaf(self) -> bool:
        """Whether values here are compared as a unit."""
        return not self.specs and self.entries is None

    @property
    def is_list(self) -> bool:
        """Whether it is a list with identity that is compared as a list, not as a map."""
        return bool(self.rule.key) and not self.rule.value_member

    def walk(self, path: Path) -> Iterator[FieldTree]:
        """The trees along `path`, without this one; that of `path` last, if it is known."""
        tree: FieldTree | None = self
        for word in path:
            if tree is None:
                return
            tree = tree.child(word)
            if tree is not None:
                yield tree

    def child(self, word: str | int) -> FieldTree | None:
        """The tree below a key, in any of its spellings; None for an unknown key."""
        if self.entries is not None:
            return self.entries
        if result := self.fields.get(str(word)):
            return result
        return next((inner for inner in self.fields.values() if word in inner.spellings), None)

    def as_mapping(self, value: Json) -> Mapping[str | int, Json]:
        """A section, a map, or a list with identity as a mapping; empty for anything else."""
        if isinstance(value, dict):
            return value
        if self.rule.key and isinstance(value, list):
            return {entry[self.rule.key]: entry for entry in value}
        return {}

    def leaves(self, spec: Json) -> dict[Path, Json]:
        """Every value of `spec` that has no parts, by its path, in the order of `spec`.

        These are the values at leaves of this tree, also nested ones (opaque values), and empty
        sections, maps and lists. An entry of a list with identity has its identity as key. Unknown
        keys are leaves. `build` is the inverse.
        """
        leaves: dict[Path, Json] = {}
        for key, value in self.as_mapping(spec).items():
            child = self.child(key)
            inside = child.leaves(value) if child and not child.is_leaf else {}
            leaves |= {(key, *path): leaf for path, leaf in inside.items()} or {(key,): value}
        return leaves

    def first_versions(self, spec: Json) -> dict[Path, Version]:
        """The first server version that knows each leaf of `spec` and its value."""
        return {
            path: trees[-1].rule.first_version(value)
            for path, value in self.leaves(spec).items()
            if (trees := list(self.walk(path)))
        }

    def first_versions_at(self, path: Path, value: Json) -> dict[Path, Version]:
        """The same for a `value` at `path`, which may be a part of this tree."""
        tree = list(self.walk(path))[-1]
        inside = {} if tree.is_leaf else tree.first_versions(value)
        inside = inside or {(): tree.rule.first_version(value)}
        return {(*path, *rest): version for rest, version in inside.items()}

    def build(self, leaves: Mapping[Path, Json]) -> Json:
        """The spec that has these leaves. Leaves below an empty section fill it."""
        parts: dict[str | int, dict[Path, Json]] = {}
        for (key, *path), value in leaves.items():
            parts.setdefault(key, {})[tuple(path)] = value
        spec: dict[str | int, Json] = {}
        for key, inside in parts.items():
            value = inside.pop((), ABSENT)
            child = self.child(key)
            spec[key] = child.build(inside) if child and inside else value
        return list(spec.values()) if self.is_list else spec

    def field_path(self, path: Path) -> Path:
        """The path of the field at `path`, or of the field whose opaque value contains it."""
        return path[: len(list(self.walk(path)))]

    def value_at(self, spec: Json, path: Path) -> Json:
        """The value at `path`, also in lists with identity and inside opaque values; or ABSENT."""
        field_path, tree = self.field_path(path), self
        for word, child in zip(field_path, self.walk(path), strict=True):
            spec, tree = tree.as_mapping(spec).get(word, ABSENT), child
        return value_inside(spec, path[len(field_path) :])

    def key_in(self, stated: Any, word: str | int) -> str | int | None:
        """The key or position of `word` in `stated`, the manifest's notation; None if not set.

        A manifest may use another notation: another spelling of a key, a bare entry of a list,
        quotes in a payload path.
        """
        if isinstance(stated, list):
            accepted = ({self.rule.key: word}, word)
            for position, entry in enumerate(stated):
                named = isinstance(entry, dict) and {self.rule.key: entry.get(self.rule.key)}
                if (named or entry) in accepted:
                    return position
            plain = isinstance(word, int) and not self.rule.key and word < len(stated)
            return word if plain else None
        if not isinstance(stated, dict):
            return None
        if word in stated:
            return word
        field = self.fields.get(str(word))
        if field is not None:
            return next((spelling for spelling in field.spellings if spelling in stated), None)
        bare = str(word).replace('"', "")
        return next((key for key in stated if key.replace('"', "") == bare), None)


def format_field(path: Path) -> str:
    """A path with dots between its parts; the unnamed vector has none."""
    return ".".join(str(part) for part in path if part != "")


def value_inside(value: Json, path: Path) -> Json:
    """The value at a path of names and positions inside an opaque value; or ABSENT."""
    for word in path:
        try:
            value = value[word]
        except (KeyError, IndexError, TypeError):
            return ABSENT
    return value


@cache
def field_tree_of(spec: type[Spec]) -> FieldTree:
    """The tree of a spec type. Fields inherit the gates of their sections."""
    return _section_tree([spec], FieldRule())


def _section_tree(specs: Iterable[type[Spec]], rule: FieldRule) -> FieldTree:
    return FieldTree(rule, tuple(specs), None, "", "section")


def _collect_fields(specs: Iterable[type[Spec]], rule: FieldRule) -> dict[str, FieldTree]:
    """The fields of a section with this rule; where specs share one, the first one's."""
    fields: dict[str, FieldTree] = {}
    for spec in specs:
        for name, info in spec.model_fields.items():
            field_rule = _rule_of(info)
            if field_rule.client_side:
                continue
            tree = _tree_of(
                info.annotation, _inherit_rule(field_rule, rule), info.description or ""
            )
            tree = replace(tree, spellings=field_spellings(name, info))
            existing = fields.get(name)
            if existing is not None and existing.type_name != tree.type_name:
                existing = replace(existing, type_name=f"{existing.type_name} | {tree.type_name}")
            fields[name] = existing or tree
    return fields


def _rule_of(info: FieldInfo) -> FieldRule:
    return (
        next((item for item in info.metadata if isinstance(item, FieldRule)), None) or FieldRule()
    )


def client_side_fields(spec: Spec) -> dict[str, Any]:
    """Values of a spec for qdrantctl only, by name; the tree does not contain their fields."""
    stated = {name for name in _client_side_names(type(spec)) if getattr(spec, name) is not None}
    return spec.model_dump(include=stated, exclude_none=True) if stated else {}


@cache
def _client_side_names(spec: type[Spec]) -> tuple[str, ...]:
    return tuple(name for name, info in spec.model_fields.items() if _rule_of(info).client_side)


def _inherit_rule(rule: FieldRule, parent: FieldRule) -> FieldRule:
    if rule.gate == OPEN and parent.gate != OPEN:
        return replace(rule, gate=replace(parent.gate))
    return rule


def _tree_of(annotation: Any, rule: FieldRule, description: str) -> FieldTree:
    members, inner = _unwrap_annotation(annotation)
    rule = replace(inner, gate=rule.gate) if inner and rule == FieldRule(gate=rule.gate) else rule
    specs = [member for member in members if isinstance(member, type) and issubclass(member, Spec)]
    if specs:
        return replace(_section_tree(specs, rule), description=description)
    for member in members:
        origin = get_origin(member)
        if origin is dict or (origin is list and rule.key):
            entry = get_args(member)[-1]
            inside = FieldTree(rule) if rule.value_member else _entry_tree(entry, rule)
            return FieldTree(rule, (), inside, description, "map")
    return FieldTree(
        rule, (), None, description, " or ".join(_type_name(member) for member in members)
    )


def _entry_tree(annotation: Any, rule: FieldRule) -> FieldTree:
    """The tree of a map's entries: a section, or a leaf with the rule of the map."""
    members, inner = _unwrap_annotation(annotation)
    specs = [member for member in members if isinstance(member, type) and issubclass(member, Spec)]
    if specs:
        return _section_tree(specs, inner or FieldRule(gate=rule.gate))
    return FieldTree(rule, (), None, "", " or ".join(_type_name(member) for member in members))


def _unwrap_annotation(annotation: Any) -> tuple[list[Any], FieldRule | None]:
    """The alternatives of a type without null, and its rule, if it is annotated with one."""
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        members, inner = _unwrap_annotation(base)
        return members, next((m for m in metadata if isinstance(m, FieldRule)), inner)
    if get_origin(annotation) in (Union, types.UnionType):
        alternatives: list[Any] = []
        rule: FieldRule | None = None
        for member in get_args(annotation):
            if member is not type(None):
                members, inner = _unwrap_annotation(member)
                alternatives += members
                rule = rule or inner
        return alternatives, rule
    return [annotation], None


_PLAIN_WORDS = {"str": "string", "int": "integer", "float": "number", "Any": "anything"}


def _type_name(member: Any) -> str:
    if get_origin(member) is list:
        entries, _ = _unwrap_annotation(get_args(member)[0])
        return "list of " + " or ".join(_type_name(entry) for entry in entries)
    if get_args(member):
        return " | ".join(str(value) for value in get_args(member))
    name = getattr(member, "__name__", str(member))
    return _PLAIN_WORDS.get(name, name)
