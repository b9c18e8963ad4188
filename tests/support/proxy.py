"""A proxy on loopback between the tool and a real server; it breaks what it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Fault = Callable[[int, bytes], "bytes | str | tuple[str, float] | None"]
"""(number of the request, its head) -> bytes to answer, 'cut' (after the server acted),
'drop' (before it acts), 'half' (half of the answer), ('part', 0.3) (so much of it),
'stall' (the server has acted, no answer
comes for STALL seconds), or None to pass."""
STALL = 2.5


@dataclass
class Proxy:
    """One listening socket. `requests` counts what was asked of it."""

    target: tuple[str, int]
    fault: Fault
    requests: list[str] = field(default_factory=list)
    port: int = 0
    arriving: threading.Lock = field(default_factory=threading.Lock)
    """Requests that arrive together get a number each."""
    after_cut: Callable[[], None] = lambda: None
    """Run once the server has acted and before the connection is cut."""
    change_answer: Callable[[bytes], bytes] = lambda answer: answer
    """What the caller gets instead of what the server answered."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        # Whoever asked may reset the connection instead of closing it.
        with suppress(ConnectionResetError), client, client.makefile("rb") as reader:
            while head := _head(reader):
                length = _length(head)
                body = reader.read(length) if length else b""
                if len(body) < length:
                    return  # who asked has died
                with self.arriving:
                    self.requests.append(head.split(b"\r\n", 1)[0].decode())
                    number = len(self.requests)
                told = self.fault(number, head)
                if isinstance(told, bytes):
                    client.sendall(told)
                    continue
                if told == "drop":
                    return
                try:
                    answer = self.change_answer(self._forward(head + body))
                except OSError:  # the server has ended, and with it this connection
                    return
                if not answer:  # the server has ended while it answered
                    return
                if told == "cut":
                    self.after_cut()
                    return
                if told == "half":
                    told = ("part", 0.5)
                if isinstance(told, tuple):
                    client.sendall(answer[: int(len(answer) * told[1])])
                    return
                if told == "stall":
                    time.sleep(STALL)
                    return
                with suppress(OSError):  # who asked need not wait for all of it
                    client.sendall(answer)

    def _forward(self, request: bytes) -> bytes:
        with socket.create_connection(self.target) as server, server.makefile("rb") as reader:
            server.sendall(request)
            head = _head(reader)
            if b"transfer-encoding: chunked" in head.lower():
                raise AssertionError("chunked answers are not expected here")
            return head + reader.read(_length(head))


def _head(reader: object) -> bytes:
    found = b""
    while not found.endswith(b"\r\n\r\n"):
        line = reader.readline()  # type: ignore[attr-defined]
        if not line:
            return b""
        found += line
    return found


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def refuse_own_disk(head: bytes) -> bytes | None:
    """The answer of a server that recovers from no file of its own disk, to such requests."""
    asks = head.startswith(b"PUT ") and b"/snapshots/recover" in head.split(b"\r\n", 1)[0]
    return answer(403, b'{"status":{"error":"Forbidden: not from disk"}}') if asks else None


@contextmanager
def proxied(port: int, fault: Fault) -> Iterator[Proxy]:
    """A proxy before the server on this loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = Proxy(("127.0.0.1", port), fault, port=listening.getsockname()[1])
        serving = threading.Thread(target=proxy.serve, args=(listening,), daemon=True)
        serving.start()
        try:
            yield proxy
        finally:
            # Else it goes on waiting, and may take a connection of the next proxy.
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            serving.join(5)
