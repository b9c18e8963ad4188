"""The value of a plain YAML scalar by the YAML 1.2 core schema."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from qdrantctl.model.field_rule import Json

_AMBIGUOUS_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMERIC = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST_NUMBER = 400
"""Characters; no setting needs a longer number."""
_LONGEST_SHOWN = 40


class AmbiguousScalar(Exception):
    """A scalar that YAML readers parse differently, or that JSON cannot represent."""

    def __init__(self, message: str, hint: str, value: Json) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.value = value
        """The value to continue with."""


def parse_plain_scalar(text: str) -> Json:
    """The value of an unquoted scalar. Raises AmbiguousScalar."""
    if text in _AMBIGUOUS_WORDS:
        return _AMBIGUOUS_WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INT.fullmatch(text):
        return _parse_int(text)
    if _FLOAT.fullmatch(text):
        value = float(text) if len(text) <= _LONGEST_NUMBER else math.inf
        if math.isinf(value):
            raise AmbiguousScalar(
                "the number is too large", "Write a smaller one, or quote it.", text
            )
        _require_same_number(text, value)
        return value
    if _NO_NUMBER.fullmatch(text):
        raise AmbiguousScalar(
            f"{text} is not a number that JSON can hold", "Leave it out, or quote it.", text
        )
    return text


def _require_same_number(text: str, value: float) -> None:
    """Raise AmbiguousScalar if a float cannot hold the number as it is written."""
    written = Decimal(text)
    if written not in (Decimal(repr(value)), Decimal(f"{value:.17g}"), Decimal(value)):
        raise AmbiguousScalar(
            f"no float is {_shorten(text)}; the nearest is {value!r}",
            f"Write {value!r}, or put it in quotes.",
            value,
        )


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _parse_int(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise AmbiguousScalar(
            "the number is too long", "Put it in quotes, or write a smaller one.", text
        )
    if text[:2] in ("0o", "0x"):
        return _require_64_bits(text, int(text, 0))
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0":
        bare = text.replace(digits, digits.lstrip("0") or "0")
        raise AmbiguousScalar(
            f"{text} is octal to some readers of YAML and decimal to others",
            f'Write {bare}, or "{text}" if it is a string.',
            int(bare),
        )
    return _require_64_bits(text, int(text))


def _require_64_bits(text: str, value: int) -> int:
    """The value. Raises AmbiguousScalar for one that a server would store as a float."""
    if -(2**63) <= value < 2**64:
        return value
    raise AmbiguousScalar(
        f"{_shorten(text)} is beyond 64 bits, and most readers of JSON would change it",
        "Write a smaller number, or put it in quotes.",
        value,
    )
