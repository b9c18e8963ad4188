"""The processes that `replacement` measures: `python -m benchmarks.point_loops LOOP URL PORT SIZE`.

Each prints its seconds and its peak memory in MB, without the time of its start.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

SOURCE, TARGET = "source", "target"
PAGE, THREADS = 1000, 4
CLIENT_PAGE = 100


def make_context(url: str, port: int, folder: Path):
    from qdrantctl.adapters.qdrant.endpoint import Endpoint
    from qdrantctl.adapters.qdrant.points.opening import choose_form, open_point_store
    from qdrantctl.flows.replacement.passes.context import PassContext, ServerConversion, StorePair

    endpoint = Endpoint(url=url, grpc_port=port)
    form = choose_form([endpoint])
    return PassContext(
        "bench",
        lambda key: StorePair(
            *(open_point_store(endpoint, name, key, form) for name in (SOURCE, TARGET))
        ),
        ServerConversion(is_identity=True),
        "live",
        folder,
    )


def fill(url: str, port: int, _points: int) -> float:
    """`fill: copy` as a replacement runs it."""
    from qdrantctl.flows.replacement.passes.fill import fill_collection

    with tempfile.TemporaryDirectory() as folder:
        context = make_context(url, port, Path(folder))
        started = time.perf_counter()
        fill_collection(context, {})
        return time.perf_counter() - started


def compare(url: str, port: int, _points: int) -> float:
    """One pass that finds both sides equal."""
    from qdrantctl.flows.replacement.passes.catch_up import catch_up

    with tempfile.TemporaryDirectory() as folder:
        context = make_context(url, port, Path(folder))
        started = time.perf_counter()
        assert catch_up(context) == 0
        return time.perf_counter() - started


def bare(_url: str, port: int, points: int) -> float:
    """The best bare loop: gRPC messages passed on, four ranges of ids at once."""
    from qdrantctl.adapters.qdrant.grpc_channel import open_channel
    from qdrantctl.adapters.qdrant.points.messages import MESSAGES
    from qdrantctl.adapters.qdrant.points.wire_fields import convert_to_written

    request, response = MESSAGES["ScrollPoints"], MESSAGES["ScrollResponse"]
    upsert, point_id = MESSAGES["UpsertPoints"], MESSAGES["PointId"]

    def copy(start: int, end: int) -> None:
        channels = [open_channel(f"127.0.0.1:{port}", None) for _ in range(2)]
        read = channels[0].unary_unary("/qdrant.Points/Scroll")
        write = channels[1].unary_unary("/qdrant.Points/Upsert")
        while start < end:
            offset = point_id(num=start).SerializeToString()
            page = response.FromString(
                read(
                    request(
                        collection_name=SOURCE,
                        offset=offset,
                        limit=min(PAGE, end - start),
                        with_payload=b"\x08\x01",
                        with_vectors=b"\x08\x01",
                    ).SerializeToString()
                )
            )
            copies = [convert_to_written(point) for point in page.result]
            write(upsert(collection_name=TARGET, wait=True, points=copies).SerializeToString())
            start += len(copies)

    bounds = [points * part // THREADS for part in range(THREADS + 1)]
    threads = [
        threading.Thread(target=copy, args=bounds[part : part + 2]) for part in range(THREADS)
    ]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


def client(url: str, port: int, _points: int, *, prefer_grpc: bool = True) -> float:
    """`scroll` and `upload_points` of qdrant-client, in the loop of its own `migrate`.

    Larger pages and batches are no faster.
    """
    from qdrant_client import QdrantClient

    connected = QdrantClient(
        url, grpc_port=port, prefer_grpc=prefer_grpc, check_compatibility=False, timeout=60
    )
    started, offset = time.perf_counter(), None
    while True:
        page, offset = connected.scroll(SOURCE, limit=CLIENT_PAGE, offset=offset, with_vectors=True)
        connected.upload_points(TARGET, page, wait=True)
        if offset is None:
            return time.perf_counter() - started


def rest_client(url: str, port: int, points: int) -> float:
    """The same over REST, which is its default."""
    return client(url, port, points, prefer_grpc=False)


LOOPS: dict[str, Callable[[str, int, int], float]] = {
    loop.__name__: loop for loop in (fill, compare, bare, client, rest_client)
}


def main() -> None:
    name, url, port, points = sys.argv[1:]
    seconds = LOOPS[name](url, int(port), int(points))
    with Path("/proc/self/status").open() as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    print(json.dumps([seconds, peak / 1024]))


if __name__ == "__main__":
    main()
