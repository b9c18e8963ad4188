"""Whole replacements while applications write and read through the alias.

A short one, which is killed and rolled back, runs always; the others with
`QDRANTCTL_ENDURANCE=full`.
"""

from __future__ import annotations

import sys
import time

import pytest

from tests.replacement.conftest import FULL
from tests.replacement.points import UPDATE_VECTORS, VECTORS
from tests.replacement.writer import MIX

POINTS = 100_000
SHORT_POINTS = 2_000
MANY_SECONDS = 150
DISTANCES = ("Euclid", "Manhattan", "Dot")
refuses_alone = pytest.mark.until(
    "1.16.99", "each replica refuses writes for itself: QC251 asks to stop the writers"
)
only_full = pytest.mark.skipif(not FULL, reason="only with QDRANTCTL_ENDURANCE=full")


def with_distance(distance):
    """A change that needs another collection; the numbers of the vectors stay as they are."""
    return {"vectors": {"a": VECTORS["a"], "b": VECTORS["b"] | {"distance": distance}}}


def replace_again_and_again(campaign, seconds, **first):
    until, turn = time.monotonic() + seconds, 0
    while turn == 0 or time.monotonic() < until:
        if turn:
            campaign.site.finish()
        shards = {} if campaign.site.sharded else {"shard_number": 1 + turn % 3}
        campaign.replace(**with_distance(DISTANCES[turn % 3]), **shards, **first)
        turn += 1


def test_a_killed_replacement_and_its_rollback_keep_every_write(empty_qdrant, campaign, conclude):
    running = campaign([empty_qdrant], SHORT_POINTS, rate=30.0)
    with running.running():
        running.replace_with_kills(["switch"], **with_distance("Euclid"))
        running.roll_back()
    conclude(running, "one node, short, a kill and a rollback")


@only_full
def test_one_node(empty_qdrant, campaign, conclude):
    running = campaign([empty_qdrant], POINTS)
    with running.running():
        replace_again_and_again(running, MANY_SECONDS)
        running.roll_back()
    conclude(running, "one node, and a rollback")


@refuses_alone
@only_full
@pytest.mark.parametrize("sharded", [False, True], ids=["by hash", "custom shard keys"])
def test_three_nodes(nodes, campaign, conclude, sharded):
    spec = {"replication_factor": 2} | ({} if sharded else {"shard_number": 3})
    points = POINTS // 5 if sharded else POINTS
    running = campaign(nodes, points, spec=spec, sharded=sharded)
    with running.running():
        replace_again_and_again(running, MANY_SECONDS)
        running.roll_back()
    conclude(
        running,
        f"three nodes and a rollback, {'custom shard keys' if sharded else 'replication factor 2'}",
    )


@only_full
@pytest.mark.parametrize("text_fields", [None, ["text"]], ids=["whole payload", "text_fields"])
def test_a_command_makes_the_vectors(empty_qdrant, campaign, conclude, text_fields):
    """Vectors are made of the payload, so applications do not update them by themselves."""
    command = [sys.executable, "-m", "tests.replacement.embed"]
    settings = {"fill": "command", "command": command}
    settings |= {"text_fields": text_fields} if text_fields else {}
    kinds = [kind for kind in MIX if kind != UPDATE_VECTORS]
    running = campaign([empty_qdrant], POINTS // 5, settings=settings, kinds=kinds)
    with running.running():
        replace_again_and_again(running, 60)
    told = " with text_fields" if text_fields else ""
    conclude(running, f"fill: command{told}")
