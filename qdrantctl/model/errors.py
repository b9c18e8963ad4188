"""The error family: what went wrong, why, and what to do next. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdrantctl.model.violation import Violation


UNAUTHORIZED, FORBIDDEN, NOT_FOUND, CONFLICT, SERVER_FAILED = 401, 403, 404, 409, 500

_SENTENCE_ENDS = (".", "?", "!")


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
        parts = filter(None, (self.what, self.why, self.hint))
        sentences = (part if part.endswith(_SENTENCE_ENDS) else f"{part}." for part in parts)
        return " ".join(sentences)


def unexpected_error(error: Exception) -> QdrantctlError:
    """The error to report for an unexpected one, whose own message may contain a secret."""
    return QdrantctlError(
        f"qdrantctl failed with an unexpected error ({_describe_place(error)})",
        why="This is a bug in qdrantctl.",
    )


def _describe_place(error: Exception) -> str:
    """The type of an error, and where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else "?"
    return f"{type(error).__name__}, {place}"


MISREAD = (ValueError, LookupError, TypeError, AttributeError)
"""The errors that reading a response of an unknown shape raises."""


@contextmanager
def explain_misread(url: str) -> Iterator[None]:
    """Raises ClusterError if what a server sent cannot be read: its form is not known."""
    try:
        yield
    except MISREAD as error:
        raise ClusterError(
            f"{url}: what the server sent cannot be read",
            why=f"Its form is not known to this version ({_describe_place(error)})",
            hint="Is something in between changing it, or was the ledger edited? A newer server "
            "may need a newer qdrantctl.",
        ) from error


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


class CommandError(QdrantctlError):
    """A program of the user's failed, or did not do what it is for."""


class ServerError(QdrantctlError):
    """The embedded server cannot be found, verified, started or stopped."""


class ClusterError(QdrantctlError):
    """The cluster did not respond, or responded with an error.

    `status` is the HTTP status, 0 when there was no response. `maybe_applied` is true when a write
    may have taken effect nevertheless (a timeout, a lost connection, 429, 5xx). `from_qdrant` is
    true when the response is Qdrant's own, about the path of the request: any proxy answers 404.
    """

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        hint: str = "",
        status: int = 0,
        maybe_applied: bool = False,
        from_qdrant: bool = False,
    ) -> None:
        super().__init__(what, why=why, hint=hint)
        self.status = status
        self.maybe_applied = maybe_applied
        self.from_qdrant = from_qdrant

    @property
    def not_found(self) -> bool:
        """Whether Qdrant itself responded that the resource does not exist."""
        return self.from_qdrant and self.status == NOT_FOUND

    @property
    def conflict(self) -> bool:
        """Whether Qdrant itself responded that the resource exists already."""
        return self.from_qdrant and self.status == CONFLICT

    @property
    def forbidden(self) -> bool:
        """Whether Qdrant itself responded that the key does not allow the request."""
        return self.from_qdrant and self.status == FORBIDDEN

    @property
    def unauthorized(self) -> bool:
        """Whether Qdrant itself responded that it does not accept the key."""
        return self.from_qdrant and self.status == UNAUTHORIZED

    @property
    def server_failed(self) -> bool:
        """Whether Qdrant itself failed, as it does where a shard has no replica that is up."""
        return self.from_qdrant and self.status == SERVER_FAILED

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
