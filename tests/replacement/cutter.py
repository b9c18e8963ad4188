"""A proxy for bytes of any protocol, whose connections can be cut at once or be refused."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 1 << 16


class Cutter:
    """Forwards connections to a port on loopback."""

    def __init__(self, target: int, listening: socket.socket) -> None:
        self.target = target
        self.port: int = listening.getsockname()[1]
        self.cuts = 0
        self.refuses = False
        self._listening = listening
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()

    def cut(self) -> None:
        """Close every connection, in the middle of whatever goes over it."""
        with self._lock:
            opened, self._open = self._open, set()
        self.cuts += len(opened) // 2
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self.refuses:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                sink.sendall(chunk)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()


@contextmanager
def cuttable(target: int) -> Iterator[Cutter]:
    """A proxy before the server on this loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        cutter = Cutter(target, listening)
        serving = threading.Thread(target=cutter.serve, daemon=True)
        serving.start()
        try:
            yield cutter
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            cutter.cut()
            serving.join(5)
