"""The client of the cluster: Qdrant's REST API through the standard library's HTTP client.

Responses are plain JSON (no typed models), so that a newer server does not break a plan.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import TracebackType
from typing import Self

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.exchange import READ_TRIES, RETRY_PAUSE, AnswerReader, request_target
from qdrantctl.adapters.qdrant.http import (
    ConnectionFailed,
    HttpConnection,
    HttpResponse,
    ResponseLost,
)
from qdrantctl.adapters.qdrant.node_versions import with_node_versions
from qdrantctl.adapters.qdrant.prefetch import Prefetcher, Read
from qdrantctl.adapters.qdrant.refusals import NOT_ALL_VISIBLE, TOO_MANY
from qdrantctl.adapters.qdrant.throttle import REPEATED_WITHIN, Throttle
from qdrantctl.adapters.qdrant.transfer import Transfer
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

MAX_PAUSE = 5.0
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
SERVER_FAILED = 500
"""The server itself failed, as it does for every read of a shard whose node is down: such a read
is retried only once."""


def as_read(call: Call) -> Read:
    """A request as it is sent."""
    body = b"" if call.body is ABSENT else json.dumps(call.body).encode()
    return Read(call.method, request_target(call), body)


class ThreadConnections:
    """The connections of one thread: a kept-alive one, and a few more for prefetched reads."""

    def __init__(self, connect: Callable[[], HttpConnection]) -> None:
        self._connect = connect
        self.main = connect()
        self.prefetcher = Prefetcher(connect)

    def reconnect(self) -> None:
        """Open all of them anew."""
        self.close()
        self.main = self._connect()

    def close(self) -> None:
        """Close all of them."""
        self.prefetcher.close()
        self.main.close()


class RestClient:
    """One cluster. Each thread that uses the client has connections of its own.

    Implements the `Client` protocol of the model.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        on_call: Callable[[Call, int, float], None] | None = None,
        first_reads: Iterable[Call] = (),
        is_one_node: bool = False,
        throttle: Throttle | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._first_reads = tuple(first_reads)
        """Reads that follow the first response, each of them exactly once."""
        self._throttle = throttle or Throttle()
        self._is_one_node = is_one_node
        """Whether its version is that of this node, and not that of the oldest node."""
        self._target = endpoint
        """The endpoint, or the node in its place."""
        self._of_thread = threading.local()
        self._opened: list[ThreadConnections] = []
        self._on_call = on_call
        self._answers = AnswerReader(endpoint.url, endpoint.api_key, endpoint.key_hint)
        self._transfer = Transfer(self._open_connection, self._answers, self._report_request)
        self._date = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections of every thread."""
        for connections in self._opened:
            connections.close()

    @property
    def _connections(self) -> ThreadConnections:
        """Those of this thread."""
        found: ThreadConnections | None = getattr(self._of_thread, "connections", None)
        if found is None:
            found = self._of_thread.connections = ThreadConnections(self._open_connection)
            self._opened.append(found)
        return found

    def _open_connection(self) -> HttpConnection:
        return self._target.connection(self._endpoint.api_key, self._endpoint.timeout)

    def clone(self) -> RestClient:
        """The same cluster through a client that another thread may close."""
        return RestClient(self._endpoint, on_call=self._on_call, throttle=self._throttle)

    def for_node(self, url: str = "", *, timeout: float) -> RestClient:
        """A client for one node of this cluster, or for the same address; for slow requests."""
        endpoint = replace(self._endpoint, url=url or self._target.url, timeout=timeout, nodes=())
        return RestClient(
            endpoint, on_call=self._on_call, is_one_node=True, throttle=self._throttle
        )

    @property
    def url(self) -> str:
        """The URL of the cluster; every error begins with it."""
        return self._endpoint.url

    @property
    def server_time(self) -> datetime:
        """The server's clock, from the last response with a Date header. Raises ClusterError."""
        try:
            moment = parsedate_to_datetime(self._date)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, LookupError, TypeError, OverflowError):
            found = "a Date header that is not a time" if self._date else "no Date header"
            raise self._answers.error(
                f"its answers carry {found}, so the end of a lease cannot be computed",
                hint="Does a proxy in between remove or change it?",
            ) from None

    @cached_property
    def server(self) -> Server:
        """Versions and mode of the server, read once. Raises ClusterError.

        `GET /cluster` needs a cluster-wide key; with any other key, lists would silently be
        incomplete.
        """
        started = time.monotonic()
        root = self.request(Call(method="GET", path="/"))
        took = time.monotonic() - started
        try:
            version = Version.parse(str(root["version"]))
        except (LookupError, ValueError):
            raise self._answers.error(
                "the server at this address is not Qdrant", hint="Is the port right?"
            ) from None
        read_cluster = Call(method="GET", path="/cluster")
        first_reads = map(as_read, (read_cluster, *self._first_reads))
        self._connections.prefetcher.announce_if_far(first_reads, took)
        try:
            cluster = self.request(read_cluster)
        except ClusterError as error:
            if error.forbidden and NOT_ALL_VISIBLE in error.why:
                raise self._answers.error(
                    "the API key has access to a part of the cluster only, "
                    "so lists would be incomplete",
                    why=error.why,
                    hint="Use a cluster-wide key; a read-only one is enough to plan.",
                    status=error.status,
                    from_qdrant=True,
                ) from None
            raise
        distributed = cluster.get("status") == "enabled"
        server = Server(
            version=version,
            url=self._endpoint.url,
            distributed=distributed,
            peers=max(1, len(cluster.get("peers") or {})) if distributed else 1,
        )
        return server if self._is_one_node else with_node_versions(server, cluster, self.request)

    def prefetch(self, calls: Iterable[Call]) -> None:
        """Announce GETs that will be requested, in this order; some are sent immediately."""
        self._connections.prefetcher.announce(map(as_read, calls))

    def request(self, call: Call) -> Json:
        """The `result` of the response, or the whole response if it has none.

        Reads are retried, at last on the other nodes of the cluster that the endpoint names. A
        write is sent once, and again only where a proxy says when (429 with Retry-After); its error
        states whether it may have been applied. Raises ClusterError.
        """
        read = as_read(call)
        if call.writes:
            return self._write(call, read.target, read.body)
        try:
            return self._read(call, read.target, read.body)
        except ClusterError as error:
            if 0 < error.status < SERVER_FAILED:
                raise
            return self._read_from_other_node(call, error)

    def _write(self, call: Call, target: str, body: bytes) -> Json:
        """The result of a write. Raises ClusterError."""
        until = time.monotonic() + REPEATED_WITHIN
        while True:
            answer = self._exchange(call, target, body)
            try:
                return self._answers.result(answer, call, len(body))
            except ClusterError as error:
                # Qdrant's own limit is that of one collection, and the write may be carried out.
                is_final = error.status != TOO_MANY or error.from_qdrant
                if is_final or time.monotonic() > until:
                    raise
                if not self._throttle.hold(answer.retry_after):
                    raise

    def _read(self, call: Call, target: str, body: bytes) -> Json:
        """The result of a read, tried several times. Raises ClusterError."""
        pause = RETRY_PAUSE
        for remaining_tries in range(READ_TRIES - 1, -1, -1):
            try:
                answer = self._exchange(call, target, body)
            except ClusterError as error:
                if not remaining_tries or not error.maybe_applied:
                    raise
            else:
                is_final = not remaining_tries or (
                    answer.status == SERVER_FAILED and remaining_tries < READ_TRIES - 1
                )
                if answer.status not in RETRIED_STATUSES or is_final:
                    return self._answers.result(answer, call, len(body))
                pause = max(pause, min(answer.retry_after, MAX_PAUSE))
                if answer.status == TOO_MANY:
                    self._throttle.hold(pause)
            time.sleep(pause)
            pause = min(pause * 2, MAX_PAUSE)
        raise AssertionError("the last try returns or raises")

    def _read_from_other_node(self, call: Call, error: ClusterError) -> Json:
        """The result of a read that another node can answer. Raises the error if none can."""
        for url in self._endpoint.nodes:
            if url != self._target.url:
                with self.for_node(url, timeout=self._endpoint.timeout) as node:
                    try:
                        result = node.request(call)
                        if not error.status:  # not even an error came: use this node from now on
                            self._use_node(url)
                        return result
                    except ClusterError as other:
                        if 0 < other.status < SERVER_FAILED:
                            raise
        raise error

    def download(self, call: Call) -> Iterator[bytes]:
        """The response body of a GET, piece by piece. Raises ClusterError.

        An interrupted download is resumed, as long as it makes progress.
        """
        return self._transfer.download(call)

    def upload_snapshot(
        self,
        collection: str,
        file_name: str,
        checksum: str,
        priority: str,
        chunks: Iterable[bytes],
        size: int,
    ) -> None:
        """Upload a snapshot file of `size` bytes; the server restores a collection from it.

        Raises SnapshotRejected if the server received every byte, else ClusterError.
        """
        self._transfer.upload_snapshot(collection, file_name, checksum, priority, chunks, size)

    def _exchange(self, call: Call, target: str, body: bytes) -> HttpResponse:
        """Send a request and receive its response. Raises ClusterError without one."""
        self._throttle.wait()
        started = time.monotonic()
        prefetcher = self._connections.prefetcher
        try:
            prefetched = None
            if call.writes:
                prefetcher.drop_pending()
            else:
                prefetched = prefetcher.take_response(Read(call.method, target, body))
            answer = prefetched or self._send(call, target, body)
        except (ConnectionFailed, ResponseLost) as error:
            raise self._answers.unanswered(error, call) from None
        self._date = answer.date or self._date
        if answer.status != TOO_MANY:
            self._throttle.relax()
        self._report_request(call, answer.status, started)
        return answer

    def _send(self, call: Call, target: str, body: bytes) -> HttpResponse:
        """Send to the endpoint; where it cannot be reached, from then on to one of its nodes.

        Raises ConnectionFailed of the first, ResponseLost.
        """
        connections = self._connections
        try:
            return connections.main.send(call.method, target, body, writes=call.writes)
        except ConnectionFailed as error:
            for url in self._endpoint.nodes:
                self._use_node(url)
                with suppress(ConnectionFailed):
                    return connections.main.send(call.method, target, body, writes=call.writes)
            raise error

    def _use_node(self, url: str) -> None:
        """Send the further requests to a node in place of the endpoint.

        Another thread follows once its own connection fails.
        """
        self._target = replace(self._endpoint, url=url)
        self._connections.reconnect()

    def _report_request(self, call: Call, status: int, started: float) -> None:
        if self._on_call:
            self._on_call(call, status, time.monotonic() - started)
