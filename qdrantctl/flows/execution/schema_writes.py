"""Wait for payload indexes and vector names that were requested, by looking at the collection.

A response does not establish that one is finished: a server (since 1.17) answers `wait_timeout` and
goes on, a connection may end first, and a rate limit is reported for an index that a node has taken
nevertheless.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution.read_back import CONVERGENCE_TIMEOUT
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.kinds.collection.payload_indexes import canonical_payload_index
from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.polling import poll
from qdrantctl.model.step import Call, collection_path

SCHEMA_TIMEOUT = 600.0
"""Seconds to wait, unless another time is given, for an index or a vector name."""
LOOK_INTERVAL = 0.2


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What a collection shows of a request for an index or a vector name."""

    is_visible: bool
    """Whether the collection has, or has not any more, what was requested."""
    queue: int | None
    """Writes that the server has accepted and not carried out; None before 1.17."""
    indexed: int
    """Points that the index holds so far."""
    points: int

    @property
    def is_done(self) -> bool:
        """Whether the request has been carried out. A part of an unfinished index is visible."""
        return self.is_visible and not self.queue

    @property
    def is_final(self) -> bool:
        """Whether the server works on nothing more, as far as it tells."""
        return self.is_visible if self.queue is None else not self.queue


def writes_schema(call: Call) -> bool:
    """Whether a request creates or drops a payload index or a vector name."""
    parts = call.path.split("/")
    return call.writes and parts[1] == "collections" and parts[3:4] in (["index"], ["vectors"])


def schema_timeout(job: JobContext) -> float:
    """Seconds to wait for an index or a vector name."""
    return SCHEMA_TIMEOUT if job.wait_timeout is None else job.wait_timeout


def wait_for_schema(call: Call, job: JobContext, *, is_begun: bool) -> SchemaState:
    """Wait until a request has been carried out, or cannot be any more; returns the last state.

    `is_begun` states whether the server may be working on it. It matters before 1.17, where an
    index under construction cannot be told from none. Raises ClusterError.
    """
    look = partial(_read_schema, call, job)
    state = _await_visible(look)
    if state.is_done or not (is_begun if state.queue is None else state.queue):
        return state
    task = _name_task(call)
    job.report_progress(f"{task}: waiting up to {schema_timeout(job):g} s for the server")
    try:
        state = poll(
            lambda: _show_state(look(), task, job),
            lambda state: state.is_final,
            timeout=schema_timeout(job),
            interval=LOOK_INTERVAL,
            is_cancelled=job.is_cancelled,
        )
    finally:
        job.progress.end_task(task)
    return _await_visible(look) if state.queue == 0 else state


def _await_visible(look: Callable[[], SchemaState]) -> SchemaState:
    """Another node may answer, and know of it a moment later."""
    return poll(look, lambda state: state.is_done, timeout=CONVERGENCE_TIMEOUT)


def _show_state(state: SchemaState, task: str, job: JobContext) -> SchemaState:
    job.progress.show_amount(task, min(state.indexed, state.points), state.points, "points")
    return state


def _name_task(call: Call) -> str:
    """The collection, and what is created or dropped there."""
    _, _, collection, part, *name = (unquote(word) for word in call.path.split("/"))
    kind = "payload index" if part == "index" else "vector"
    verb = "dropping " if call.method == "DELETE" else ""
    field = name[0] if name else call.body["field_name"]
    return f"collection/{collection}: {verb}{kind} {field}"


def _read_schema(call: Call, job: JobContext) -> SchemaState:
    _, _, collection, part, *name = (unquote(word) for word in call.path.split("/"))
    info = job.client.request(Call(method="GET", path=collection_path(collection)))
    queue = (info.get("update_queue") or {}).get("length")
    if part == "vectors":
        spec = parse_live_spec(info["config"])
        exists = any(name[0] in spec.get(field, {}) for field in ("vectors", "sparse_vectors"))
        is_visible, indexed = exists is (call.method == "PUT"), 0
    else:
        index = info["payload_schema"].get(name[0] if name else call.body["field_name"])
        is_visible = index is None if call.method == "DELETE" else _has_form(index, call, queue)
        indexed = (index or {}).get("points") or 0
    return SchemaState(is_visible, queue, indexed, info.get("points_count") or 0)


def _has_form(index: Mapping[str, Any] | None, call: Call, queue: int | None) -> bool:
    """Whether the index exists. If the server reports no queue, it must also be as requested.

    Before 1.17 only the form of an index shows whether the server has rebuilt it.
    """
    if index is None or queue is not None:
        return index is not None
    stated = call.body["field_schema"]
    requested = canonical_payload_index({"type": stated} if isinstance(stated, str) else stated)
    reported = canonical_payload_index(index.get("params") or {"type": index["data_type"]})
    return all(reported.get(key, ABSENT) == value for key, value in requested.items())
