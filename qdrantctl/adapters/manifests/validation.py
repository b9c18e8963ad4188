"""Checks data that a person wrote against its model; what is wrong, in words that say what to do.

Pydantic finds the errors; here they get a stable rule id, the place in the document that was
meant, and "did you mean". Knows models only by their fields, nothing of what they stand for.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar

from pydantic import ValidationError

from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import FieldTree, Path, Spec, field_tree_of

DocumentModel = TypeVar("DocumentModel", bound=Spec)
MAX_FAULTS = 100
"""Of one document; whoever repairs a hundred can run it again."""
_LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with a document."""

    path: Path
    """Where, in the document's own words."""
    rule: str
    message: str
    hint: str = ""
    key: bool = False
    """Whether the key is wrong rather than what it stands for."""


def validate_document(
    model: type[DocumentModel], value: Json
) -> tuple[DocumentModel | None, list[FieldError]]:
    """`value` as a `model`, or everything that is wrong with it."""
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        shape = field_tree_of(model)
        faults = _collect_errors(shape, value, error.errors(include_url=False))
        return None, list(islice(faults, MAX_FAULTS))
    except RecursionError:
        return None, [FieldError((), "QC010", "nested too deep to be checked", "Make it flatter.")]


def _collect_errors(shape: FieldTree, value: Json, errors: Iterable[Any]) -> Iterator[FieldError]:
    """One fault for each place: the members of a union complain together."""
    places: dict[Path, list[Any]] = {}
    for error in errors:
        where = (*_document_path(value, error["loc"]), *error.get("ctx", {}).get("path", ()))
        if error["type"] in ("extra_forbidden", "missing"):
            where = (*_document_path(value, error["loc"][:-1]), error["loc"][-1])
        places.setdefault(where, []).append(error)
    for where, found in places.items():
        yield _explain_error(shape, value, where, found)


def _document_path(value: Json, location: Iterable[str | int]) -> Path:
    """The words of a location that stand in the document.

    Pydantic adds others: members of unions, and names that validation put there.
    """
    path: list[str | int] = []
    for word in location:
        if isinstance(value, Mapping):
            there = word in value
        else:
            there = isinstance(value, list) and isinstance(word, int) and word < len(value)
        if there:
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
    about = _field_description(shape, location) or "Write a mapping: `key: value`."
    return _explain_wrong_value(path, errors, error, about)


def _explain_wrong_value(path: Path, errors: list[Any], error: Any, about: str) -> FieldError:
    """A value of the wrong type, out of its bounds, or none of the words that may stand there."""
    kind, context, name = error["type"], error.get("ctx", {}), _field_name(path)
    found = context.get("tag", error["input"])
    if kind in _BOUNDS:
        words = _BOUNDS[kind].format(**context)
        return FieldError(path, "QC043", f"{name} must {words}, found {_quote_value(found)}", about)
    choices = [choice for one in errors for choice in _list_choices(one)]
    if choices and isinstance(found, str):
        message = f"{name} cannot be {_quote_value(found)}"
        return FieldError(path, "QC044", message, _describe_choices(found, choices))
    if wanted := [_TYPES[one["type"]] for one in errors if one["type"] in _TYPES]:
        wanted += [f"one of {', '.join(choices)}"] if choices else []
        message = (
            f"{name} must be {' or '.join(dict.fromkeys(wanted))}, found {_describe_value(found)}"
        )
        return FieldError(path, "QC042", message, _explain_yaml_slip(wanted, found) or about)
    if choices:
        message = f"{name} must be one of {', '.join(choices)}, found {_describe_value(found)}"
        return FieldError(path, "QC042", message, about)
    message = f"{name}: {error['msg'][:1].lower()}{error['msg'][1:]}"
    return FieldError(path, "QC045", message, about)


def _trees_along(shape: FieldTree, location: Iterable[str | int]) -> list[FieldTree]:
    """The shapes along a location of pydantic's; members of unions, named in it, lead nowhere."""
    result = [shape]
    for word in location:
        if (inner := result[-1].child(word)) is not None:
            result.append(inner)
    return result


def _field_description(shape: FieldTree, location: Iterable[str | int]) -> str:
    """What the field is, or the nearest above it that says so: with its bounds and its default."""
    return next((met.about for met in reversed(_trees_along(shape, location)) if met.about), "")


def _append_sentence(word: str, about: str) -> str:
    return f"Add {word}: {about[:1].lower()}{about[1:]}" if about else "Add it."


def _pick_best_error(errors: list[Any]) -> Any:
    """Of the complaints about one place the one that took the value's type for right."""
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
    """The words that a field may say, as pydantic lists them: `'a', 'b' or 'c'`."""
    context = error.get("ctx", {})
    listed = context.get("expected_tags") or context.get("expected") or ""
    if error["type"] not in _LITERALS:
        return []
    return [word.strip(" '") for word in str(listed).replace(" or ", ", ").split(",") if word]


def _explain_unknown_key(
    shape: FieldTree, value: Json, path: Path, location: Sequence[str | int]
) -> tuple[str, str]:
    """What to say of a key that nobody knows, or not here."""
    word = str(path[-1])
    here = _trees_along(shape, location[:-1])[-1]
    stated = _value_below(value, path[:-1])
    message = f"{word!r} is not a key" + (f" of {_field_name(path[:-1])}" if len(path) > 1 else "")
    for inner in here.fields.values():
        if word in inner.spellings:
            other = next((s for s in inner.spellings if s != word and s in stated), "")
            if other:
                return f"{word!r} says the same as {other!r}, which is stated too", "Keep one."
            which = f" of type {stated['type']}" if "type" in stated else ""
            return message + which, "Leave it out."
    known = [spelling for inner in here.fields.values() for spelling in inner.spellings]
    if close := _find_closest(word, known):
        return message, f"Did you mean {close!r}?"
    if deeper := _section_with_field(shape, word):
        return message, f"It belongs under {'.'.join(deeper)}."
    listed = ", ".join(sorted(inner.spellings[0] for inner in here.fields.values()))
    return message, f"Known here: {listed}." if listed else "Leave it out."


def _section_with_field(shape: FieldTree, word: str) -> tuple[str, ...]:
    """The section below `shape` that has a field of this name."""
    for name, inner in shape.fields.items():
        if word in inner.fields:
            return (name,)
    return next(
        ((n, *found) for n, s in shape.fields.items() if (found := _section_with_field(s, word))),
        (),
    )


def _value_below(value: Json, path: Path) -> Mapping[str, Json]:
    for word in path:
        value = value[word]
    return value if isinstance(value, Mapping) else {}


def _field_name(path: Path) -> str:
    """The field as a person calls it."""
    words = "".join(f"[{w}]" if isinstance(w, int) else f".{w}" for w in path).lstrip(".")
    return words or "the document"


def _describe_choices(found: str, choices: list[str]) -> str:
    if close := _find_closest(found, choices):
        return f"Did you mean {close}?"
    return f"One of {', '.join(choices)}."


def _find_closest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty when none is near."""
    folded = {name.casefold().replace("-", "_"): name for name in known}
    word = word.casefold().replace("-", "_")
    begun = [name for name in folded if name.startswith(f"{word}_")]
    close = get_close_matches(word, folded, 1, 0.7) or begun
    return folded[close[0]] if close else ""


def _explain_yaml_slip(wanted: list[str], found: Json) -> str:
    """How YAML led there."""
    numeric = "a whole number" in wanted or "a number" in wanted
    if isinstance(found, str):
        if numeric and found.strip().lstrip("+-").replace(".", "", 1).isdigit():
            return "Take the quotes off."
        if "true or false" in wanted and found.casefold() in ("yes", "no", "on", "off", "y", "n"):
            return "Write true or false: to YAML 1.2 this is a string."
        if "a list" in wanted:
            return f"Write [{found[:_LONGEST_QUOTE]}]."
    if isinstance(found, float) and "a whole number" in wanted:
        whole = math.isfinite(found) and found == int(found) and abs(found) < 2**64
        return f"Write {int(found)}." if whole else "Fractions are not allowed here."
    if "a string" in wanted and isinstance(found, bool | int | float):
        return "Put it in quotes."
    if "a mapping" in wanted and found is None:
        return "Write its settings, {} for none."
    return ""


def _describe_value(found: Json) -> str:
    if found is None:
        return "nothing"
    if isinstance(found, Mapping):
        return "a mapping"
    if isinstance(found, list):
        return "a list"
    if isinstance(found, str):
        return f"the string {_quote_value(found)}"
    return _quote_value(found)


def _quote_value(found: Json) -> str:
    if isinstance(found, Mapping | list):
        return f"{len(found)} entries" if len(found) != 1 else "1 entry"
    words = {True: "true", False: "false", None: "null"}
    if found is None or isinstance(found, bool):
        return words[found]
    text = f'"{found}"' if isinstance(found, str) else str(found)
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
