"""HTTP libraries with the same GET requests, to compare clients. Runs only if named.

`python -m benchmarks http_clients` measures the importable ones; start it with the Python of a
throw-away venv that has them.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ratio import PYTHON, Row, run, seconds
from benchmarks.workload import server

COUNT, COLLECTIONS = 1000, 20
CLIENTS = {
    "http.client": """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1])
for number in range({count}):
    connection.request("GET", f"/collections/c{{number % {collections}}}")
    connection.getresponse().read()
""",
    "urllib3": """
import sys, urllib3
pool = urllib3.PoolManager()
for number in range({count}):
    pool.request("GET", f"http://{{sys.argv[1]}}/collections/c{{number % {collections}}}").data
""",
    "httpx": """
import httpx, sys
with httpx.Client() as client:
    for number in range({count}):
        client.get(f"http://{{sys.argv[1]}}/collections/c{{number % {collections}}}").content
""",
    "aiohttp": """
import aiohttp, asyncio, sys
async def main():
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=8)) as session:
        async def get(number):
            url = f"http://{{sys.argv[1]}}/collections/c{{number % {collections}}}"
            async with session.get(url) as answer:
                await answer.read()
        await asyncio.gather(*map(get, range({count})))
asyncio.run(main())
""",
    "httpx (async)": """
import asyncio, httpx, sys
async def main():
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=8), timeout=60) as client:
        async def get(number):
            await client.get(f"http://{{sys.argv[1]}}/collections/c{{number % {collections}}}")
        await asyncio.gather(*map(get, range({count})))
asyncio.run(main())
""",
}


def rows(folder: Path) -> Iterator[Row]:
    with server(folder / "server") as node:
        for number in range(COLLECTIONS):
            body = {"vectors": {"size": 4, "distance": "Dot"}, "shard_number": 1}
            assert node.request("PUT", f"/collections/c{number}", body)[0] == 200
        address = node.url.removeprefix("http://")
        clients = {n: t for n, t in CLIENTS.items() if importlib.util.find_spec(n.split(" ")[0])}
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in clients}
        for _ in range(8):
            for name, text in clients.items():
                script = text.format(count=COUNT, collections=COLLECTIONS)
                whole = run([PYTHON, "-c", script, address], folder)
                alone = run([PYTHON, "-c", f"import {name.split(' ')[0]}"], folder)
                took[name].append((whole.wall, alone.wall))
        base = [wall for wall, _ in took["http.client"][1:]]
        for name, pairs in took.items():
            walls = [wall for wall, _ in pairs[1:]]  # the first run compiles
            ratio = statistics.median(w / b for w, b in zip(walls, base, strict=True))
            start = statistics.median(alone for _, alone in pairs[1:])
            yield Row(
                f"{COUNT:,} GETs with `{name}`, of which import {seconds(start)}",
                seconds(statistics.median(walls)),
                seconds(statistics.median(base)),
                f"{ratio:.2f}",
                "",
                True,
            )
