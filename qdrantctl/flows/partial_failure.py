"""What fails of one thing, noted so that the others are done all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from qdrantctl.model.errors import MISREAD, LeaseError, QdrantctlError, unexpected_error


@contextmanager
def collect_errors(what: str) -> Iterator[list[str]]:
    """Turns an error about `what` into words. Raises LeaseError: nothing more may be done.

    A response of an unknown shape does not keep the others from being done, either.
    """
    errors: list[str] = []
    try:
        yield errors
    except LeaseError:
        raise
    except QdrantctlError as error:
        errors.append(f"{what}: {error.line}")
    except MISREAD as error:
        errors.append(f"{what}: {unexpected_error(error).line}")
