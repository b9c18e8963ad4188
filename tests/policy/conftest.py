from __future__ import annotations

import pytest

from tests.policy.project import Shop, policy
from tests.snapshots.bench import fill
from tests.support.project import asked


@pytest.fixture
def node(empty_qdrant):
    for file in (empty_qdrant.folder / "snapshots").rglob("*.snapshot*"):
        file.unlink()
    return empty_qdrant


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path / "shop")


@pytest.fixture
def kept(node, shop, tmp_path):
    """A folder with a set of products, which has an alias."""
    folder = tmp_path / "backups"
    shop.keeps({"nightly": policy(folder, verify={"every": "7d"})})
    shop.done(node)
    fill(node)
    actions = [{"create_alias": {"collection_name": "products", "alias_name": "live"}}]
    asked(node, "POST", "/collections/aliases", {"actions": actions})
    assert shop.run(node, "snapshots", "run").code == 0
    return folder
