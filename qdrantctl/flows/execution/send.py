"""The performer of `Call`: one request, and what it takes until the server has carried it out."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from qdrantctl.adapters.qdrant.point_writes import is_under_way, write_points, writes_points
from qdrantctl.adapters.qdrant.refusals import GATEWAY_TIMEOUT, TOO_MANY
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext, StepFailure
from qdrantctl.flows.execution.schema_writes import (
    SchemaState,
    schema_timeout,
    wait_for_schema,
    writes_schema,
)
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call

PAUSES = (0.5, 2.0)
"""Seconds before a request without an answer is sent again."""


def send_call(call: Call, _: ChangeProgress, context: ExecutionContext) -> None:
    """Send a request, and wait until the server has carried it out. Raises StepFailure."""
    try:
        carry_out(call, context.job)
    except ClusterError as error:
        message = f"{call.method} {call.path}: {error.line}"
        if error.outcome_unknown:
            message += " It may have taken effect, even later."
        raise StepFailure(message) from None


def carry_out(call: Call, job: JobContext) -> None:
    """Send a request, and wait until the server has carried it out. Raises ClusterError."""
    if writes_schema(call):
        _write_schema(call, job)
    elif writes_points(call):
        write_points(job.client, call)
    else:
        _send_request(call, job)


def _write_schema(call: Call, job: JobContext) -> None:
    """Create or drop an index or a vector name. Raises ClusterError."""
    try:
        if not is_under_way(_send_request(call, job)):
            return
    except ClusterError as error:
        is_unanswered = _is_unanswered(error) or error.status == GATEWAY_TIMEOUT
        is_limited = error.from_qdrant and error.status == TOO_MANY
        # A vector name shows in the settings although no shard may have it then.
        if not (is_unanswered or (is_limited and "/vectors/" not in call.path)):
            raise
        if not wait_for_schema(call, job, is_begun=is_unanswered).is_done:
            raise
        return
    state = wait_for_schema(call, job, is_begun=True)
    if not state.is_done:
        raise _unfinished(call, state, job)


def _unfinished(call: Call, state: SchemaState, job: JobContext) -> ClusterError:
    """The error for a request that the server accepted and that was not seen carried out."""
    if state.queue == 0:
        return ClusterError(
            f"the server accepted {call.method} {call.path}, and its effect does not show",
            why="Its queue of writes is empty",
            hint="Check the server's log, and plan again.",
        )
    ended = f"after {schema_timeout(job):g} s"
    if job.is_cancelled():
        ended = "when apply was interrupted"
    queued = f"{state.queue:,} writes are in its queue" if state.queue else ""
    return ClusterError(
        f"the server had not finished {call.method} {call.path} {ended}",
        why=queued,
        hint="It goes on by itself: plan again, or let --wait-timeout SECONDS wait longer.",
    )


def _send_request(call: Call, job: JobContext) -> Json:
    """Send a request; repeat it if no answer came, or one that asks for it, and it is idempotent.

    An index under construction is not visible: a second request for it is answered once the first
    is complete. If the second request fails too, the first error is raised. Raises ClusterError.
    """
    try:
        return job.client.request(call)
    except ClusterError as error:
        if not _is_repeatable(call) or job.is_cancelled():
            raise
        if _asks_for_repetition(error):
            return _repeat_as_asked(call, job)
        if not _is_unanswered(error):
            raise
        with suppress(ClusterError):
            return job.client.request(call)
        raise


def _repeat_as_asked(call: Call, job: JobContext) -> Json:
    """Repeat a request until the server does not ask for that any more. Raises ClusterError."""
    for pause in PAUSES:
        time.sleep(pause)
        try:
            return job.client.request(call)
        except ClusterError as error:
            if not _asks_for_repetition(error):
                raise
    return job.client.request(call)


def _asks_for_repetition(error: ClusterError) -> bool:
    """Whether a node did not know yet of the collection that another one has just created."""
    return error.server_failed and "Please retry" in error.why


def repeat_unanswered(send: Callable[[], object]) -> None:
    """Send an idempotent request, and again where no answer comes. Raises ClusterError.

    For runs of hours, which one lost connection must not end.
    """
    for pause in PAUSES:
        try:
            send()
        except ClusterError as error:
            if not _is_unanswered(error):
                raise
        else:
            return
        time.sleep(pause)
    send()


def _is_unanswered(error: ClusterError) -> bool:
    return error.outcome_unknown and not error.status


def _is_repeatable(call: Call) -> bool:
    """Whether a request is idempotent, even with changes by other users in between.

    A vector name that another user has created since would be dropped with its data.
    """
    drops_vector = call.method == "DELETE" and "/vectors/" in call.path
    is_schema = writes_schema(call) and not drops_vector
    return call.method == "PATCH" or is_schema or call.path == "/collections/aliases"
