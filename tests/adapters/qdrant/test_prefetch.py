"""When reads are sent ahead."""

from __future__ import annotations

import pytest

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.prefetch import FAR_SECONDS, Prefetcher, Read
from tests.support.servers import Node

READS = [Read("GET", "/collections", b""), Read("GET", "/aliases", b"")]


def test_a_near_server_gets_no_reads_ahead():
    prefetcher = Prefetcher(lambda: pytest.fail("no connection is needed"))
    prefetcher.announce_if_far(READS, FAR_SECONDS / 2)
    prefetcher.announce(READS)
    assert prefetcher.take_response(READS[0]) is None


def test_connections_to_a_far_server_are_used_again(qdrant: Node):
    opened = []

    def connect():
        opened.append(Endpoint(qdrant.url).connection(None, 10))
        return opened[-1]

    prefetcher = Prefetcher(connect)
    for _ in range(2):
        prefetcher.announce_if_far(READS, FAR_SECONDS)
        for read in READS:
            answer = prefetcher.take_response(read)
            assert answer is not None
            assert answer.status == 200
    assert len(opened) == len(READS)
    prefetcher.close()
    assert not any(connection.is_open for connection in opened)
