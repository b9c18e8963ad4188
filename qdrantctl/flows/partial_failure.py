"""Collect the errors of one item, so that the other items are still processed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qdrantctl.model.errors import MISREAD, LeaseError, QdrantctlError, unexpected_error


@contextmanager
def collect_errors(subject: str) -> Iterator[list[str]]:
    """Collect an error of the block as a message about `subject`, in the yielded list.

    Responses of an unknown shape are collected too. Raises LeaseError: without the lease no other
    item may be processed.
    """
    errors: list[str] = []
    try:
        yield errors
    except LeaseError:
        raise
    except QdrantctlError as error:
        errors.append(f"{subject}: {error.line}")
    except MISREAD as error:
        errors.append(f"{subject}: {unexpected_error(error).line}")
