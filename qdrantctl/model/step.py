"""A step: one thing to do, as data. Whoever holds a plan can read exactly what will be sent."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from qdrantctl.model.rule import ABSENT, Json


class Call(BaseModel):
    """One REST request."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    method: str = Field(description="GET, PUT, POST, PATCH or DELETE.")
    path: str = Field(description="Path below the server's URL, every name percent-encoded.")
    query: Mapping[str, str] = Field(default_factory=dict, description="Query parameters.")
    body: Json = Field(default=ABSENT, description="The JSON body; left out when there is none.")

    @property
    def writes(self) -> bool:
        """Whether the request can change the cluster. Scrolling is a POST that only reads."""
        return self.method != "GET" and not self.path.endswith("/points/scroll")


class Step(BaseModel):
    """A step of a plan. Exactly one word says what it is; so far all are calls."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    call: Call = Field(description="A REST request.")


def collection_path(name: str, *rest: str) -> str:
    """`/collections/{name}/…` with every name percent-encoded, `/` included."""
    return "/".join(["/collections", *(quote(word, safe="") for word in (name, *rest))])
