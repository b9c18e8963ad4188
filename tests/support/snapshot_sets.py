"""Snapshot sets and policies as data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from qdrantctl.engine.snapshots.policy_status import DestinationStatus, PolicyStatus
from qdrantctl.engine.snapshots.retention import with_retention
from qdrantctl.model.snapshots.schedule import Schedule
from qdrantctl.model.snapshots.snapshot_set import SetInfo

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DUE = datetime(2026, 11, 25, 3, tzinfo=UTC)
FOLDER = "file:///backups"
SPEC = {"retention": {"keep_last": 2}, "server_copy": "remove"}


def set_info(age: float, state: str = "complete", **fields: Any) -> SetInfo:
    """A set of products that was taken so many days ago, with points."""
    taken = NOW - age * DAY
    known = {
        "folder": f"products/{taken:%Y-%m-%d}/",
        "collection": "products",
        "id": f"{taken:%Y-%m-%d}",
        "owner": "shop/dev",
        "scheduled": taken,
        "taken": taken,
        "has_manifest": state in ("complete", "bad"),
        "has_server_files": state == "unfinished",
        "has_points": True,
    }
    return SetInfo(state=state, **(known | fields))  # type: ignore[arg-type]


def policy_status(
    sets: dict[str, list[SetInfo] | str] | list[SetInfo], **words: Any
) -> PolicyStatus:
    """A policy with these sets at its destinations, or why one cannot be read."""
    held = sets if isinstance(sets, dict) else {FOLDER: sets}
    spec = {"destination": list(held)} | SPEC | words
    return PolicyStatus(
        "shop/dev",
        "nightly",
        spec,
        Schedule(DUE, DUE + DAY, UTC),
        ("products",),
        tuple(
            DestinationStatus(url, error=here)
            if isinstance(here, str)
            else DestinationStatus(url, tuple(with_retention(here, spec["retention"], UTC, NOW)))
            for url, here in held.items()
        ),
        existing=frozenset({"products"}),
    )
