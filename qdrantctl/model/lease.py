"""Leases: the holder of an owner's apply or snapshot job, and its expiry."""

from __future__ import annotations

from datetime import UTC, datetime

from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen

PREFIX = f"{OWN_PREFIX}_lease"
_SNAPSHOTS_SUFFIX = "/~snapshots"
_REPLACEMENTS_SUFFIX = "/~replacements"
_WORK = {_SNAPSHOTS_SUFFIX: "job on snapshots", _REPLACEMENTS_SUFFIX: "replacement"}
"""Suffixes of the owners of leases for jobs that may run during an apply, and what they are called.
They are no valid environment names."""


@frozen
class Lease:
    """One lease. Fields of the holder are empty if they are missing or unreadable."""

    owner: str
    """`shop/prod`."""
    number: int
    """The fencing token: a holder that sees a higher one has lost the lease."""
    id: str = ""
    """Random. A name may be used again after a release, an id is not."""
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
        """The argument for `lease break`: the number of an apply's lease, else the name."""
        return self.name if self._suffix else str(self.number)

    @property
    def work(self) -> str:
        """The job of its holder, as messages name it."""
        return _WORK.get(self._suffix, "apply")

    @property
    def whose(self) -> str:
        """Project and environment, also of a lease for other jobs."""
        return self.owner.removesuffix(self._suffix)

    @property
    def _suffix(self) -> str:
        return next((suffix for suffix in _WORK if self.owner.endswith(suffix)), "")

    @property
    def who(self) -> str:
        """`ada, run https://…, since 2026-11-23T14:38:27Z`."""
        parts = [self.holder or "an unnamed holder"]
        parts += [f"run {self.run}"] if self.run else []
        parts += [f"since {format_time(self.acquired)}"] if self.acquired else []
        return ", ".join(parts)

    def is_expired(self, now: datetime) -> bool:
        """Whether another holder may replace it. Dates are whole seconds; the last one is valid."""
        return self.expires is not None and now > self.expires

    def remaining(self, now: datetime) -> int | None:
        """Remaining seconds, None if unknown."""
        return max(0, int((self.expires - now).total_seconds())) if self.expires else None

    def document(self, now: datetime) -> dict[str, Json]:
        """Its JSON in `lease show`."""
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


@frozen
class LeaseReport:
    """The leases of one owner, expired or not; None if there is no such lease."""

    owner: str
    applies: Lease | None
    snapshots: Lease | None
    replacements: Lease | None
    now: datetime
    """The server's clock."""


def lease_name(owner: str, number: int | str) -> str:
    """The collection's name. Environments hold no dot, so it belongs to one owner only."""
    return f"{PREFIX}.{owner.replace('/', '.')}.{number}"


def snapshots_owner(owner: str) -> str:
    """The owner of the lease for jobs on the snapshots of `owner`."""
    return owner + _SNAPSHOTS_SUFFIX


def replacements_owner(owner: str) -> str:
    """The owner of the lease for replacements without downtime of `owner`."""
    return owner + _REPLACEMENTS_SUFFIX


def format_time(when: datetime) -> str:
    """`2026-11-23T14:38:27Z`."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
