"""Validates user-written data against its model and explains each error and its fix.

Pydantic finds the errors. This module adds a stable rule id, the place in the document and
"did you mean". It knows models only by their fields.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError

from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.spec import FieldTree, Path, Spec, field_tree_of

DocumentModel = TypeVar("DocumentModel", bound=Spec)
MAX_FAULTS = 100
"""The most errors of one document that are reported."""
_LONGEST_QUOTE = 60


@frozen
class FieldError:
    """One error in a document."""

    path: Path
    """Where, by the keys and positions of the document."""
    rule: str
    message: str
    hint: str = ""
    key: bool = False
    """Whether the key is wrong rather than its value."""


def validate_document(
    model: type[DocumentModel], value: Json
) -> tuple[DocumentModel | None, list[FieldError]]:
    """`value` as a `model`, or None and its errors, at most MAX_FAULTS."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        shape = field_tree_of(model)
        faults = _collect_errors(shape, value, error.errors(include_url=False))
        return None, list(islice(faults, MAX_FAULTS))
    except RecursionError:
        return None, [FieldError((), "QC010", "nested too deep to be checked", "Make it flatter.")]


def _collect_errors(shape: FieldTree, value: Json, errors: Iterable[Any]) -> Iterator[FieldError]:
    """One error for each place: the errors of a union's members are merged."""
    places: dict[Path, list[Any]] = {}
    for error in errors:
        where = (*_document_path(value, error["loc"]), *error.get("ctx", {}).get("path", ()))
        if error["type"] in ("extra_forbidden", "missing"):
            where = (*_document_path(value, error["loc"][:-1]), error["loc"][-1])
        places.setdefault(where, []).append(error)
    for where, place_errors in places.items():
        yield _explain_error(shape, value, where, place_errors)


def _document_path(value: Json, location: Iterable[str | int]) -> Path:
    """The keys and positions of a location that exist in the document.

    Pydantic adds others: members of unions, and names that validation added.
    """
    path: list[str | int] = []
    for word in location:
        if isinstance(value, Mapping):
            exists = word in value
        else:
            exists = isinstance(value, list) and isinstance(word, int) and word < len(value)
        if exists:
            value = value[word]
            path.append(word)
    return tuple(path)


def _explain_error(shape: FieldTree, value: Json, path: Path, errors: list[Any]) -> FieldError:
    error = _pick_best_error(errors)
    kind, context, location = error["type"], error.get("ctx", {}), error["loc"]
    if kind == "extra_forbidden":
        message, hint = _explain_unknown_key(shape, value, path, location)
        return FieldError(path, "QC040", message, hint, key=True)
    if kind == "missing":
        hint = _append_sentence(str(path[-1]), _field_description(shape, location))
        return FieldError(path[:-1], "QC041", f"{path[-1]} is required here", hint)
    if rule := context.get("rule"):
        key = location[-1:] == ("[key]",)
        return FieldError(path, rule, error["msg"], context.get("hint", ""), key)
    if kind == "union_tag_not_found":
        near = _find_closest("type", _value_below(value, path))
        hint = f"Did you mean 'type' by {near!r}?" if near else "Add it."
        return FieldError(path, "QC041", f"type is required in {_field_name(path)}", hint)
    description = _field_description(shape, location) or "Write a mapping: `key: value`."
    return _explain_wrong_value(path, errors, error, description)


def _explain_wrong_value(path: Path, errors: list[Any], error: Any, description: str) -> FieldError:
    """The error for a value of the wrong type, out of its bounds, or not among the choices."""
    kind, context, name = error["type"], error.get("ctx", {}), _field_name(path)
    actual = context.get("tag", error["input"])
    if kind in _BOUNDS:
        bound = _BOUNDS[kind].format(**context)
        return FieldError(
            path, "QC043", f"{name} must {bound}, found {_quote_value(actual)}", description
        )
    choices = [choice for member_error in errors for choice in _list_choices(member_error)]
    if choices and isinstance(actual, str):
        message = f"{name} cannot be {_quote_value(actual)}"
        return FieldError(path, "QC044", message, _describe_choices(actual, choices))
    if expected := [_TYPES[kind] for kind in (e["type"] for e in errors) if kind in _TYPES]:
        expected += [f"one of {', '.join(choices)}"] if choices else []
        types = " or ".join(dict.fromkeys(expected))
        message = f"{name} must be {types}, found {_describe_value(actual)}"
        return FieldError(
            path, "QC042", message, _explain_yaml_slip(expected, actual) or description
        )
    if choices:
        message = f"{name} must be one of {', '.join(choices)}, found {_describe_value(actual)}"
        return FieldError(path, "QC042", message, description)
    message = f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    return FieldError(path, "QC045", message, description)


def _trees_along(shape: FieldTree, location: Iterable[str | int]) -> list[FieldTree]:
    """The trees along a pydantic location; the names of union members in it are skipped."""
    result = [shape]
    for word in location:
        if (inner := result[-1].child(word)) is not None:
            result.append(inner)
    return result


def _field_description(shape: FieldTree, location: Iterable[str | int]) -> str:
    """The description of the field, or of the nearest parent that has one."""
    return next(
        (tree.description for tree in reversed(_trees_along(shape, location)) if tree.description),
        "",
    )


def _append_sentence(word: str, description: str) -> str:
    return f"Add {word}: {description[:1].lower()}{description[1:]}" if description else "Add it."


def _pick_best_error(errors: list[Any]) -> Any:
    """Of the errors at one place, the one whose union member accepts the value's type."""
    return min(errors, key=lambda error: error["type"] in _TYPES or error["type"] in _LITERALS)


_LITERALS = ("literal_error", "enum", "union_tag_invalid")
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "date_type": "a day, YYYY-MM-DD",
}
_BOUNDS = {
    "greater_than_equal": "be at least {ge}",
    "greater_than": "be above {gt}",
    "less_than_equal": "be at most {le}",
    "less_than": "be below {lt}",
    "too_short": "hold at least {min_length}",
    "too_long": "hold at most {max_length}",
    "string_too_short": "not be empty",
    "string_too_long": "have at most {max_length} characters",
    "finite_number": "be finite",
}


def _list_choices(error: Any) -> list[str]:
    """The choices of a field, which pydantic lists as `'a', 'b' or 'c'`."""
    context = error.get("ctx", {})
    listed = context.get("expected_tags") or context.get("expected") or ""
    if error["type"] not in _LITERALS:
        return []
    return [word.strip(" '") for word in str(listed).replace(" or ", ", ").split(",") if word]


def _explain_unknown_key(
    shape: FieldTree, value: Json, path: Path, location: Sequence[str | int]
) -> tuple[str, str]:
    """Message and hint for a key that does not exist, or not in this section."""
    word = str(path[-1])
    section = _trees_along(shape, location[:-1])[-1]
    stated = _value_below(value, path[:-1])
    message = f"{word!r} is not a key" + (f" of {_field_name(path[:-1])}" if len(path) > 1 else "")
    for inner in section.fields.values():
        if word in inner.spellings:
            other_spelling = next((s for s in inner.spellings if s != word and s in stated), "")
            if other_spelling:
                same = f"{word!r} means the same as {other_spelling!r}, which is also set"
                return same, "Keep one of the two."
            which = f" of type {stated['type']}" if "type" in stated else ""
            return message + which, "Leave it out."
    spellings = [spelling for inner in section.fields.values() for spelling in inner.spellings]
    if close := _find_closest(word, spellings):
        return message, f"Did you mean {close!r}?"
    if deeper := _section_with_field(shape, word):
        return message, f"It belongs under {'.'.join(deeper)}."
    listed = ", ".join(sorted(inner.spellings[0] for inner in section.fields.values()))
    return message, f"Known here: {listed}." if listed else "Leave it out."


def _section_with_field(shape: FieldTree, word: str) -> tuple[str, ...]:
    """The section below `shape` that has a field of this name."""
    for name, inner in shape.fields.items():
        if word in inner.fields:
            return (name,)
    return next(
        ((n, *path) for n, s in shape.fields.items() if (path := _section_with_field(s, word))),
        (),
    )


def _value_below(value: Json, path: Path) -> Mapping[str, Json]:
    for word in path:
        value = value[word]
    return value if isinstance(value, Mapping) else {}


def _field_name(path: Path) -> str:
    """The field as messages name it: `a.b[0]`."""
    text = "".join(f"[{w}]" if isinstance(w, int) else f".{w}" for w in path).lstrip(".")
    return text or "the document"


def _describe_choices(actual: str, choices: list[str]) -> str:
    if close := _find_closest(actual, choices):
        return f"Did you mean {close}?"
    return f"One of {', '.join(choices)}."


def _find_closest(word: str, candidates: Iterable[str]) -> str:
    """The candidate closest to `word`; empty when none is close."""
    from difflib import get_close_matches

    folded = {name.casefold().replace("-", "_"): name for name in candidates}
    word = word.casefold().replace("-", "_")
    extended = [name for name in folded if name.startswith(f"{word}_")]
    close = get_close_matches(word, folded, 1, 0.7) or extended
    return folded[close[0]] if close else ""


def _explain_yaml_slip(expected: list[str], actual: Json) -> str:
    """A hint where YAML read the value as another type than the user meant; else empty."""
    numeric = "a whole number" in expected or "a number" in expected
    if isinstance(actual, str):
        if numeric and actual.strip().lstrip("+-").replace(".", "", 1).isdigit():
            return "Remove the quotes."
        if "true or false" in expected and actual.casefold() in (
            "yes",
            "no",
            "on",
            "off",
            "y",
            "n",
        ):
            return "Write true or false: to YAML 1.2 this is a string."
        if "a list" in expected:
            return f"Write [{actual[:_LONGEST_QUOTE]}]."
    if isinstance(actual, float) and "a whole number" in expected:
        whole = math.isfinite(actual) and actual == int(actual) and abs(actual) < 2**64
        return f"Write {int(actual)}." if whole else "Fractions are not allowed here."
    if "a string" in expected and isinstance(actual, bool | int | float):
        return "Put it in quotes."
    if "a mapping" in expected and actual is None:
        return "Write its settings, {} for none."
    return ""


def _describe_value(actual: Json) -> str:
    if actual is None:
        return "nothing"
    if isinstance(actual, Mapping):
        return "a mapping"
    if isinstance(actual, list):
        return "a list"
    if isinstance(actual, str):
        return f"the string {_quote_value(actual)}"
    return _quote_value(actual)


def _quote_value(value: Json) -> str:
    if isinstance(value, Mapping | list):
        return f"{len(value)} entries" if len(value) != 1 else "1 entry"
    literals = {True: "true", False: "false", None: "null"}
    if value is None or isinstance(value, bool):
        return literals[value]
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
