from __future__ import annotations

import pytest

from tests.support.project import asked
from tests.support.snapshot_policies import Shop, policy
from tests.support.snapshots import fill


@pytest.fixture
def node(empty_qdrant):
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
