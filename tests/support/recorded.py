"""A client that gives answers that a server gave before, for servers that CI does not have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from qdrantctl.model.errors import ClusterError
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call


class Recorded:
    """`Recorded(server, **{"collections/a": {…}})`: the results by path, errors are raised."""

    def __init__(self, server: Server, **answers: Any) -> None:
        self.server = server
        self.answers = answers
        self.requested: list[str] = []

    def request(self, call: Call) -> Any:
        self.requested.append(call.path)
        answer = self.answers[call.path.removeprefix("/")]
        if isinstance(answer, ClusterError):
            raise answer
        return answer

    def prefetch(self, calls: Iterable[Call]) -> None: ...
