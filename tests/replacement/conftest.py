"""What the proofs share: a campaign on servers of the test, and its row of the table."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

import pytest

from tests.replacement.campaign import Campaign
from tests.replacement.site import Site
from tests.replacement.workload import Oracle
from tests.support.project import emptied
from tests.support.servers import Node

FULL = os.environ.get("QDRANTCTL_ENDURANCE") == "full"


@pytest.fixture
def conclude(record_property) -> Callable[..., None]:
    """`conclude(campaign, name)`: nothing is wrong; the figures become a row of the table."""

    def concluded(campaign: Campaign, scenario: str, *, readers_may_fail: bool = False) -> None:
        verdicts = campaign.judge()
        row = {"scenario": scenario, **campaign.row(verdicts)}
        sys.stdout.write(json.dumps(row) + "\n")
        record_property("proof", json.dumps(row))
        for verdict in verdicts:
            assert verdict.is_right, verdict.describe()
        assert row["read_empty"] == 0, campaign.oracle.errors
        if not readers_may_fail:
            assert not campaign.oracle.errors, campaign.oracle.errors[:5]

    return concluded


@pytest.fixture
def nodes(three_nodes: list[Node]) -> list[Node]:
    """Three empty nodes of one cluster."""
    emptied(three_nodes)
    return three_nodes


@pytest.fixture
def campaign(tmp_path) -> Callable[..., Campaign]:
    """`campaign(nodes, points, …)`: a filled site, and an oracle that does not run yet."""

    def prepared(nodes, points, *, rate=60.0, kinds=(), url="", spec=None, settings=None, **words):
        site = Site(nodes, tmp_path, points, url=url, sharded=words.get("sharded", False))
        site.spec |= spec or {}
        site.settings |= settings or {}
        site.set_up()
        if kinds:
            words["kinds"] = kinds
        return Campaign(site, Oracle(site.ports, points, rate=rate, **words))

    return prepared
