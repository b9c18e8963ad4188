"""The door to the cluster: Qdrant's REST API through the standard library's HTTP client.

Answers are taken as they are (no typed models), so that a newer server does not break a plan.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlencode

from qdrantctl.adapters.qdrant.http import Answer, Cut, TlsFiles, Unreachable, Wire
from qdrantctl.adapters.qdrant.http_proxy import find_proxy
from qdrantctl.adapters.qdrant.prefetch import Ahead
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import ABSENT, Json
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call

TRIES = 4
"""How often a read is sent before its failure counts."""
PAUSE = 0.2
"""Seconds before the second try; doubled before each further one."""
LONGEST_PAUSE = 5.0
RETRIED = frozenset({429, 500, 502, 503, 504})
BROKEN = 500
"""The server itself failed, as it does at every read of a shard whose node is down: such a read
is tried once more and no longer."""
OK, PARTIAL = 200, 206
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY = 401, 403, 404, 429
QUOTED = 400
"""Characters of the server's own words that an error quotes."""
_NOISE = re.compile(r"(?:, details: \[[^\]]*\])?,? metadata: MetadataMap \{ headers: \{.*?\} \}")
"""What one node's answer to another looked like on the wire; it says nothing of what is wrong."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a cluster is and how to get in."""

    url: str
    """Scheme, host, port, perhaps a path prefix; no trailing slash."""
    api_key: str | None = field(default=None, repr=False)
    key_hint: str = ""
    """Where the key came from, or can be stated: what to do when the server refuses."""
    tls: TlsFiles = field(default_factory=TlsFiles)
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The environment variables that name proxies; empty where none may be used."""
    timeout: float = 60.0
    """Seconds that one request may take."""

    def connection(self, api_key: str | None, timeout: float) -> Wire:
        """A connection to it, opened by its first request. Raises SettingsError."""
        proxy = find_proxy(self.url, self.proxies)
        return Wire(self.url, api_key, timeout, tls=self.tls, proxy=proxy)


class Cluster:
    """One cluster, through one kept-alive connection, and a few more for reads that are expected.

    A `Door` of the ground floor.
    """

    def __init__(
        self, endpoint: Endpoint, *, on_call: Callable[[Call, int, float], None] | None = None
    ) -> None:
        self._endpoint = endpoint
        self._wire = self._new_wire()
        self._ahead = Ahead(self._new_wire)
        self._on_call = on_call
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
        """Close the connections."""
        self._ahead.forget()
        self._wire.close()

    def _new_wire(self) -> Wire:
        return self._endpoint.connection(self._endpoint.api_key, self._endpoint.timeout)

    def another(self) -> Cluster:
        """The same cluster through a connection of its own, for another thread."""
        return Cluster(self._endpoint, on_call=self._on_call)

    def at(self, url: str = "", *, timeout: float) -> Cluster:
        """One node of this cluster, or what answers at the same address; for slow requests."""
        there = replace(self._endpoint, url=url or self._endpoint.url, timeout=timeout)
        return Cluster(there, on_call=self._on_call)

    @property
    def url(self) -> str:
        """Where it is asked; every error begins with it."""
        return self._endpoint.url

    @property
    def now(self) -> datetime:
        """What the server's clock said with the last answer that told. Raises ClusterError."""
        try:
            return parsedate_to_datetime(self._date)
        except ValueError:
            raise self._error(
                "its answers carry no Date header, so nobody can tell how long a lease holds",
                hint="Is there a proxy between that takes it out?",
            ) from None

    @cached_property
    def server(self) -> Server:
        """Version and mode of the server, asked once. Raises ClusterError.

        `GET /cluster` needs a key that sees the whole cluster; with any other key every list
        would silently leave things out.
        """
        about = self.ask(Call(method="GET", path="/"))
        if not isinstance(about, dict) or "version" not in about:
            raise self._error("what answers there is not Qdrant", hint="Is the port right?")
        try:
            cluster = self.ask(Call(method="GET", path="/cluster"))
        except ClusterError as error:
            if error.status == FORBIDDEN:
                raise self._error(
                    "the key sees only a part of the cluster, so every list would lie",
                    hint="Use a cluster-wide key; a read-only one is enough to plan.",
                    status=FORBIDDEN,
                ) from None
            raise
        distributed = cluster.get("status") == "enabled"
        return Server(
            version=Version.parse(str(about["version"])),
            url=self._endpoint.url,
            distributed=distributed,
            peers=max(1, len(cluster.get("peers") or {})) if distributed else 1,
        )

    def expect(self, calls: Iterable[Call]) -> None:
        """GETs that will be asked for, in this order; some are sent at once."""
        self._ahead.expect(_target(call) for call in calls)

    def ask(self, call: Call) -> Json:
        """The `result` of the answer, or the whole answer where there is none.

        Reads are tried again; a write is sent once, and its error says whether it may have been
        applied all the same. Raises ClusterError.
        """
        target = _target(call)
        body = b"" if call.body is ABSENT else json.dumps(call.body).encode()
        if call.writes:
            return self._result(self._send(call, target, body), call)
        pause = PAUSE
        for left in range(TRIES - 1, -1, -1):
            try:
                answer = self._send(call, target, body)
            except ClusterError as error:
                if not left or not error.maybe_applied:
                    raise
            else:
                done = not left or (answer.status == BROKEN and left < TRIES - 1)
                if answer.status not in RETRIED or done:
                    return self._result(answer, call)
                pause = max(pause, min(answer.retry_after, LONGEST_PAUSE))
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("the last try returns or raises")

    def download(self, call: Call) -> Iterator[bytes]:
        """The bytes that answer a GET, piece by piece. Raises ClusterError.

        Where the connection is cut it goes on from there, as long as it comes any further.
        """
        got, etag, failed = 0, "", 0
        while True:
            wire, started = self._new_wire(), time.monotonic()
            try:
                found = wire.stream(_target(call), got, etag)
                self._told(call, found.status, started)
                if found.status not in (OK, PARTIAL):
                    self._result(Answer(found.status, b"".join(found.pieces)), call)
                etag = etag or found.etag
                # Object storage knows no ranges: it begins anew.
                for piece in _after(found.pieces, got if found.status == OK else 0):
                    got, failed = got + len(piece), 0
                    yield piece
                return
            except (Unreachable, Cut) as error:
                failed += 1
                if failed == TRIES or not got:
                    raise self._unanswered(error, call) from None
                time.sleep(PAUSE * 2**failed)
            finally:
                wire.close()

    def upload(self, call: Call, pieces: Iterable[bytes], length: int, kind: str) -> Json:
        """The `result` of a POST of `length` bytes, piece by piece. Raises ClusterError."""
        wire, started = self._new_wire(), time.monotonic()
        try:
            answer = wire.push(_target(call), pieces, length, kind)
            self._told(call, answer.status, started)
            return self._result(answer, call)
        except (Unreachable, Cut) as error:
            raise self._unanswered(error, call) from None
        finally:
            wire.close()

    def _send(self, call: Call, target: str, body: bytes) -> Answer:
        """One exchange. Raises ClusterError when there is no whole answer."""
        started = time.monotonic()
        try:
            ahead = None
            if call.writes:
                self._ahead.forget()
            elif call.method == "GET":
                ahead = self._ahead.take(target)
            answer = ahead or self._wire.send(call.method, target, body, writes=call.writes)
        except (Unreachable, Cut) as error:
            raise self._unanswered(error, call) from None
        self._date = answer.date or self._date
        self._told(call, answer.status, started)
        return answer

    def _told(self, call: Call, status: int, started: float) -> None:
        if self._on_call:
            self._on_call(call, status, time.monotonic() - started)

    def _unanswered(self, error: Unreachable | Cut, call: Call) -> ClusterError:
        if isinstance(error, Unreachable):
            return self._error(error.what, why=error.why, hint=error.hint)
        return self._error(
            f"no whole answer to {call.method} {call.path}",
            why=error.why,
            hint="Look at the server's log; what was asked may have been done.",
            # A read that took all its time would take it again.
            maybe=call.writes or not error.slow,
        )

    def _result(self, answer: Answer, call: Call) -> Json:
        """What the answer holds. Raises ClusterError for anything but success."""
        if 300 <= answer.status < 400:
            raise self._error(
                f"{call.method} {call.path} was redirected",
                hint="Name the server itself: a key is never sent on to another place.",
                status=answer.status,
            )
        parsed: Json = None
        try:
            parsed = json.loads(answer.body) if answer.body else None
        except (ValueError, RecursionError):
            if answer.status < 300:
                raise self._error(
                    f"the answer to {call.method} {call.path} is not JSON",
                    why=self._quoted(answer.body),
                    hint="Is there a proxy between, or another program on this port?",
                    status=answer.status,
                ) from None
        if answer.status >= 300:
            raise self._refusal(answer, parsed, call)
        return parsed["result"] if isinstance(parsed, dict) and "result" in parsed else parsed

    def _refusal(self, answer: Answer, parsed: Json, call: Call) -> ClusterError:
        """The error that the server answered with, and what to do about it."""
        said = parsed.get("status") if isinstance(parsed, dict) else None
        said = said.get("error") if isinstance(said, dict) else said
        why = self._quoted(said.encode() if isinstance(said, str) else answer.body)
        status, what = answer.status, f"{call.method} {call.path} answered {answer.status}"
        hint = ""
        if status == UNAUTHORIZED:
            given = self._endpoint.api_key is not None
            what = "the server does not take the API key" if given else "the server wants a key"
            hint = self._endpoint.key_hint
        elif status == FORBIDDEN:
            hint = (
                "The key may only read."
                if call.writes
                else "The key sees only a part; use a cluster-wide one."
            )
        elif status == TOO_MANY:
            hint = "A rate limit is spent; try again in a minute."
        elif status >= 500:
            hint = "Look at the server's log, and whether every node is up."
        maybe = call.writes and (status == TOO_MANY or status >= 500)
        return self._error(what, why=why, hint=hint, status=status, maybe=maybe)

    def _quoted(self, words: bytes) -> str:
        """The server's words, shortened, on one line, never with the key in them."""
        text = _NOISE.sub("", " ".join(words.decode("utf-8", "replace").split()))
        if self._endpoint.api_key:
            text = text.replace(self._endpoint.api_key, "…")
        text = "".join(char if char.isprintable() else "?" for char in text)
        return text if len(text) <= QUOTED else text[:QUOTED] + "…"

    def _error(
        self, what: str, *, why: str = "", hint: str = "", status: int = 0, maybe: bool = False
    ) -> ClusterError:
        return ClusterError(
            f"{self._endpoint.url}: {what}",
            why=why,
            hint=hint,
            status=status,
            maybe_applied=maybe,
        )


def _after(pieces: Iterable[bytes], skipped: int) -> Iterator[bytes]:
    """The pieces after so many bytes."""
    for piece in pieces:
        rest = piece[skipped:]
        skipped -= len(piece) - len(rest)
        if rest:
            yield rest


def _target(call: Call) -> str:
    """Path and query, as they are sent."""
    _refuse_dots(call.path)
    return call.path + (f"?{urlencode(call.query)}" if call.query else "")


def _refuse_dots(path: str) -> None:
    """The last guard: Qdrant wipes its storage when asked for a collection named `.` or `..`.

    Names are checked where they enter; this holds for whatever way they came.
    """
    for segment in path.split("/")[1:]:
        decoded = unquote(unquote(segment))
        if decoded in (".", ".."):
            raise QdrantctlError(
                f"refused to send a request for {decoded!r}: it would wipe the server's storage",
                hint="Rename the resource.",
            )
    if path.startswith("/collections//") or path == "/collections/":
        raise QdrantctlError("refused to send a request for a collection without a name")
