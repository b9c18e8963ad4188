"""The spec of an AccessKey manifest: scope, lifetime, and the sinks of its tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.model.access_keys.generation import EVERYWHERE, duration_seconds, spell_duration
from qdrantctl.model.field_rule import Availability, Effect, FieldRule, Json
from qdrantctl.model.spec import Spec


def _check_key_duration(text: str) -> str:
    try:
        return spell_duration(text)
    except ValueError as error:
        raise PydanticCustomError(
            "duration",
            "{why}",
            {
                "why": str(error),
                "rule": "QC144",
                "hint": "Write days, hours or minutes, as in 90d, 12h or 30m, and more than zero.",
            },
        ) from None


KeyDuration = Annotated[
    str,
    AfterValidator(_check_key_duration),
    WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,5}[mhd]$"}),
]


class Grant(Spec):
    """Access to one name."""

    collection: Annotated[
        str,
        Field(
            min_length=1,
            description="The name in the URL, literally: an alias or a collection. Who may use "
            "the one may not use the other.",
        ),
    ]
    access: Annotated[
        Literal["r", "rw", "prw"],
        Field(description="r reads; prw also writes points; rw also creates indexes, snapshots."),
    ]

    @model_validator(mode="before")
    @classmethod
    def _no_payload(cls, value: Any) -> Any:
        if isinstance(value, dict) and "payload" in value:
            raise PydanticCustomError(
                "payload",
                "Qdrant has no payload filters in tokens any more (since 1.15)",
                {
                    "path": ("payload",),
                    "rule": "QC142",
                    "hint": "Filter in the application, or give users who must be kept apart a "
                    "collection of their own. docs/concepts/multi-tenancy.md shows both.",
                },
            )
        return value


class KubernetesSecret(Spec):
    """A manifest of a Kubernetes Secret, which another program applies."""

    path: Annotated[str, Field(min_length=1, description="File, from the project's folder.")]
    name: Annotated[str, Field(min_length=1, description="Name of the Secret.")]
    namespace: Annotated[str | None, Field(description="Its namespace.")] = None
    key: Annotated[str, Field(min_length=1, description="Key in its data.")] = "QDRANT_API_KEY"


class Dotenv(Spec):
    """One line of a file of variables."""

    path: Annotated[str, Field(min_length=1, description="File, from the project's folder.")]
    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="The variable.")]


class Sink(Spec):
    """A place for tokens; exactly one of these."""

    file: Annotated[
        str | None, Field(min_length=1, description="A file that holds the token and nothing else.")
    ] = None
    dotenv: Annotated[Dotenv | None, Field(description="A line of a file of variables.")] = None
    kubernetes_secret: Annotated[
        KubernetesSecret | None, Field(description="A file with a Secret's manifest.")
    ] = None
    command: Annotated[
        list[str] | None,
        Field(min_length=1, description="A program that gets the token on its standard input."),
    ] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        forms = ("file", "dotenv", "kubernetes_secret", "command")
        if sum(getattr(self, form) is not None for form in forms) != 1:
            raise PydanticCustomError(
                "sink",
                "a sink must state exactly one of {forms}",
                {
                    "forms": ", ".join(forms),
                    "rule": "QC045",
                    "hint": "For instance {file: secrets/token}.",
                },
            )
        return self


_SCOPE = FieldRule(
    key="collection",
    value_member="access",
    shorthand_key=EVERYWHERE,
    replaced_as_unit=True,
    drop=Effect.UPDATE,
    gate=Availability(signed=True),
)
_TERM = FieldRule(drop=Effect.UPDATE)


Scope = Annotated[
    Annotated[list[Grant], Tag("list")] | Annotated[Literal["r", "m"], Tag("word")],
    Discriminator(lambda stated: "list" if isinstance(stated, list) else "word"),
]
"""Errors in a list are reported for its entries, and not as a wrong word."""


class AccessKey(Spec):
    """The spec of an AccessKey manifest."""

    access: Annotated[
        Scope,
        _SCOPE,
        Field(
            description="What its tokens may do: r reads the whole cluster, m manages it, a list "
            "names collections and aliases."
        ),
    ]
    ttl: Annotated[
        KeyDuration,
        _TERM,
        Field(description="How long a token is valid once issued: 90d, 12h, 30m."),
    ]
    rotate_before: Annotated[
        KeyDuration | None,
        _TERM,
        Field(description="How long before its expiry `keys rotate --due` creates the next one."),
    ] = None
    grace: Annotated[
        KeyDuration,
        _TERM,
        Field(description="How long the old token stays valid beside a new one."),
    ] = "1d"
    revocable: Annotated[
        bool,
        FieldRule(change=Effect.REFUSED, because="tokens cannot change that; give it another name"),
        Field(
            description="Whether the server looks its tokens up at each request, so that they can "
            "be revoked."
        ),
    ] = True
    subject: Annotated[
        str | None,
        FieldRule(drop=Effect.UPDATE),
        Field(
            min_length=1,
            max_length=255,
            description="The token's sub, which audit logs show; by default OWNER/NAME.",
        ),
    ] = None
    sinks: Annotated[
        list[Sink] | None,
        FieldRule(client_side=True),
        Field(min_length=1, description="Where `keys issue` writes tokens. Default stdout."),
    ] = None
    acknowledge: Annotated[
        list[Literal["manage"]] | None,
        FieldRule(client_side=True),
        Field(description="Confirms that it may manage the cluster: manage."),
    ] = None

    @model_validator(mode="after")
    def _says_something_once(self) -> Self:
        if isinstance(self.access, str):
            return self
        if not self.access:
            raise _scope_error(
                "access names nothing", "Name a collection, or leave the key out.", ()
            )
        names = [grant.collection for grant in self.access]
        for position, name in enumerate(names):
            entry_path = (position, "collection")
            if name == EVERYWHERE:
                hint = "Name each collection or alias, or write access: r for the whole cluster."
                raise _scope_error("there are no wildcards in tokens", hint, entry_path, "QC141")
            if name in names[:position]:
                hint = "Keep one of the two; Qdrant refuses such a token."
                raise _scope_error(f"access names {name!r} twice", hint, entry_path)
        return self

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        for term in ("rotate_before", "grace"):
            stated = getattr(self, term)
            default = term not in self.model_fields_set
            if stated and not default and duration_seconds(stated) >= duration_seconds(self.ttl):
                raise PydanticCustomError(
                    "terms",
                    "{word} {stated} is not shorter than ttl {ttl}",
                    {
                        "word": term,
                        "stated": stated,
                        "ttl": self.ttl,
                        "path": (term,),
                        "rule": "QC144",
                        "hint": "Make it shorter, or the tokens longer.",
                    },
                )
        return self


def _scope_error(
    message: str, hint: str, path: tuple[str | int, ...], rule: str = "QC140"
) -> PydanticCustomError:
    context = {"words": message, "path": ("access", *path), "rule": rule, "hint": hint}
    return PydanticCustomError("scope", "{words}", context)


def canonical_access_key(spec: Spec) -> Mapping[str, Json]:
    """The scope as a mapping of names, `*` for the whole cluster; defaults stated."""
    assert isinstance(spec, AccessKey)
    plain = spec.model_dump(exclude_none=True, exclude={"sinks", "acknowledge"})
    if isinstance(spec.access, str):
        plain["access"] = {EVERYWHERE: spec.access}
    else:
        plain["access"] = {grant.collection: grant.access for grant in spec.access}
    return plain
