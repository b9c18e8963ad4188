"""Signals that stop a command."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def catch_signals() -> Iterator[Callable[[], bool]]:
    """Record SIGINT and SIGTERM; the value is a function that returns whether one was received.

    The requests in flight are always finished. A second signal has no further effect.
    """
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        if not received:
            click.echo("Stopping after the requests in flight …", err=True)
        received.append(number)

    handlers = {n: signal.signal(n, receive) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
