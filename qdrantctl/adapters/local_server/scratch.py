"""Local servers on which something is tried: empty at first, and gone afterwards.

They hold what production holds, so they take requests only with a key that nobody else knows.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from qdrantctl.adapters.local_server import folder as place
from qdrantctl.adapters.local_server import server as devserver
from qdrantctl.adapters.local_server.process import Manner, peer_uri
from qdrantctl.adapters.qdrant.client import Cluster, Endpoint
from qdrantctl.model.errors import ServerError
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call

FOLDER = "scratch"
JOINED = 30.0
"""Seconds within which every server knows of every other."""


@contextmanager
def servers(root: Path, count: int, tell: Callable[[str], None]) -> Iterator[tuple[Endpoint, ...]]:
    """So many servers as one cluster, below the folder of the project in `root`.

    Raises ServerError.
    """
    home = place.of(root)
    place.prepare(home)
    with ExitStack() as held:
        with place.alone(home):  # nobody takes the folder for left behind before it is held
            folder = place.fresh(home / FOLDER)
            held.enter_context(place.using(folder))
        try:
            yield _started(folder, count, tell)
        finally:
            with place.alone(home):
                _removed(folder)


def swept(root: Path) -> int:
    """End and remove what processes have left that died; how many. Raises ServerError."""
    home, count = place.of(root), 0
    if not (home / FOLDER).is_dir():
        return 0
    with place.alone(home):
        for folder in sorted((home / FOLDER).glob("*/")):
            with place.using(folder) as free:
                if free:
                    _removed(folder)
                    count += 1
    return count


def _started(folder: Path, count: int, tell: Callable[[str], None]) -> tuple[Endpoint, ...]:
    api_key, bootstrap = secrets.token_urlsafe(24), ""
    found: list[Endpoint] = []
    for number in range(count):
        root = folder / str(number)
        root.mkdir()
        manner = Manner(api_key, several=count > 1, bootstrap=bootstrap)
        running = devserver.start(root, tell=tell, manner=manner)
        bootstrap = bootstrap or peer_uri(running.ports) if count > 1 else ""
        found.append(Endpoint(running.url, api_key))
    _joined(found)
    return tuple(found)


def _joined(endpoints: list[Endpoint]) -> None:
    for endpoint in endpoints:
        with Cluster(endpoint) as client:
            count = poll(partial(_peers, client), lambda c: c >= len(endpoints), timeout=JOINED)
        if count < len(endpoints):
            raise ServerError(
                f"{endpoint.url} did not join the other servers",
                hint="Verify again. It was started on this machine for that.",
            )


def _peers(client: Cluster) -> int:
    return len(client.ask(Call(method="GET", path="/cluster"))["peers"])


def _removed(folder: Path) -> None:
    for root in sorted(folder.glob("*/")):
        devserver.stop(root)
    shutil.rmtree(folder, ignore_errors=True)
