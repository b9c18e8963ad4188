"""The error family: what went wrong, why, and what to do next. Prints nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrantctl.model.violation import Violation


FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409


class QdrantctlError(Exception):
    """A failure that a user can act on.

    `what` says what failed, `why` the cause, `hint` the next thing to do; `exit_code` is the
    process's answer. Only `cli/main.py` turns one of these into output.
    """

    exit_code: int = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    @property
    def line(self) -> str:
        """All of it as it is told within a line."""
        words = (self.what, self.why, self.hint)
        return ". ".join(word.rstrip(".") for word in words if word) + "."


def unexpected_error(error: Exception) -> QdrantctlError:
    """The error to report for an unexpected one. Its own words may hold anything, a key too."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return QdrantctlError(
        f"qdrantctl met something it does not know how to handle ({type(error).__name__}, {place})",
        why="This is a bug in qdrantctl.",
    )


MISREAD = (ValueError, LookupError, TypeError, AttributeError)
"""What reading a response of an unknown shape raises."""


class UsageError(QdrantctlError):
    """Words on the command line, or the environment around it, that make no sense together."""

    exit_code = 64


class SettingsError(QdrantctlError):
    """The project file, or what it refers to (a key, a certificate), cannot be used."""


class ManifestError(QdrantctlError):
    """Manifests with errors. `violations` holds every one of them, each with its place."""

    def __init__(
        self, what: str, violations: tuple[Violation, ...] = (), *, hint: str = ""
    ) -> None:
        super().__init__(what, hint=hint)
        self.violations = violations


class ServerError(QdrantctlError):
    """The embedded server cannot be found, verified, started or stopped."""


class ClusterError(QdrantctlError):
    """The cluster did not answer, or answered with an error.

    `status` is the HTTP status, 0 when there was no answer at all. `maybe_applied` is true when a
    write may have taken effect all the same (a timeout, a cut connection, 429, 5xx).
    """

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        hint: str = "",
        status: int = 0,
        maybe_applied: bool = False,
    ) -> None:
        super().__init__(what, why=why, hint=hint)
        self.status = status
        self.maybe_applied = maybe_applied

    @property
    def not_found(self) -> bool:
        """Whether the server answered that there is no such thing."""
        return self.status == NOT_FOUND

    @property
    def conflict(self) -> bool:
        """Whether the server answered that it exists already."""
        return self.status == CONFLICT

    @property
    def forbidden(self) -> bool:
        """Whether the server answered that the key does not allow it."""
        return self.status == FORBIDDEN

    @property
    def outcome_unknown(self) -> bool:
        """Whether a write may have taken effect all the same."""
        return self.maybe_applied


class SnapshotRejected(ClusterError):
    """A server had every byte of a snapshot as it was taken, and makes no collection of it."""


class StoreError(QdrantctlError):
    """A destination of snapshots cannot be used, or does not hold what was put there."""


class UnreadableFileError(StoreError):
    """One file of a destination is there and cannot be read; others can."""


class DamagedError(StoreError):
    """What was put there is no longer what it was."""


class LeaseError(ClusterError):
    """Another apply holds the lease, or has taken it over: nothing more may be written."""

    exit_code = 5


class BlockedError(QdrantctlError):
    """The plan holds changes that must not be applied; no changes were made."""

    exit_code = 3


class StateError(QdrantctlError):
    """The committed state is out of date; no changes were made."""

    exit_code = 2


class StaleError(QdrantctlError):
    """What was planned, or this checkout, no longer fits what is there."""

    exit_code = 4
