"""Local servers on which something is tried: empty at first, and gone afterwards.

They hold what production holds, so they take requests only with a key that nobody else knows.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from qdrantctl.edges import devserver
from qdrantctl.edges import devserver_folder as place
from qdrantctl.edges.cluster import Cluster, Endpoint
from qdrantctl.edges.devserver_process import Manner, peer_uri
from qdrantctl.model.errors import ServerError
from qdrantctl.model.step import Call

JOINED = 30.0
"""Seconds within which every server knows of every other."""


@contextmanager
def servers(
    root: Path, name: str, count: int, tell: Callable[[str], None]
) -> Iterator[tuple[Endpoint, ...]]:
    """So many servers as one cluster, in a folder `name` of the project in `root`.

    What a process that died has left there is ended and removed first. Raises ServerError.
    """
    place.prepare(place.of(root))
    folder = place.of(root) / "scratch" / name
    _swept(folder)
    try:
        yield _started(folder, count, tell)
    finally:
        _swept(folder)


def _started(folder: Path, count: int, tell: Callable[[str], None]) -> tuple[Endpoint, ...]:
    api_key, bootstrap = secrets.token_urlsafe(24), ""
    found: list[Endpoint] = []
    for number in range(count):
        root = folder / str(number)
        root.mkdir(parents=True, mode=0o700)
        manner = Manner(api_key, several=count > 1, bootstrap=bootstrap)
        running = devserver.start(root, tell=tell, manner=manner)
        bootstrap = bootstrap or peer_uri(running.ports) if count > 1 else ""
        found.append(Endpoint(running.url, api_key))
    _joined(found)
    return tuple(found)


def _joined(endpoints: list[Endpoint]) -> None:
    until = time.monotonic() + JOINED
    for endpoint in endpoints:
        with Cluster(endpoint) as door:
            while len(door.ask(Call(method="GET", path="/cluster"))["peers"]) < len(endpoints):
                if time.monotonic() > until:
                    raise ServerError(
                        f"{endpoint.url} did not join the other servers",
                        hint="Verify again. It was started on this machine for that.",
                    )
                time.sleep(0.05)


def _swept(folder: Path) -> None:
    for root in sorted(folder.glob("*")):
        devserver.stop(root)
    shutil.rmtree(folder, ignore_errors=True)
