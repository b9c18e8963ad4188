"""Checks of `environments`: the project knows them, and one of them is chosen."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.adapters.manifests.sources import NO_ENVIRONMENT
from qdrantctl.adapters.manifests.validation import FieldError
from qdrantctl.model.address import Address
from qdrantctl.model.violation import Severity


def check_environments(
    address: Address, names: list[str], chosen: str | None, known: tuple[str, ...]
) -> Iterator[tuple[FieldError, Severity]]:
    """Report names that are no environment, and a manifest that states nothing for want of one.

    `known` is empty where the environments of the project are not known.
    """
    if names and chosen == NO_ENVIRONMENT:
        message = f"{address} is only for {', '.join(names)}, and no environment is chosen"
        hint = "Choose one with -e NAME."
        yield FieldError(("environments",), "QC072", message, hint, key=True), Severity.NOTE
        return
    for position, name in enumerate(names):
        if known and name not in known:
            message, hint = f"there is no environment {name!r}", f"Known are {', '.join(known)}."
            yield FieldError(("environments", position), "QC072", message, hint), Severity.WARNING
