"""Consent by name: who allowed what may happen to which resource, on the command line or in git."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qdrantctl.model.address import Address, unsendable_reason
from qdrantctl.model.spec import Spec

Verb = Literal["delete", "replace", "adopt", "loosen", "widen", "alias"]
VERBS: tuple[Verb, ...] = ("delete", "replace", "adopt", "loosen", "widen", "alias")

ADDRESS_HINT = "Addresses are KIND/NAME, as in collection/products."


def _check_day(value: Any) -> date:
    """Only `YYYY-MM-DD`: pydantic would take a number for seconds since 1970."""
    if type(value) is date:
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise PydanticCustomError(
        "day",
        "not a day of the calendar",
        {"rule": "QC045", "hint": "Write YYYY-MM-DD, as in 2027-01-31."},
    )


Day = Annotated[date, BeforeValidator(_check_day)]


@dataclass(frozen=True, slots=True)
class Consent:
    """One permission. `pattern` is an address, or a glob in which `*` and `?` stand for others."""

    verb: str
    pattern: str
    source: str
    """Where it was given: a flag (`--allow-delete`) or a place (`qdrantctl.yaml:12`)."""

    def covers(self, verb: str, address: Address) -> bool:
        """Whether it allows `verb` on `address`. Every character but `*` and `?` is literal."""
        return verb == self.verb and matches_glob(self.pattern, str(address))


def is_allowed(consents: Iterable[Consent], verb: Verb, address: Address) -> bool:
    """Whether one of the consents covers `verb` on `address`."""
    return any(consent.covers(verb, address) for consent in consents)


class ConsentEntry(Spec):
    """Consent given in the project file, so that it is reviewed before it is used."""

    delete: Annotated[
        str | None, Field(description="Address or glob that may be deleted with its points.")
    ] = None
    replace: Annotated[
        str | None, Field(description="Address or glob that may be dropped and created again.")
    ] = None
    adopt: Annotated[
        str | None,
        Field(description="Address or glob that may be adopted, and changed to its manifest."),
    ] = None
    loosen: Annotated[
        str | None, Field(description="Address or glob whose caps may be loosened.")
    ] = None
    widen: Annotated[
        str | None, Field(description="Address or glob of a key that may gain rights.")
    ] = None
    alias: Annotated[
        str | None,
        Field(description="Address or glob of an alias that may move to an empty collection."),
    ] = None
    until: Annotated[Day, Field(description="Last day it holds, YYYY-MM-DD.")]
    environments: Annotated[
        list[str] | None, Field(min_length=1, description="Where it holds; left out: everywhere.")
    ] = None
    reason: Annotated[str, Field(description="Why, for later readers.")] = ""

    @model_validator(mode="after")
    def _one_verb(self) -> ConsentEntry:
        stated = [verb for verb in VERBS if getattr(self, verb) is not None]
        if len(stated) != 1:
            raise PydanticCustomError(
                "consent",
                "a consent says exactly one of {verbs}, this one {found}",
                {
                    "verbs": ", ".join(VERBS),
                    "found": f"says {' and '.join(stated)}" if stated else "says none",
                    "rule": "QC074",
                    "hint": "For instance {delete: collection/old, until: 2027-01-31}.",
                },
            )
        if why := unusable_pattern_reason(self.pattern):
            raise PydanticCustomError(
                "consent",
                "{why}",
                {"why": why, "path": (stated[0],), "rule": "QC074", "hint": ADDRESS_HINT},
            )
        return self

    @property
    def verb(self) -> Verb:
        """What it allows."""
        return next(verb for verb in VERBS if getattr(self, verb) is not None)

    @property
    def pattern(self) -> str:
        """The address or glob it allows it on."""
        return str(getattr(self, self.verb))

    def is_valid(self, today: date) -> bool:
        """Whether it is still in force; the last day counts."""
        return today <= self.until


def unusable_pattern_reason(pattern: str) -> str:
    """Why `pattern` can name no resource; empty when it is an address or a glob of addresses."""
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


def matches_glob(pattern: str, text: str) -> bool:
    """Whether a glob stands for `text`. Every character but `*` and `?` is literal."""
    return bool(_compile_glob(pattern).fullmatch(text))


@cache
def _compile_glob(pattern: str) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    return re.compile("".join(wildcards.get(c) or re.escape(c) for c in pattern), re.DOTALL)
