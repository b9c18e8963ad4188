"""The performer of `Call`: one request, repeated without an answer if it is idempotent."""

from __future__ import annotations

from contextlib import suppress

from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext, StepFailure
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call

_STILL_WORKING = "wait_timeout"
"""The status with which a server (since 1.18) answers a request before it is carried out."""


def send_call(call: Call, progress: ChangeProgress, context: ExecutionContext) -> None:
    """Send a request. Raises StepFailure."""
    try:
        result = _send_request(call, context)
    except ClusterError as error:
        message = f"{call.method} {call.path}: {error.line}"
        if error.outcome_unknown:
            message += " It may have taken effect, even later."
        progress.awaits_index |= _is_unanswered(error) and _is_index(call)
        raise StepFailure(message) from None
    is_working = isinstance(result, dict) and result.get("status") == _STILL_WORKING
    progress.awaits_index |= is_working and _is_index(call)


def _send_request(call: Call, context: ExecutionContext) -> Json:
    """Send a request; repeat it if no answer came and the request is idempotent.

    An index under construction is not visible: a second request for it is answered once the first
    is complete. If the second request fails too, the first error is raised. Raises ClusterError.
    """
    try:
        return context.client.request(call)
    except ClusterError as error:
        if not (_is_unanswered(error) and _is_repeatable(call)) or context.is_cancelled():
            raise
        with suppress(ClusterError):
            return context.client.request(call)
        raise


def _is_unanswered(error: ClusterError) -> bool:
    return error.outcome_unknown and not error.status


def _is_repeatable(call: Call) -> bool:
    """Whether a request is idempotent, even with changes by other users in between."""
    return call.method == "PATCH" or _is_index(call) or call.path == "/collections/aliases"


def _is_index(call: Call) -> bool:
    return "/index" in call.path
