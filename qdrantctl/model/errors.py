"""The error family: what went wrong, why, and what to do next. Prints nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrantctl.model.violation import Violation


FORBIDDEN, NOT_FOUND, CONFLICT = 403, 404, 409


class QdrantctlError(Exception):
    """A failure that a user can act on.

    `what` is what failed, `why` the cause, `hint` the next thing to do; `exit_code` is that of the
    process. Only `cli/main.py` prints one of these.
    """

    exit_code: int = 1

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    @property
    def line(self) -> str:
        """What failed, the cause and the hint as one line."""
        parts = (self.what, self.why, self.hint)
        return ". ".join(part.rstrip(".") for part in parts if part) + "."


def unexpected_error(error: Exception) -> QdrantctlError:
    """The error to report for an unexpected one, whose own message may contain a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return QdrantctlError(
        f"qdrantctl failed with an unexpected error ({type(error).__name__}, {place})",
        why="This is a bug in qdrantctl.",
    )


MISREAD = (ValueError, LookupError, TypeError, AttributeError)
"""The errors that reading a response of an unknown shape raises."""


class UsageError(QdrantctlError):
    """Arguments or environment variables that are invalid, or contradict each other."""

    exit_code = 64


class SettingsError(QdrantctlError):
    """The project file, or what it refers to (a key, a certificate), cannot be used."""


class ManifestError(QdrantctlError):
    """Manifests with errors. `violations` holds all of them, each with its file and line."""

    def __init__(
        self, what: str, violations: tuple[Violation, ...] = (), *, hint: str = ""
    ) -> None:
        super().__init__(what, hint=hint)
        self.violations = violations


class ServerError(QdrantctlError):
    """The embedded server cannot be found, verified, started or stopped."""


class ClusterError(QdrantctlError):
    """The cluster did not respond, or responded with an error.

    `status` is the HTTP status, 0 when there was no response. `maybe_applied` is true when a write
    may have taken effect nevertheless (a timeout, a lost connection, 429, 5xx).
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
        """Whether the server responded that the resource does not exist."""
        return self.status == NOT_FOUND

    @property
    def conflict(self) -> bool:
        """Whether the server responded that the resource exists already."""
        return self.status == CONFLICT

    @property
    def forbidden(self) -> bool:
        """Whether the server responded that the key does not allow the request."""
        return self.status == FORBIDDEN

    @property
    def outcome_unknown(self) -> bool:
        """Whether a write may have taken effect nevertheless."""
        return self.maybe_applied


class SnapshotRejected(ClusterError):
    """A server received a snapshot unchanged, but does not create a collection from it."""


class StoreError(QdrantctlError):
    """A destination of snapshots cannot be used, or does not hold the files written to it."""


class UnreadableFileError(StoreError):
    """One file of a destination is there and cannot be read; others can."""


class DamagedError(StoreError):
    """A file at a destination differs from the file that was written."""


class LeaseError(ClusterError):
    """Another apply holds the lease, or has replaced it: no further writes are allowed."""

    exit_code = 5


class BlockedError(QdrantctlError):
    """The plan contains changes that must not be applied; no changes were made."""

    exit_code = 3


class StateError(QdrantctlError):
    """The committed state is out of date; no changes were made."""

    exit_code = 2


class StaleError(QdrantctlError):
    """The plan or the checkout is out of date with the cluster."""

    exit_code = 4
