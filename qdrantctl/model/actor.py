"""Who acts, from which commit and in which CI run: a value of the ledger and the lease."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. Each is one printable line of at most 200 characters, empty if unknown."""

    who: str
    commit: str
    """The full sha of the checkout; of an apply only if what was applied is in it."""
    run: str
    """The URL of the CI run."""
