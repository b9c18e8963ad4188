"""Connects to the cluster of an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qdrantctl.adapters.qdrant.client import Endpoint, RestClient
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.step import Call

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings


@contextmanager
def connect(
    settings: Settings, on_call: Callable[[Call, int, float], None] | None
) -> Iterator[RestClient]:
    """The door to the cluster of these settings. An embedded server that is there is started."""
    with RestClient(find_endpoint(settings), on_call=on_call) as client:
        yield client


def find_endpoint(settings: Settings) -> Endpoint:
    """Where the cluster is. An embedded server that is there is started."""
    if settings.embedded:
        from qdrantctl.adapters.local_server import server as devserver

        return Endpoint(url=devserver.ensure_server(settings.root).url)
    if settings.endpoint is None:
        raise SettingsError("no server is named", hint="State url in the environment, or --url.")
    return settings.endpoint
