"""The shared server without what collections that are gone have left on its disk."""

from __future__ import annotations

import pytest


@pytest.fixture
def node(empty_qdrant):
    for file in (empty_qdrant.folder / "snapshots").rglob("*.snapshot*"):
        file.unlink()
    return empty_qdrant
