"""The envelope of a manifest: the fields around its spec, which every kind shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from qdrantctl.model.consent import Day
from qdrantctl.model.field_rule import FieldRule
from qdrantctl.model.lazy_model import LATER
from qdrantctl.model.project import EnvironmentName
from qdrantctl.model.replacement import ReplacementSettings
from qdrantctl.model.resource import IgnoredField, Lifecycle
from qdrantctl.model.spec import Path, Spec

API_VERSION = "qdrantctl/v1"


class Metadata(Spec):
    """Name and labels of a resource."""

    name: str = Field(description="The name on the server; part of the address.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="Your own labels, to select resources by."
    )
    annotations: dict[str, str] = Field(
        default_factory=dict, description="Your own notes; not used."
    )
    namespace: str | None = Field(
        default=None, description="Accepted for tools that add it; not used."
    )


class IgnoreEntry(Spec):
    """A field that plans ignore."""

    path: Annotated[str | list[str | int], Field(description="Split at dots, or a list.")]
    reason: str = Field(min_length=1, description="Why the field must not be reverted.")
    until: Day | None = Field(default=None, description="Last day (YYYY-MM-DD) it is ignored.")


class LifecycleSpec(Spec):
    """Protection, replacement and ignored fields of a resource."""

    protect: bool = Field(
        default=False,
        description="Never delete or replace. It holds even after the manifest was deleted.",
    )
    replace: Literal["refuse", "recreate", "blue_green"] = Field(
        default="refuse",
        description="How to handle a change that needs a new collection: refuse (until allowed by "
        "name), recreate (an empty collection needs no consent, and no vector is made again in "
        "place instead) or blue_green (a new collection is filled beside the old one, and the "
        "aliases move to it).",
    )
    replacement: Annotated[ReplacementSettings, LATER] | None = Field(
        default=None, description="With replace: blue_green, how the new collection is filled."
    )
    exclusive: list[str | list[str | int]] = Field(
        default_factory=list, description="Maps from which unmanaged keys are removed."
    )
    ignore: Annotated[list[Annotated[IgnoreEntry, LATER]], FieldRule(key="path")] = Field(
        default_factory=list, description="Fields that plans ignore."
    )

    def to_lifecycle(self) -> Lifecycle:
        """The lifecycle as a value of the model."""
        return Lifecycle(
            protect=self.protect,
            replace=self.replace,
            exclusive=tuple(parse_field_path(path) for path in self.exclusive),
            ignore=tuple(
                IgnoredField(parse_field_path(i.path), i.reason, i.until) for i in self.ignore
            ),
            replacement=self.replacement.document() if self.replacement else {},
        )


def parse_field_path(path: str | list[str | int]) -> Path:
    """`a.b` or `[a, b]` as a path."""
    return tuple(path.split(".")) if isinstance(path, str) else tuple(path)


class Envelope(Spec):
    """A manifest whose spec is not validated yet."""

    api_version: Annotated[
        Literal["qdrantctl/v1"],
        Field(alias="apiVersion", description="Always qdrantctl/v1."),
    ]
    kind: str = Field(description="The kind of resource.")
    metadata: Metadata = Field(description="Name and labels of the resource.")
    spec: dict[str, Any] = Field(description="Desired settings of the resource.")
    lifecycle: LifecycleSpec = Field(
        default_factory=LifecycleSpec,
        description="Protection, replacement and ignored fields of the resource.",
    )
    environments: list[EnvironmentName] | None = Field(
        default=None,
        min_length=1,
        description="Environments in which it is desired; left out: in every one.",
    )

    def is_for(self, environment: str) -> bool:
        """Whether the manifest states something in an environment."""
        return self.environments is None or environment in self.environments
