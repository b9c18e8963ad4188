"""Who acts, from which commit and in which CI run: a value of the ledger and the lease."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. Each is one printable line of at most 200 characters, empty where not known."""

    who: str
    commit: str
    """The full sha of what is checked out; says nothing of uncommitted edits."""
    run: str
    """The address of the CI run."""
