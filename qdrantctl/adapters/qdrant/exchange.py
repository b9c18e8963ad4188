"""What a request is on the wire, and what its answer, or the lack of one, comes to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from urllib.parse import unquote, urlencode

from qdrantctl.adapters.qdrant.http import ConnectionFailed, HttpResponse, ResponseLost
from qdrantctl.model.errors import FORBIDDEN, ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call

READ_TRIES = 4
"""How often a read is sent before its failure counts."""
RETRY_PAUSE = 0.2
"""Seconds before the second try; doubled before each further one."""
UNAUTHORIZED, TOO_MANY = 401, 429
QUOTED = 400
"""Characters of the server's own words that an error quotes."""
_NOISE = re.compile(r"(?:, details: \[[^\]]*\])?,? metadata: MetadataMap \{ headers: \{.*?\} \}")
"""What one node's answer to another looked like on the wire; it says nothing of what is wrong."""


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads the answers of one server."""

    url: str
    api_key: str | None = field(repr=False)
    key_hint: str
    """What to do when the server refuses the key."""

    def unanswered(self, error: ConnectionFailed | ResponseLost, call: Call) -> ClusterError:
        """The error of a request that got no whole answer."""
        if isinstance(error, ConnectionFailed):
            return self.error(error.what, why=error.why, hint=error.hint)
        return self.error(
            f"no whole answer to {call.method} {call.path}",
            why=error.why,
            hint="Look at the server's log; what was asked may have been done.",
            # A read that took all its time would take it again.
            maybe=call.writes or not error.slow,
        )

    def result(self, answer: HttpResponse, call: Call) -> Json:
        """What the answer holds. Raises ClusterError for anything but success."""
        if 300 <= answer.status < 400:
            raise self.error(
                f"{call.method} {call.path} was redirected",
                hint="Name the server itself: a key is never sent on to another place.",
                status=answer.status,
            )
        parsed: Json = None
        try:
            parsed = json.loads(answer.body) if answer.body else None
        except (ValueError, RecursionError):
            if answer.status < 300:
                raise self.error(
                    f"the answer to {call.method} {call.path} is not JSON",
                    why=self._quoted(answer.body),
                    hint="Is there a proxy between, or another program on this port?",
                    status=answer.status,
                ) from None
        if answer.status >= 300:
            raise self._refusal(answer, parsed, call)
        return parsed["result"] if isinstance(parsed, dict) and "result" in parsed else parsed

    def _refusal(self, answer: HttpResponse, parsed: Json, call: Call) -> ClusterError:
        """The error that the server answered with, and what to do about it."""
        said = parsed.get("status") if isinstance(parsed, dict) else None
        said = said.get("error") if isinstance(said, dict) else said
        why = self._quoted(said.encode() if isinstance(said, str) else answer.body)
        status, what = answer.status, f"{call.method} {call.path} answered {answer.status}"
        hint = ""
        if status == UNAUTHORIZED:
            given = self.api_key is not None
            what = "the server does not take the API key" if given else "the server wants a key"
            hint = self.key_hint
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
        return self.error(what, why=why, hint=hint, status=status, maybe=maybe)

    def _quoted(self, words: bytes) -> str:
        """The server's words, shortened, on one line, never with the key in them."""
        text = _NOISE.sub("", " ".join(words.decode("utf-8", "replace").split()))
        if self.api_key:
            text = text.replace(self.api_key, "…")
        text = "".join(char if char.isprintable() else "?" for char in text)
        return text if len(text) <= QUOTED else text[:QUOTED] + "…"

    def error(
        self, what: str, *, why: str = "", hint: str = "", status: int = 0, maybe: bool = False
    ) -> ClusterError:
        """An error that begins with the server's URL."""
        return ClusterError(
            f"{self.url}: {what}",
            why=why,
            hint=hint,
            status=status,
            maybe_applied=maybe,
        )


def request_target(call: Call) -> str:
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
