"""Where the project file says that keys and other values are found. It holds no key itself."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.model.spec import Spec


class FromVariable(Spec):
    """A value in an environment variable."""

    env: str = Field(min_length=1, description="Name of the environment variable.")


class KeySource(Spec):
    """Source of the API key. The project file never contains the key itself."""

    env: Annotated[
        str | None, Field(min_length=1, description="Name of the environment variable.")
    ] = None
    file: Annotated[
        str | None,
        Field(min_length=1, description="File that holds the key and nothing else."),
    ] = None
    command: Annotated[
        list[str] | None,
        Field(
            min_length=1,
            description="Program and arguments that print the key; run without a shell.",
        ),
    ] = None

    @model_validator(mode="after")
    def _require_one_source(self) -> KeySource:
        if sum(source is not None for source in (self.env, self.file, self.command)) != 1:
            raise PydanticCustomError(
                "key_source",
                "give exactly one of env, file and command",
                {"rule": "QC071", "hint": "For instance {env: QDRANT_API_KEY}."},
            )
        return self


def refuse_literal_key(value: Any) -> Any:
    """The value, unless it is a key itself. Raises PydanticCustomError."""
    if value is None or isinstance(value, dict | KeySource):
        return value
    raise PydanticCustomError(
        "literal_key",
        "the project file must not contain an API key",
        {
            "rule": "QC071",
            "hint": "Give its source: {env: QDRANT_API_KEY}, {file: path} or "
            "{command: [program, argument]}. A key that was committed should be replaced.",
        },
    )


class SnapshotSigning(Spec):
    """The keys that sign what is written beside snapshots."""

    key: Annotated[
        KeySource,
        BeforeValidator(refuse_literal_key),
        Field(description="Source of the key that signs sets: any text that others cannot guess."),
    ]
    previous_keys: Annotated[
        list[Annotated[KeySource, BeforeValidator(refuse_literal_key)]],
        Field(default_factory=list, description="Sources of keys that sets were signed with."),
    ]
