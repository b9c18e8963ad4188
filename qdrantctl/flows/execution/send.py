"""The performer of `Call`: one request, repeated without an answer if it is idempotent."""

from __future__ import annotations

from contextlib import suppress

from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext, StepFailure
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Call


def send_call(call: Call, _: ChangeProgress, context: ExecutionContext) -> None:
    """Send a request. Raises StepFailure."""
    try:
        _send_request(call, context)
    except ClusterError as error:
        message = f"{call.method} {call.path}: {error.line}"
        if error.outcome_unknown:
            message += " It may have taken effect, even later."
        index_may_appear = _is_unanswered(error) and _is_index(call)
        raise StepFailure(message, index_may_appear=index_may_appear) from None


def _send_request(call: Call, context: ExecutionContext) -> None:
    """Send a request; repeat it if no answer came and the request is idempotent.

    An index under construction is not visible: a second request for it is answered once the first
    is complete. If the second request fails too, the first error is raised. Raises ClusterError.
    """
    try:
        context.client.request(call)
    except ClusterError as error:
        if not (_is_unanswered(error) and _is_repeatable(call)) or context.is_cancelled():
            raise
        with suppress(ClusterError):
            context.client.request(call)
            return
        raise


def _is_unanswered(error: ClusterError) -> bool:
    return error.outcome_unknown and not error.status


def _is_repeatable(call: Call) -> bool:
    """Whether a request is idempotent, even with changes by other users in between."""
    return call.method == "PATCH" or _is_index(call) or call.path == "/collections/aliases"


def _is_index(call: Call) -> bool:
    return "/index" in call.path
