"""A lease: who applies for an owner, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.field_rule import Json

PREFIX = f"{OWN_PREFIX}_lease"
_SNAPSHOTS_SUFFIX = "/~snapshots"
"""Ends the owner of the lease that is taken at once with applies. No environment is called so."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease. What it says of its holder is empty where it says nothing that can be read."""

    owner: str
    """`shop/prod`."""
    number: int
    """The fencing token: a holder that sees a higher one has lost the lease."""
    id: str = ""
    """Random. A name comes again once it was released, this does not."""
    holder: str = ""
    commit: str = ""
    run: str = ""
    acquired: datetime | None = None
    expires: datetime | None = None
    """By the server's clock."""

    @property
    def name(self) -> str:
        """The collection's name."""
        return lease_name(self.owner, self.number)

    @property
    def word(self) -> str:
        """What `lease break` takes it by: its number, unless that is the apply's."""
        return self.name if self.owner.endswith(_SNAPSHOTS_SUFFIX) else str(self.number)

    @property
    def work(self) -> str:
        """What its holder does."""
        return "job on snapshots" if self.owner.endswith(_SNAPSHOTS_SUFFIX) else "apply"

    @property
    def whose(self) -> str:
        """Project and environment."""
        return self.owner.removesuffix(_SNAPSHOTS_SUFFIX)

    @property
    def who(self) -> str:
        """`ada, run https://…, since 2026-11-23T14:38:27Z`."""
        parts = [self.holder or "an unnamed holder"]
        parts += [f"run {self.run}"] if self.run else []
        parts += [f"since {format_time(self.acquired)}"] if self.acquired else []
        return ", ".join(parts)

    def is_expired(self, now: datetime) -> bool:
        """Whether it may be taken over. Dates are whole seconds, so equal is not yet over."""
        return self.expires is not None and now > self.expires

    def remaining(self, now: datetime) -> int | None:
        """Seconds that are left, None if unknown."""
        return max(0, int((self.expires - now).total_seconds())) if self.expires else None

    def document(self, now: datetime) -> dict[str, Json]:
        """What `lease show` tells of it."""
        return {
            "id": self.name,
            "number": self.number,
            "holder": self.holder,
            "run": self.run,
            "commit": self.commit,
            "since": format_time(self.acquired) if self.acquired else None,
            "expires": format_time(self.expires) if self.expires else None,
            "remaining_seconds": self.remaining(now),
            "expired": self.is_expired(now),
        }


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """The leases of one owner, expired or not; None where no process holds one."""

    owner: str
    applies: Lease | None
    snapshots: Lease | None
    now: datetime
    """The server's clock."""


def lease_name(owner: str, number: int | str) -> str:
    """The collection's name. Environments hold no dot, so it belongs to one owner only."""
    return f"{PREFIX}.{owner.replace('/', '.')}.{number}"


def snapshots_owner(owner: str) -> str:
    """Whose lease it is that jobs on the snapshots of an owner take."""
    return owner + _SNAPSHOTS_SUFFIX


def format_time(when: datetime) -> str:
    """`2026-11-23T14:38:27Z`."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
