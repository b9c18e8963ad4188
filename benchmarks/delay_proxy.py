"""A far server: a proxy on loopback that delays every byte, and counts requests and round trips.

Both ways take half a round trip each, and opening a connection takes one, as it does over a
network. Nothing else is limited: requests on several connections overlap.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 1 << 16
HEAD_END = b"\r\n\r\n"


@dataclass
class DelayProxy:
    """What passed a proxy. `clear()` begins anew, between two commands."""

    url: str
    round_trip: float
    """Seconds."""
    requests: list[str] = field(default_factory=list)
    """Method and path of each request, without its query."""
    connections: int = 0
    round_trips: int = 0
    """The longest chain of messages that each waited for the one before it.

    It is counted and not timed: a request comes after every response that the client had by then.
    Opening a connection is a message with a response, too.
    """

    @property
    def counts(self) -> Counter[str]:
        """How often each method and path was requested."""
        return Counter(self.requests)

    def clear(self) -> None:
        """Forget what passed."""
        self.requests, self.connections, self.round_trips = [], 0, 0


@contextmanager
def delay_proxy(url: str, round_trip: float) -> Iterator[DelayProxy]:
    """A proxy before the server at this `http://` URL, until the block ends."""
    parts = urlsplit(url)
    listening = socket.create_server(("127.0.0.1", 0))
    proxy = DelayProxy(f"http://127.0.0.1:{listening.getsockname()[1]}", round_trip)
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _Connection(proxy).relay(reader, writer, parts.hostname or "", parts.port or 80)

        server = await asyncio.start_server(relay, sock=listening)
        async with server:
            await ended.wait()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()


class _Connection:
    """One connection of a client, and its own to the server."""

    def __init__(self, proxy: DelayProxy) -> None:
        self._proxy = proxy
        self._opened = asyncio.get_running_loop().time() + proxy.round_trip
        proxy.connections += 1
        self._depth = proxy.round_trips + 1
        """Round trips before the last request of this connection; opening it is the first."""
        self._head = b""
        self._body = 0
        """Bytes that belong to the body of the last request, and are still to come."""

    async def relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int
    ) -> None:
        """Pass bytes both ways until either side ends."""
        to_server = None
        try:
            from_server, to_server = await asyncio.open_connection(host, port)
            for end in (writer, to_server):
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(
                self._pass(reader, to_server, self._note_request, lambda: None),
                self._pass(from_server, writer, lambda _: None, self._note_response),
            )
        except OSError:
            pass
        finally:
            for side in (writer, to_server):
                if side is not None:
                    side.close()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_arrival: Callable[[bytes], None],
        on_delivery: Callable[[], None],
    ) -> None:
        """Deliver each piece half a round trip after it arrived, in order."""
        loop = asyncio.get_running_loop()
        due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                moment, piece = await due.get()
                await asyncio.sleep(moment - loop.time())
                if not piece:
                    with suppress(OSError):
                        writer.write_eof()
                    return
                on_delivery()
                writer.write(piece)

        delivering = asyncio.create_task(deliver())
        try:
            while piece := await reader.read(CHUNK):
                on_arrival(piece)
                arrived = max(loop.time(), self._opened)
                due.put_nowait((arrived + self._proxy.round_trip / 2, piece))
            due.put_nowait((loop.time() + self._proxy.round_trip / 2, b""))
            await delivering
        finally:
            delivering.cancel()

    def _note_request(self, piece: bytes) -> None:
        """Count the requests that begin in these bytes."""
        while piece:
            if self._body:
                taken = min(self._body, len(piece))
                self._body -= taken
                piece = piece[taken:]
                continue
            self._head += piece
            if HEAD_END not in self._head:
                return
            head, _, piece = self._head.partition(HEAD_END)
            self._head = b""
            self._body = _content_length(head)
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
            self._proxy.requests.append(f"{method} {target.partition('?')[0]}")
            self._depth = max(self._depth, self._proxy.round_trips)

    def _note_response(self) -> None:
        """Note that a response reaches the client."""
        self._proxy.round_trips = max(self._proxy.round_trips, self._depth + 1)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
