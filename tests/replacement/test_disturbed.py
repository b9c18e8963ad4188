"""Replacements that are killed, cut off, refused, or that meet a node or a disk that is away.

Only with `QDRANTCTL_ENDURANCE=full`.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from qdrantctl.adapters.local_server.binary import find_binary
from tests.faults.test_snapshot_policies import may_mount
from tests.replacement.campaign import PHASES
from tests.replacement.conftest import FULL
from tests.replacement.cutter import cuttable
from tests.replacement.small_disk import Disk, write_program
from tests.replacement.test_replacement import DISTANCES, refuses_alone, with_distance
from tests.support.servers import Node, server_folder

POINTS = 10_000
KILLS = 40
WEIGHTS = (1, 3, 3, 1, 6, 5, 1)
"""How often an apply is killed in each phase: mostly around the switch."""
only_full = pytest.mark.skipif(not FULL, reason="only with QDRANTCTL_ENDURANCE=full")


def kill_again_and_again(campaign, kills):
    turn = 0
    while len(campaign.kills) < kills:
        if turn:
            campaign.site.finish()
        phases = campaign.random.choices(PHASES, WEIGHTS, k=4)
        campaign.replace_with_kills(phases, **with_distance(DISTANCES[turn % 3]))
        turn += 1
    campaign.roll_back()


@only_full
def test_killed_on_one_node(empty_qdrant, campaign, conclude):
    running = campaign([empty_qdrant], POINTS)
    with running.running():
        kill_again_and_again(running, KILLS)
    conclude(running, f"one node, {KILLS} kills and a rollback")


@refuses_alone
@only_full
@pytest.mark.parametrize("sharded", [False, True], ids=["by hash", "custom shard keys"])
def test_killed_on_three_nodes(nodes, campaign, conclude, sharded):
    running = campaign(nodes, POINTS, spec={"replication_factor": 2}, sharded=sharded)
    with running.running():
        kill_again_and_again(running, KILLS // 2)
    keys = ", custom shard keys" if sharded else ""
    conclude(running, f"three nodes{keys}, {KILLS // 2} kills and a rollback")


@only_full
def test_connections_are_cut(empty_qdrant, campaign, conclude):
    """Those of the commands and of the writers, every few seconds."""
    with cuttable(empty_qdrant.http_port) as rest:
        running = campaign([empty_qdrant], POINTS, url=f"http://127.0.0.1:{rest.port}")
        for writer in running.oracle.writers:
            writer.connection.ports = [rest.port]
        done = threading.Event()

        def cut_often():
            while not done.wait(running.random.uniform(1, 5)):
                rest.cut()
                running.faults += 1

        cutting = threading.Thread(target=cut_often, daemon=True)
        with running.running():
            cutting.start()
            for distance in DISTANCES[:2]:
                with running.replacement():
                    running.site.states(**with_distance(distance))
                    running.site.applied(tries=10)
                if distance != DISTANCES[1]:
                    running.site.finish(tries=10)
            done.set()
            cutting.join()
    conclude(running, "connections cut every few seconds")


@only_full
def test_rate_limits_of_both_collections(empty_qdrant, campaign, conclude):
    """The writers use up the limit, and the commands get by."""
    limits = {"enabled": True, "write_rate_limit": 600}
    running = campaign([empty_qdrant], 1000, rate=20.0)
    running.site.states(strict_mode_config=limits)
    running.site.applied()
    with running.running():
        for distance in DISTANCES[:2]:
            running.replace(**with_distance(distance))
            if distance != DISTANCES[1]:
                running.site.finish()
        running.roll_back()
    running.faults = running.oracle.counts()["limited"]
    assert running.faults > 100
    conclude(running, "write_rate_limit, used up by the writers (faults: 429), and a rollback")


@refuses_alone
@only_full
@pytest.mark.parametrize("phase", ["fill", "catch_up", "sweep"])
def test_a_node_goes_down_and_comes_back(nodes, campaign, conclude, phase):
    """The commands reach the others; so do the readers and three of the writers."""
    spec = {"replication_factor": 2, "shard_number": 3}
    running = campaign(nodes, POINTS, spec=spec, repeats=0.0)
    for reader in running.oracle.readers:
        reader.connection.ports = [node.http_port for node in nodes[:2]]
    with running.running(), running.replacement():
        running.site.states(**with_distance("Euclid"))
        process = running.site.apply()
        assert running.watch.wait_for_phase(phase, "keep", seconds=300)
        nodes[2].stop()
        running.faults += 1
        time.sleep(5)
        nodes[2].start()
        if running.site.end(process) != 0:
            time.sleep(5)
            running.site.applied(tries=5)
    time.sleep(5)  # replicas that were away catch up
    conclude(running, f"three nodes, one goes down in phase {phase}", readers_may_fail=True)


@only_full
@pytest.mark.skipif(not may_mount(), reason="only root may mount here")
def test_the_disk_is_full(campaign, conclude, monkeypatch):
    """The next apply finishes once there is room again."""
    with server_folder() as folder:
        program = write_program(folder, Path(find_binary(download=True)).resolve(), 1500)
        monkeypatch.setenv("QDRANTCTL_QDRANT_BIN", str(program))
        node = Node(folder / "node").start()
        disk = Disk(node)
        running = campaign([node], POINTS)
        with running.running(), running.replacement():
            running.site.states(**with_distance("Euclid"))
            process = running.site.apply()
            assert running.watch.wait_for_phase("fill", "catch_up", seconds=60)
            disk.fill_up(leave=40)
            running.faults += 1
            time.sleep(8)
            disk.free_up()
            if running.site.end(process) != 0:
                running.site.applied(tries=3)
        errors = [said for said in running.oracle.errors if "No space left" not in said]
        assert not errors, errors[:5]
        conclude(running, "the disk is full during the fill", readers_may_fail=True)
        node.stop()
