"""Signals that ask a command to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def catch_signals() -> Iterator[Callable[[], bool]]:
    """From now on SIGINT and SIGTERM only ask to stop; the value says whether one did.

    The request in flight is always finished. A second signal means the same as the first.
    """
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        if not received:
            click.echo("Stopping after the request in flight …", err=True)
        received.append(number)

    handlers = {n: signal.signal(n, receive) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
