"""Who acts, from which commit and in which CI run: a value of the ledger and the lease."""

from __future__ import annotations

from qdrantctl.model.frozen import frozen


@frozen
class Actor:
    """Who acts. Each is one printable line of at most 200 characters, empty if unknown."""

    who: str
    commit: str
    """The full sha that git has checked out; without git, the one that a variable states.

    Of an apply only if what was applied is in it.
    """
    run: str
    """The URL of the CI run."""
    stated_commit: str = ""
    """The commit that the CI was started for, where git has checked out another one."""

    @property
    def document(self) -> dict[str, str]:
        """As ledger entries and their history store it."""
        stamp = {"who": self.who, "commit": self.commit, "run": self.run}
        return stamp | ({"stated_commit": self.stated_commit} if self.stated_commit else {})
