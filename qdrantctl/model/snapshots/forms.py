"""The forms of what a set says of itself.

Other users may write to a destination, so nothing there is taken for a name, a number or a time
before it has the form of one.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from qdrantctl.model.address import unsendable_reason
from qdrantctl.model.server import Version

LARGEST = 2**63 - 1
_FIRST_YEAR, _LAST_YEAR = 2000, 2999
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_POINT_ID = re.compile(r'\d{1,20}|"[0-9A-Fa-f-]{1,64}"')


def _check_name(text: str) -> str:
    """A name that can be sent to a server, and stands in a path as one word."""
    if reason := unsendable_reason(text):
        raise ValueError(reason)
    if not text.strip("."):
        raise ValueError("a name of dots only")
    return text


def _check_time(time: datetime) -> datetime:
    """A time that every zone can tell, and that a clock may have told."""
    if not _FIRST_YEAR < time.year < _LAST_YEAR:
        raise ValueError(f"the year {time.year} is not one in which a set was taken")
    return time.astimezone(UTC)


def _check_version(text: str) -> str:
    Version.parse(text)
    return text


def _check_point_id(text: str) -> str:
    if not _POINT_ID.fullmatch(text):
        raise ValueError("not the id of a point")
    return text


Name = Annotated[str, AfterValidator(_check_name)]
"""Of a collection, an alias, a policy or a file."""
SetId = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z][0-9A-Za-z_.-]{0,119}$")]
"""One word of a path."""
OwnerName = Annotated[
    str,
    StringConstraints(
        pattern=r"^(-|[A-Za-z0-9][A-Za-z0-9_.-]{0,63})/(-|[A-Za-z0-9][A-Za-z0-9_-]{0,63})$"
    ),
]
"""Project and environment."""
ClusterId = Annotated[str, StringConstraints(pattern=rf"^({_UUID})?$")]
"""Empty where it is unknown."""
PeerId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
Checksum = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
"""sha256; empty where it is unknown."""
VersionText = Annotated[str, StringConstraints(max_length=40), AfterValidator(_check_version)]
PointId = Annotated[str, AfterValidator(_check_point_id)]
"""As JSON."""
Count = Annotated[int, Field(ge=0, le=LARGEST)]
ShardId = Annotated[int, Field(ge=0, lt=2**32)]
SetTime = Annotated[AwareDatetime, AfterValidator(_check_time)]


def is_cluster_id(text: str) -> bool:
    """Whether a text is the id of some cluster."""
    return bool(re.fullmatch(_UUID, text))


def read_json_object(content: bytes) -> dict[str, Any]:
    """A JSON object of numbers that can be counted with. Raises ValueError."""

    def refuse(word: str) -> None:
        raise ValueError(f"{word} is no number")

    try:
        document = json.loads(content, parse_constant=refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # what is read, not how it is called
    return document
