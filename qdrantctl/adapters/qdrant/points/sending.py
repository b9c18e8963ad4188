"""Requests about points are sent until they are answered: which failures pass, and for how long."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from qdrantctl.adapters.qdrant.exchange import AnswerReader
from qdrantctl.adapters.qdrant.http import HttpResponse
from qdrantctl.adapters.qdrant.refusals import TOO_LARGE, TOO_MANY
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Call

Sent = TypeVar("Sent")

PATIENCE = 120.0
"""Seconds for which a request is repeated after lost connections and failures of the server: a node
may restart meanwhile."""
RATE_PATIENCE = 900.0
"""Seconds for which it is repeated because of rate limits, whose tokens others use as well."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
_PASSING = frozenset({TOO_MANY, 500, 502, 503, 504})
_SIZE_CAP = re.compile(r"limit (?:exceeded|reached) \(?\d+ > (\d+)", re.IGNORECASE)
"""Qdrant's words for a cap of strict mode on the size of a request, and the cap."""
_SIZE_WORDS = ("larger than rate limiter capacity", "larger than allowed", "length too large")


class RequestFailed(Exception):
    """A request that failed, and what may help."""

    def __init__(
        self,
        error: ClusterError,
        *,
        patience: float = 0.0,
        retry_after: float = 0.0,
        is_lost: bool = False,
        cap: int | None = None,
    ) -> None:
        super().__init__(error.what)
        self.error = error
        self.patience = patience
        """Seconds for which it makes sense to repeat it; 0 if it does not."""
        self.retry_after = retry_after
        """Seconds to wait before."""
        self.is_lost = is_lost
        """Whether the connection failed."""
        self.cap = cap
        """The most entries of a request, 0 if only known to be fewer; None if it was not too
        large."""

    def smaller(self, size: int) -> int | None:
        """How many of `size` entries to send at once instead; None if that cannot help."""
        if self.cap is None or size <= 1:
            return None
        return self.cap if 0 < self.cap < size else size // 2


def judge_refusal(
    answers: AnswerReader, answer: HttpResponse, call: Call, size: int
) -> RequestFailed:
    """What a response without success means for a request with a body of `size` bytes."""
    try:
        answers.result(answer, call, size)
    except ClusterError as refusal:
        error = refusal
    else:
        error = answers.failure(answer, call)
    said = error.why
    if cap := _SIZE_CAP.search(said):
        return RequestFailed(error, cap=int(cap[1]))
    if answer.status == TOO_LARGE or any(words in said for words in _SIZE_WORDS):
        return RequestFailed(error, cap=0)
    patience = RATE_PATIENCE if answer.status == TOO_MANY else PATIENCE
    return RequestFailed(
        error,
        patience=patience if answer.status in _PASSING else 0.0,
        retry_after=answer.retry_after,
    )


def lose_answer(error: ClusterError) -> RequestFailed:
    """The failure of a request without a complete response."""
    return RequestFailed(error, patience=PATIENCE, is_lost=True)


def delay_write(url: str, call: Call) -> RequestFailed:
    """The failure of a write that the server accepted and has not carried out yet.

    The response to the same write, sent again, covers the first: see `point_writes`.
    """
    error = ClusterError(
        f"{url}: {call.method} {call.path} was accepted, and not carried out after {PATIENCE:g} s",
        hint="The server is busy with earlier writes of this collection. Try again later.",
        maybe_applied=True,
    )
    return RequestFailed(error, patience=PATIENCE)


def refuse_size(url: str, call: Call, size: int) -> RequestFailed:
    """The failure of a request that is not sent because it is too large for most servers."""
    error = ClusterError(f"{url}: {call.method} {call.path} would have {size:,} bytes")
    return RequestFailed(error, cap=0)


def as_answer(status: int, words: str, retry_after: float) -> HttpResponse:
    """A refusal of another protocol in the form of a REST response."""
    body = {"status": {"error": words}, "time": 0.0}
    return HttpResponse(status, json.dumps(body).encode(), retry_after)


def send_until_answered(send: Callable[[], Sent], reconnect: Callable[[], None]) -> Sent:
    """The result of `send`, repeated as long as its failures suggest. Raises RequestFailed."""
    started: float | None = None
    pause = FIRST_PAUSE
    while True:
        try:
            return send()
        except RequestFailed as failure:
            now = time.monotonic()
            started = now if started is None else started
            wait = max(failure.retry_after, pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
            if now + wait - started > failure.patience:
                raise
            is_lost = failure.is_lost
        time.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)
        if is_lost:
            reconnect()
