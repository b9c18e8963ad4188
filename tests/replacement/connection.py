"""One keep-alive connection to a server, or to one of several."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from typing import Any

import orjson

IDLE = 2.0
"""Seconds after which a connection is opened again, as servers close idle ones after five."""
JSON = {"content-type": "application/json", "accept-encoding": "identity"}


class Connection:
    """Requests one after the other. Where a port does not answer, the next request takes another.

    Every failure to get an answer is an OSError.
    """

    def __init__(self, ports: Sequence[int], timeout: float = 30.0) -> None:
        self.ports = list(ports)
        self.timeout = timeout
        self.open: http.client.HTTPConnection | None = None
        self.used = 0.0

    def send(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer: parsed where it is JSON."""
        if time.monotonic() - self.used > IDLE:
            self.close()
        if self.open is None:
            self.open = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=self.timeout)
        try:
            self.open.request(method, path, None if body is None else orjson.dumps(body), JSON)
            answer = self.open.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            self.ports.append(self.ports.pop(0))
            raise ConnectionError(f"{type(error).__name__}: {error}") from error
        self.used = time.monotonic()
        try:
            return answer.status, orjson.loads(content)
        except ValueError:
            return answer.status, {"text": content.decode(errors="replace")}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The result of a request that must work."""
        status, answer = self.send(method, path, body)
        assert status == 200, (method, path, status, answer)
        return answer["result"]

    def close(self) -> None:
        if self.open is not None:
            self.open.close()
        self.open = None
