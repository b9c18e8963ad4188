"""Connects to the cluster of an environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.step import Call

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings

_KEY_HINT = "An embedded server has a key after `qdrantctl dev down` and `dev up --api-key --jwt`."


@contextmanager
def connect(
    settings: Settings,
    on_call: Callable[[Call, int, float], None] | None,
    first_reads: Iterable[Call] = (),
) -> Iterator[RestClient]:
    """A client of the cluster of these settings; see `find_endpoint` for embedded servers.

    `first_reads` are sent at once if the server is far. The command must need each of them.
    """
    endpoint = find_endpoint(settings)
    with RestClient(endpoint, on_call=on_call, first_reads=first_reads) as client:
        yield client


def find_endpoint(settings: Settings) -> Endpoint:
    """The endpoint of the cluster. An embedded server is started if its program exists.

    The program is never downloaded here. Raises SettingsError, ServerError.
    """
    if settings.embedded:
        from qdrantctl.adapters.local_server import server as devserver

        server = devserver.ensure_server(settings.root, version=settings.embedded_version)
        return Endpoint(
            url=server.url,
            api_key=server.access.api_key or None,
            key_hint=_KEY_HINT,
            grpc_port=server.ports[1],
        )
    if settings.endpoint is None:
        raise SettingsError("no server is named", hint="Set url in the environment, or pass --url.")
    return settings.endpoint


def find_token_problem(settings: Settings) -> str:
    """Why the cluster accepts no tokens; empty if it does. Raises SettingsError, ClusterError."""
    from qdrantctl.adapters.tokens.signer import token_support_problem

    return token_support_problem(find_endpoint(settings))
