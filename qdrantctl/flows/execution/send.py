"""The performer of `Call`: one request, sent again where no answer came and twice is as once."""

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
        what = f"{call.method} {call.path}: {error.line}"
        if error.outcome_unknown:
            what += " It may have taken effect, even later."
        index_may_appear = _is_unanswered(error) and _is_index(call)
        raise StepFailure(what, index_may_appear=index_may_appear) from None


def _send_request(call: Call, context: ExecutionContext) -> None:
    """Send a request; where no answer came and twice is the same as once, again.

    Whether the server builds an index is not to be seen before it is there: a second request for
    it is answered once the first is done. Where that fails, too, the first failure is told. Raises
    ClusterError.
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
    """Whether sending it twice comes to the same as once, whatever others did in between."""
    return call.method == "PATCH" or _is_index(call) or call.path == "/collections/aliases"


def _is_index(call: Call) -> bool:
    return "/index" in call.path
