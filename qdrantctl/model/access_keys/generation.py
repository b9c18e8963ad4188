"""Access keys: the rights and lifetimes of tokens, and the stored generations of a key.

A token is signed from a generation and the cluster's API key whenever a caller requests it. A
generation contains neither of them, only the id by which the server looks up the token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid5

from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.duration import UNITS, parse_duration
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.lease import format_time

REGISTRY_COLLECTION = f"{OWN_PREFIX}_keys"
"""The collection that holds a point for each generation of each key that can be revoked."""
MATCHED = "valid"
"""The field of such a point whose value a token must match; removing it revokes the token."""
EVERYWHERE = "*"
"""In a scope: the whole cluster."""

_READ = ("read points and settings",)
_SNAPSHOTS = ("download snapshots",)
_WRITE = ("write points",)
_MAINTAIN = ("make payload indexes", "make and delete snapshots")
_EVERY = ("see the whole cluster",)
GRANTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "r": _READ + _SNAPSHOTS,
        "prw": _READ + _WRITE,
        "rw": _READ + _SNAPSHOTS + _WRITE + _MAINTAIN,
        "m": _READ
        + _SNAPSHOTS
        + _WRITE
        + _MAINTAIN
        + ("make, change and delete collections and aliases",),
    }
)
"""The rights that each level of access gives, as the server enforces them."""

_REGISTRY_NAMESPACE = UUID("0f3c6c86-0d1c-4a39-8d0c-7be2d7a3a9f5")


def duration_seconds(duration: str) -> int:
    """`90d`, `12h` or `30m` in seconds. Raises ValueError."""
    return int(parse_duration(duration).total_seconds())


def spell_duration(duration: str) -> str:
    """The same duration in its largest unit: `48h` and `2d` are one."""
    seconds = duration_seconds(duration)
    unit = next(unit for unit in ("d", "h", "m") if seconds % UNITS[unit] == 0)
    return f"{seconds // UNITS[unit]}{unit}"


def registry_key_id(owner: str, name: str) -> str:
    """The id of a key in the registry: two owners may have keys of the same name."""
    return f"{owner}/{name}"


def registry_point_id(key: str, generation: int) -> str:
    """The id of a generation's point."""
    return str(uuid5(_REGISTRY_NAMESPACE, f"{key}/{generation}"))


@frozen
class Generation:
    """One generation of a key. Every token signed from it is identical."""

    key: str
    """`shop/prod/analytics`."""
    number: int
    access: Mapping[str, str]
    """Name in the URL (an alias or a collection) or `*` -> level."""
    subject: str = ""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The names in its token of those collections in `access` that had other ones on the cluster
    when it was issued."""
    terms: Mapping[str, str] = field(default_factory=dict)
    """`ttl`, `rotate_before` and `grace`, as last applied."""
    id: str = ""
    """Random, created when its token is first issued; empty until then."""
    issued: datetime | None = None
    expires: datetime | None = None
    ends: datetime | None = None
    """When it is revoked because a newer one replaces it."""
    revoked: bool = False
    names_subject: bool = False
    """Whether its token names the subject for the audit log, too. Tokens of qdrantctl 0.1 do not:
    every token signed from a generation stays identical."""
    live: bool = False
    """Whether the server accepts its token, according to the registry."""

    @classmethod
    def parse(cls, payload: Mapping[str, Any]) -> Generation:
        """Parse a registry point's payload. Raises ValueError if qdrantctl did not write it."""
        try:
            access = {str(name): str(level) for name, level in payload["access"].items()}
            token_id = str(payload.get("id") or "")
            live = bool(token_id) and payload.get(MATCHED) == token_id
            result = cls(
                key=str(payload["key"]),
                number=int(payload["generation"]),
                access=access,
                subject=str(payload.get("subject") or ""),
                names={str(k): tuple(map(str, v)) for k, v in (payload.get("names") or {}).items()},
                terms={str(k): str(v) for k, v in (payload.get("terms") or {}).items()},
                id=token_id,
                issued=_parse_time(payload.get("issued")),
                expires=_parse_time(payload.get("expires")),
                ends=_parse_time(payload.get("ends")),
                # An id that was removed manually revokes the token as well.
                revoked=bool(payload.get("revoked")) or (bool(token_id) and not live),
                names_subject=bool(payload.get("names_subject")),
                live=live,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a generation: {error}") from None
        if not set(access.values()) <= GRANTS.keys() or result.number < 1:
            raise ValueError("not a generation: its access or number is invalid")
        return result

    def document(self) -> dict[str, Json]:
        """The inverse of `parse`."""
        plain: dict[str, Json] = {
            "key": self.key,
            "generation": self.number,
            "access": dict(self.access),
            "subject": self.subject,
            "terms": dict(self.terms),
            "revoked": self.revoked,
        }
        if self.names:
            plain["names"] = {name: list(others) for name, others in self.names.items()}
        if self.id:
            plain["id"] = self.id
        if self.names_subject:
            plain["names_subject"] = True
        if self.live:
            plain[MATCHED] = self.id
        for word in ("issued", "expires", "ends"):
            if when := getattr(self, word):
                plain[word] = format_time(when)
        return plain

    def names_in_token(self, name: str) -> tuple[str, ...]:
        """The names that its token has for a name in `access`."""
        return self.names.get(name, (name,))

    @property
    def point(self) -> str:
        """The id of its point in the registry."""
        return registry_point_id(self.key, self.number)

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for the next one."""
        before = self.terms.get("rotate_before")
        early = timedelta(seconds=duration_seconds(before)) if before else timedelta()
        return self.expires is not None and now >= self.expires - early

    def is_over(self, now: datetime) -> bool:
        """Whether its grace period beside a newer generation has ended."""
        return self.ends is not None and now >= self.ends

    def state(self, now: datetime) -> str:
        """One of: not issued, valid, due, ending, expired or revoked."""
        if self.revoked:
            return "revoked"
        if not self.id:
            return "not issued"
        if self.expires and now >= self.expires:
            return "expired"
        if self.ends:
            return "ending"
        return "due" if self.is_due(now) else "valid"


def list_abilities(access: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The rights that a scope gives on one collection, or on the cluster (`*`)."""
    every = access.get(EVERYWHERE)
    everywhere = GRANTS.get(every or "", ()) + (_EVERY if every else ())
    if name == EVERYWHERE:
        return everywhere
    return tuple(dict.fromkeys(GRANTS.get(access.get(name, ""), ()) + everywhere))


def access_claim(generation: Generation) -> Json:
    """The `access` claim of a token. Never empty: without one the server grants every right.

    Each name is in it once, since a server refuses a token that repeats one.
    """
    access = generation.access
    if not access:
        raise ValueError("a scope cannot be empty")
    if EVERYWHERE in access:
        return access[EVERYWHERE]
    levels = {
        named: level
        for name, level in access.items()
        for named in generation.names_in_token(name)
        if named == name or named not in access
    }
    return [{"collection": name, "access": level} for name, level in sorted(levels.items())]


def parse_generations(documents: Iterable[Mapping[str, Json]]) -> tuple[Generation, ...]:
    """The generations of a key, the newest last."""
    return tuple(sorted(map(Generation.parse, documents), key=lambda generation: generation.number))


def _parse_time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when if when.tzinfo else None
