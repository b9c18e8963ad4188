"""Versions of Qdrant as the project file states them."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import PydanticCustomError


def check_version(value: Any) -> Any:
    """A version of two or three parts, as text: YAML reads 1.10 as the number 1.1."""
    if value is None:
        return value
    if isinstance(value, str) and re.fullmatch(r"\d+\.\d+(\.\d+)?", value, re.ASCII):
        return value
    raise PydanticCustomError(
        "version",
        "not a version of Qdrant",
        {"rule": "QC045", "hint": 'Write it in quotes, as in "1.16" or "1.16.3".'},
    )


def check_full_version(value: Any) -> Any:
    """A version with all three parts: programs and images are found by it."""
    if value is None or (
        isinstance(value, str) and re.fullmatch(r"\d+\.\d+\.\d+", value, re.ASCII)
    ):
        return value
    raise PydanticCustomError(
        "version",
        "not a full version of Qdrant",
        {"rule": "QC045", "hint": "Write all three parts, as in 1.19.0."},
    )
