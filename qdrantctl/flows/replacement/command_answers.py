"""The lines that a fill command gets and answers, checked against the new collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from qdrantctl.adapters.system.json_lines import encode_lines, parse_line
from qdrantctl.model.field_rule import Json
from qdrantctl.model.points import Point, PointKey

_MAX_INDEX = 2**32 - 1
_SHOWN_CHARACTERS = 100


class AnswerError(Exception):
    """An answer that cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class VectorForm:
    """What a vector of the new collection looks like."""

    size: int = 0
    """Numbers; 0 for a sparse vector."""
    is_multivector: bool = False


def vector_forms(spec: Mapping[str, Any]) -> dict[str, VectorForm]:
    """The vectors of a collection by name, from its canonical spec."""
    dense = {
        name: VectorForm(vector["size"], "multivector_config" in vector)
        for name, vector in (spec.get("vectors") or {}).items()
    }
    return dense | {name: VectorForm() for name in spec.get("sparse_vectors") or {}}


def question_lines(points: Iterable[Point]) -> bytes:
    """Points as the command gets them: one a line, and an empty line."""
    return encode_lines(
        {"id": point.key.point_id, "payload": point.payload, "vectors": point.vectors}
        for point in points
    )


@dataclass(frozen=True, slots=True)
class CommandAnswer:
    """A line of the command's answer, parsed and not checked."""

    key: PointKey
    vectors: Json
    payload: Json
    """None if the answer has none."""


def parse_answer(line: bytes) -> CommandAnswer:
    """Raises AnswerError for a line that is no answer to any point."""
    try:
        value = parse_line(line)
        key = PointKey.parse(_check_id(value["id"]))
    except (ValueError, LookupError, TypeError):
        text = line.decode(errors="replace").strip()
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        raise AnswerError(f"it wrote a line that is no answer: {shown!r}") from None
    return CommandAnswer(key, value.get("vectors"), value.get("payload"))


def _check_id(value: Json) -> int | str:
    if type(value) not in (int, str):
        raise TypeError
    result: int | str = value
    return result


def answered_point(
    point: Point, answer: CommandAnswer, forms: Mapping[str, VectorForm], *, keeps_payload: bool
) -> Point:
    """The point as it is written to the new collection. Raises AnswerError.

    With `keeps_payload` the answer may not change the payload.
    """
    payload = point.payload
    if answer.payload is not None:
        if keeps_payload:
            raise AnswerError(
                "the answer has a payload; with text_fields the payload is copied as it is"
            )
        if not isinstance(answer.payload, dict):
            raise AnswerError("the payload of the answer is no object")
        payload = answer.payload
    return replace(point, payload=payload, vectors=_check_vectors(answer.vectors, forms))


def _check_vectors(vectors: Json, forms: Mapping[str, VectorForm]) -> dict[str, Json]:
    """Every vector of the new collection; one that the answer gives as null is left out."""
    by_name = {"": vectors} if isinstance(vectors, list) else vectors
    if not isinstance(by_name, dict):
        raise AnswerError("the answer has no vectors")
    if by_name.keys() != forms.keys():
        missing, unknown = forms.keys() - by_name.keys(), by_name.keys() - forms.keys()
        stated = [f"lacks {_list_names(missing)}"] if missing else []
        stated += [f"has {_list_names(unknown)}, which the collection lacks"] if unknown else []
        raise AnswerError(f"the answer {' and '.join(stated)}")
    checked = {name: value for name, value in by_name.items() if value is not None}
    for name, value in checked.items():
        if flaw := _find_flaw(value, forms[name]):
            raise AnswerError(f"{_name_vector(name)} {flaw}")
    return checked


def _list_names(names: set[str]) -> str:
    return ", ".join(_name_vector(name) for name in sorted(names))


def _name_vector(name: str) -> str:
    return f"the vector {name!r}" if name else "the unnamed vector"


def _find_flaw(value: Json, form: VectorForm) -> str:
    """Why the server would not take a vector; empty if it would."""
    if not form.size:
        return _find_sparse_flaw(value)
    if not form.is_multivector:
        return _find_dense_flaw(value, form.size)
    if not isinstance(value, list) or not value:
        return "is no list of vectors"
    return next(filter(None, (_find_dense_flaw(inner, form.size) for inner in value)), "")


def _find_dense_flaw(value: Json, size: int) -> str:
    if not _is_list_of_numbers(value):
        return "is no list of numbers"
    return "" if len(value) == size else f"has {len(value)} numbers, the collection has {size}"


def _find_sparse_flaw(value: Json) -> str:
    if not isinstance(value, dict) or value.keys() != {"indices", "values"}:
        return "is no object of indices and values"
    indices, values = value["indices"], value["values"]
    if not (isinstance(indices, list) and _is_list_of_numbers(values)):
        return "is no object of indices and values"
    if len(indices) != len(values):
        return f"has {len(indices)} indices and {len(values)} values"
    if not all(type(index) is int and 0 <= index <= _MAX_INDEX for index in indices):
        return "has an index that is no number of 32 bits"
    return "" if len(set(indices)) == len(indices) else "has an index twice"


def _is_list_of_numbers(value: Json) -> bool:
    if not isinstance(value, list) or not set(map(type, value)) <= {int, float}:
        return False
    return all(map(isfinite, value))
