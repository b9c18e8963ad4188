"""Requests as HTTP targets, and responses, or their absence, as results or errors."""

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
"""How often a read is sent before it fails."""
RETRY_PAUSE = 0.2
"""Seconds before the second try; doubled before each further one."""
UNAUTHORIZED, TOO_MANY = 401, 429
MAX_QUOTED = 400
"""Characters of the server's message that an error quotes."""
_NOISE = re.compile(r"(?:, details: \[[^\]]*\])?,? metadata: MetadataMap \{ headers: \{.*?\} \}")
"""Headers of the response of one node to another; they do not explain the error."""


@dataclass(frozen=True, slots=True)
class AnswerReader:
    """Reads the responses of one server."""

    url: str
    api_key: str | None = field(repr=False)
    key_hint: str
    """The hint if the server rejects the key."""

    def unanswered(self, error: ConnectionFailed | ResponseLost, call: Call) -> ClusterError:
        """The error of a request without a complete response."""
        if isinstance(error, ConnectionFailed):
            return self.error(error.what, why=error.why, hint=error.hint)
        return self.error(
            f"no complete answer to {call.method} {call.path}",
            why=error.why,
            hint="Check the server's log; the request may have been applied.",
            # A read that timed out would time out again.
            maybe=call.writes or not error.slow,
        )

    def result(self, answer: HttpResponse, call: Call) -> Json:
        """The result in a response. Raises ClusterError for any status but success."""
        if 300 <= answer.status < 400:
            raise self.error(
                f"{call.method} {call.path} was redirected",
                hint="Use the URL of the server itself: a key is never sent to a redirect target.",
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
                    hint="Is there a proxy in between, or another program on this port?",
                    status=answer.status,
                ) from None
        if answer.status >= 300:
            raise self._refusal(answer, parsed, call)
        return parsed["result"] if isinstance(parsed, dict) and "result" in parsed else parsed

    def _refusal(self, answer: HttpResponse, parsed: Json, call: Call) -> ClusterError:
        """The error that the server returned, with a hint."""
        message = parsed.get("status") if isinstance(parsed, dict) else None
        message = message.get("error") if isinstance(message, dict) else message
        why = self._quoted(message.encode() if isinstance(message, str) else answer.body)
        status, what = answer.status, f"{call.method} {call.path} answered {answer.status}"
        hint = ""
        if status == UNAUTHORIZED:
            has_key = self.api_key is not None
            what = "the server rejects the API key" if has_key else "the server requires an API key"
            hint = self.key_hint
        elif status == FORBIDDEN:
            hint = (
                "The key is read-only."
                if call.writes
                else "The key has access to a part of the cluster only; use a cluster-wide one."
            )
        elif status == TOO_MANY:
            hint = "A rate limit is exhausted; try again in a minute."
        elif status >= 500:
            hint = "Check the server's log, and whether every node is up."
        maybe = call.writes and (status == TOO_MANY or status >= 500)
        return self.error(what, why=why, hint=hint, status=status, maybe=maybe)

    def _quoted(self, message: bytes) -> str:
        """The server's message, shortened, on one line, without the API key."""
        text = _NOISE.sub("", " ".join(message.decode("utf-8", "replace").split()))
        if self.api_key:
            text = text.replace(self.api_key, "…")
        text = "".join(char if char.isprintable() else "?" for char in text)
        return text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"

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
    """Path and query of a request."""
    _refuse_dots(call.path)
    return call.path + (f"?{urlencode(call.query)}" if call.query else "")


def _refuse_dots(path: str) -> None:
    """The last guard: a request for a collection named `.` or `..` wipes Qdrant's storage.

    Names are checked on input; this check covers every request.
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
