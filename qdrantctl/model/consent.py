"""Consents: permissions for changes of single resources, by flag or in the project file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.model.address import Address, unsendable_reason
from qdrantctl.model.frozen import frozen
from qdrantctl.model.spec import Spec

Verb = Literal["delete", "replace", "adopt", "adopt_cloned", "loosen", "widen", "alias"]
VERBS: tuple[Verb, ...] = (
    "delete", "replace", "adopt", "adopt_cloned", "loosen", "widen", "alias",
)  # fmt: skip

ADDRESS_HINT = "Addresses are KIND/NAME, as in collection/products."
OWNER_HINT = (
    "Owners are PROJECT/ENVIRONMENT, as in shop/prod; every plan prints its own at the top."
)


def _check_day(value: Any) -> date:
    """Only `YYYY-MM-DD`: pydantic would take a number for seconds since 1970."""
    if type(value) is date:
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise PydanticCustomError(
        "day",
        "not a calendar date",
        {"rule": "QC045", "hint": "Write YYYY-MM-DD, as in 2027-01-31."},
    )


Day = Annotated[date, BeforeValidator(_check_day)]


@frozen
class Consent:
    """One permission. `pattern` is an address, or a glob with `*` and `?`.

    That of `adopt_cloned` is an owner.
    """

    verb: str
    pattern: str
    source: str
    """Its source: a flag (`--allow-delete`) or a line (`qdrantctl.yaml:12`)."""

    def covers(self, verb: str, address: Address) -> bool:
        """Whether it allows `verb` on `address`. Every character but `*` and `?` is literal."""
        return verb == self.verb and matches_glob(self.pattern, str(address))


def is_allowed(consents: Iterable[Consent], verb: Verb, address: Address) -> bool:
    """Whether one of the consents covers `verb` on `address`."""
    return any(consent.covers(verb, address) for consent in consents)


class ConsentEntry(Spec):
    """A consent in the project file, which is reviewed before it is used."""

    delete: Annotated[
        str | None, Field(description="Address or glob that may be deleted with its points.")
    ] = None
    replace: Annotated[
        str | None, Field(description="Address or glob that may be deleted and recreated.")
    ] = None
    adopt: Annotated[
        str | None,
        Field(description="Address or glob that may be adopted, and changed to its manifest."),
    ] = None
    adopt_cloned: Annotated[
        str | None,
        Field(
            description="Owner (PROJECT/ENVIRONMENT) whose records may be adopted because this "
            "cluster is a copy of its cluster."
        ),
    ] = None
    loosen: Annotated[
        str | None, Field(description="Address or glob whose limits may be loosened.")
    ] = None
    widen: Annotated[
        str | None, Field(description="Address or glob of a key that may gain rights.")
    ] = None
    alias: Annotated[
        str | None,
        Field(description="Address or glob of an alias that may move to an empty collection."),
    ] = None
    until: Annotated[Day, Field(description="Last day on which it is valid, YYYY-MM-DD.")]
    environments: Annotated[
        list[str] | None,
        Field(min_length=1, description="Environments where it is valid. Default: all."),
    ] = None
    reason: Annotated[str, Field(description="Why, for later readers.")] = ""

    @model_validator(mode="after")
    def _require_one_verb(self) -> ConsentEntry:
        stated = [verb for verb in VERBS if getattr(self, verb) is not None]
        if len(stated) != 1:
            raise PydanticCustomError(
                "consent",
                "a consent allows exactly one of {verbs}, this one allows {stated}",
                {
                    "verbs": ", ".join(VERBS),
                    "stated": " and ".join(stated) or "none",
                    "rule": "QC074",
                    "hint": "For instance {delete: collection/old, until: 2027-01-31}.",
                },
            )
        names_owner = self.adopt_cloned is not None
        check = unusable_owner_reason if names_owner else unusable_pattern_reason
        if why := check(self.pattern):
            hint = OWNER_HINT if names_owner else ADDRESS_HINT
            raise PydanticCustomError(
                "consent",
                "{why}",
                {"why": why, "path": (stated[0],), "rule": "QC074", "hint": hint},
            )
        return self

    @property
    def verb(self) -> Verb:
        """What it allows."""
        return next(verb for verb in VERBS if getattr(self, verb) is not None)

    @property
    def pattern(self) -> str:
        """The address or glob that it applies to."""
        return str(getattr(self, self.verb))

    def is_valid(self, today: date) -> bool:
        """Whether it is still valid; the last day counts."""
        return today <= self.until


def unusable_pattern_reason(pattern: str) -> str:
    """Why `pattern` is not an address or a glob of addresses; empty if it is."""
    try:
        address = Address.parse(pattern)
    except ValueError as error:
        return str(error)
    if not re.fullmatch(r"[a-z_*?]+", address.kind):
        return f"{address.kind!r} is not a kind; kinds are written like collection or access_key"
    plain = address.kind in ("collection", "alias")
    names = [address.name] if plain else address.name.split("/")
    reasons = (unsendable_reason(re.sub(r"[*?]+", "x", name)) for name in names)
    return next(filter(None, reasons), "")


def unusable_owner_reason(owner: str) -> str:
    """Why `owner` cannot name an owner; empty if it can."""
    is_owner = re.fullmatch(r"[^/*?\s]+/[^/*?\s]+", owner)
    return "" if is_owner else f"{owner!r} is not an owner"


def matches_glob(pattern: str, text: str) -> bool:
    """Whether a glob matches `text`. Every character but `*` and `?` is literal."""
    return bool(_compile_glob(pattern).fullmatch(text))


@cache
def _compile_glob(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    return re.compile("".join(wildcards.get(c) or re.escape(c) for c in pattern), re.DOTALL)
