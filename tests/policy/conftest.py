from __future__ import annotations

import pytest

from tests.policy.project import Shop


@pytest.fixture
def node(empty_qdrant):
    for file in (empty_qdrant.folder / "snapshots").rglob("*.snapshot*"):
        file.unlink()
    return empty_qdrant


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "shop")
