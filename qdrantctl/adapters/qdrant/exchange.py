"""Requests as HTTP targets, and responses, or their absence, as results or errors."""

from __future__ import annotations

import json
import re
from dataclasses import field
from urllib.parse import unquote, urlencode

from qdrantctl.adapters.qdrant.http import ConnectionFailed, HttpResponse, ResponseLost
from qdrantctl.adapters.qdrant.jwt_tokens import decode_token
from qdrantctl.adapters.qdrant.refusals import (
    RefusedRequest,
    explain_refusal,
    is_html,
    is_qdrants_answer,
    readable_words,
    token_end,
)
from qdrantctl.adapters.qdrant.response_forms import has_form
from qdrantctl.model.address import is_path_segment
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.secret_spelling import hide_secret
from qdrantctl.model.step import Call

READ_TRIES = 4
"""How often a read is sent before it fails."""
RETRY_PAUSE = 0.2
"""Seconds before the second try; doubled before each further one."""
MAX_QUOTED = 400
"""Characters of the server's message that an error quotes."""
_NOISE = re.compile(r"(?:, details: \[[^\]]*\])?,? metadata: MetadataMap \{ headers: \{.*?\} \}")
"""Headers of the response of one node to another; they do not explain the error."""


@frozen
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

    def result(self, answer: HttpResponse, call: Call, size: int = 0) -> Json:
        """The result in a response to a request with a body of `size` bytes.

        Raises ClusterError for any status but success, and for a body that is not Qdrant's.
        """
        if 300 <= answer.status < 400:
            raise self.error(
                f"{call.method} {call.path} was redirected",
                hint="Use the URL of the server itself: a key is never sent to a redirect target.",
                status=answer.status,
            )
        try:
            parsed: Json = json.loads(answer.body) if answer.body else None
        except (ValueError, RecursionError):
            parsed = None
        if answer.status >= 300:
            raise self._refusal(answer, parsed, call, size)
        if answer.status < 200 or not has_form(parsed, call):
            raise self._foreign_answer(answer, parsed, call)
        return parsed["result"] if isinstance(parsed, dict) and "result" in parsed else parsed

    def failure(self, answer: HttpResponse, call: Call) -> ClusterError:
        """The error for a response with an unexpected status. Its body may have any form."""
        try:
            self.result(answer, call)
        except ClusterError as error:
            return error
        return self._foreign_answer(answer, None, call)

    def _foreign_answer(self, answer: HttpResponse, parsed: Json, call: Call) -> ClusterError:
        """The error for a response with a status of success that Qdrant does not send."""
        lacks = "has not the form that Qdrant gives it"
        if parsed is None:
            lacks = "is an HTML page" if is_html(answer.body) else "is not JSON"
        return self.error(
            f"the answer to {call.method} {call.path} {lacks}",
            why=self._quoted(answer.body),
            hint="Is there a proxy in between, or another program on this port?",
            status=answer.status,
            maybe=call.writes,
        )

    def _refusal(
        self, answer: HttpResponse, parsed: Json, call: Call, size: int = 0
    ) -> ClusterError:
        """The error that the server returned, with a hint."""
        message = parsed.get("status") if isinstance(parsed, dict) else None
        message = message.get("error") if isinstance(message, dict) else message
        why = self._quoted(message.encode() if isinstance(message, str) else answer.body)
        claims = decode_token(self.api_key) if self.api_key else None
        from_qdrant = is_qdrants_answer(answer.body, parsed, call)
        request = RefusedRequest(
            call=call,
            size=size,
            status=answer.status,
            words=why,
            from_qdrant=from_qdrant,
            is_html=is_html(answer.body),
            is_foreign=not from_qdrant and (parsed is not None or is_html(answer.body)),
            retry_after=answer.retry_after,
            has_key=self.api_key is not None,
            key_hint=self.key_hint,
            is_token=claims is not None,
            expires=token_end(claims),
        )
        refusal = explain_refusal(request)
        return self.error(
            refusal.what,
            why=why,
            hint=refusal.hint,
            status=answer.status,
            maybe=refusal.maybe_applied,
            from_qdrant=from_qdrant,
        )

    def _quoted(self, message: bytes) -> str:
        """The server's message, shortened, on one line, without the API key in any spelling."""
        text = " ".join(readable_words(message).decode("utf-8", "replace").split())
        text = hide_secret(_NOISE.sub("", text), self.api_key, "…")
        text = "".join(char if char.isprintable() else "?" for char in text)
        return text if len(text) <= MAX_QUOTED else text[:MAX_QUOTED] + "…"

    def error(
        self,
        what: str,
        *,
        why: str = "",
        hint: str = "",
        status: int = 0,
        maybe: bool = False,
        from_qdrant: bool = False,
    ) -> ClusterError:
        """An error that begins with the server's URL."""
        return ClusterError(
            f"{self.url}: {what}",
            why=why,
            hint=hint,
            status=status,
            maybe_applied=maybe,
            from_qdrant=from_qdrant,
        )


def request_target(call: Call) -> str:
    """Path and query of a request."""
    _refuse_dots(call.path)
    return call.path + (f"?{urlencode(call.query)}" if call.query else "")


def _refuse_dots(path: str) -> None:
    """The last guard against names of dots alone: they are checked on input, and here again."""
    for segment in path.split("/")[1:]:
        decoded = unquote(unquote(segment))
        if is_path_segment(decoded):
            raise QdrantctlError(
                f"refused to send a request for {decoded!r}: it is a path segment, not a name",
                hint="Rename the resource.",
            )
    if path.startswith("/collections//") or path == "/collections/":
        raise QdrantctlError("refused to send a request for a collection without a name")
