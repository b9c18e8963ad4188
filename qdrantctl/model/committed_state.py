"""The committed state: the desired state of one environment, a file for each resource."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import Field

from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Json
from qdrantctl.model.manifest import LifecycleSpec
from qdrantctl.model.resource import Record, Resource
from qdrantctl.model.spec import Spec

FORMAT = 1
STATE_SUFFIX = ".yaml"

_PLAIN_NAME = re.compile(r"[a-z0-9_][a-z0-9._-]*")
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)")
"""Names that Windows reserves for devices, with any suffix."""
_LONGEST_NAME = 190
_SHORTENED_LENGTH = 150


class CommittedFile(Spec):
    """A file of the committed state, `state/<environment>/<kind>/<name>.yaml`."""

    format: Annotated[Literal[1], Field(description="Version of this format.")]
    address: Annotated[str, Field(pattern=r"^[^/]+/.+$", description="`kind/name`.")]
    schema_version: Annotated[
        int, Field(ge=1, description="How often the desired state has changed, by git's history.")
    ]
    digest: Annotated[
        str,
        Field(
            pattern="^sha256:[0-9a-f]{64}$",
            description="sha256 of the canonical JSON of address, spec and lifecycle.",
        ),
    ]
    spec: Annotated[dict[str, Any], Field(description="The spec, after templates.")]
    lifecycle: Annotated[
        LifecycleSpec, Field(description="The lifecycle section; defaults are left out.")
    ]

    def to_resource(self, owner: str) -> Resource:
        """The resource in the file, as one that `owner` recorded."""
        return Resource(
            address=Address.parse(self.address),
            spec=self.spec,
            lifecycle=self.lifecycle.to_lifecycle(),
            record=Record(owner, self.schema_version, self.digest),
        )


def state_document(resource: Resource, version: int) -> dict[str, Json]:
    """The content of a resource's file, with sorted keys in spec and lifecycle."""
    return {
        "format": FORMAT,
        "address": str(resource.address),
        "schema_version": version,
        "digest": resource.digest,
        "spec": _sort_keys(resource.spec),
        "lifecycle": _sort_keys(resource.lifecycle.document()),
    }


def _sort_keys(value: Json) -> Json:
    if isinstance(value, Mapping):
        return {key: _sort_keys(value[key]) for key in sorted(value)}
    return [_sort_keys(inner) for inner in value] if isinstance(value, list) else value


def state_path(address: Address) -> str:
    """The path of a resource's file below the environment's folder.

    Names are unique also on file systems that ignore case. They depend on the address only, so
    that independent branches give a file the same name.
    """
    name = address.name
    if not _PLAIN_NAME.fullmatch(name) or _DEVICE.match(name) or len(name) > _LONGEST_NAME:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        start = quote(name, safe="")[:_SHORTENED_LENGTH].replace(".", "%2E", name.startswith("."))
        name = f"{start}~{digest}"
    return f"{address.kind}/{name}{STATE_SUFFIX}"
