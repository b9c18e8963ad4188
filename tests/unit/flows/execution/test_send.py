"""What a step waits for: answers as 1.19.0 gives them, since CI has no server that gives them.

`wait_timeout`, 429 of a request that is done, and `acknowledged` without an operation are recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution import schema_writes
from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext, StepFailure
from qdrantctl.flows.execution.send import send_call
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call, wait_query

WAIT = {"wait": "true", "timeout": "20"}
INDEX = Call(
    method="PUT", path="/collections/c/index", query=WAIT,
    body={"field_name": "k", "field_schema": "keyword"},
)  # fmt: skip
VECTOR = Call(
    method="PUT", path="/collections/c/vectors/v", query=WAIT,
    body={"dense": {"size": 2, "distance": "Dot"}},
)  # fmt: skip
POINTS = Call(method="PUT", path="/collections/c/points", query=WAIT, body={"points": []})
SERVER = Server(Version(1, 19, 0), "http://x")
UNDER_WAY = {"operation_id": 9, "status": "wait_timeout"}
DONE = {"operation_id": 9, "status": "completed"}
RATE = "Rate limiting exceeded: Write rate limit exceeded"


def collection(queue: int | None = 0, indexed: int | None = None, names: tuple[str, ...] = ()):
    """GET /collections/c; `indexed` is what its index on k holds, None without one."""
    info = {
        "status": "green",
        "points_count": 10,
        "config": {"params": {"vectors": {n: {"size": 2, "distance": "Dot"} for n in names}}},
        "payload_schema": {} if indexed is None else {
            "k": {"data_type": "keyword", "points": indexed}
        },
    }  # fmt: skip
    return info if queue is None else {**info, "update_queue": {"length": queue}}


@dataclass
class Answers:
    """A client with what one write and the reads after it are answered; the last one stays."""

    write: list[object]
    reads: list[object] = field(default_factory=list)
    server: Server = SERVER
    sent: list[Call] = field(default_factory=list)

    def request(self, call: Call) -> object:
        self.sent.append(call)
        answers = self.write if call.writes else self.reads
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class Shown:
    """The progress that was shown."""

    amounts: list[tuple[str, int, int]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def show_amount(self, task: str, done: int, total: int, _: object) -> None:
        self.amounts.append((task, done, total))

    def end_task(self, task: str) -> None:
        self.ended.append(task)


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> Iterator[None]:
    monkeypatch.setattr(schema_writes, "CONVERGENCE_TIMEOUT", 0.02)
    monkeypatch.setattr(schema_writes, "LOOK_INTERVAL", 0.001)
    yield


def send(client: Answers, call: Call, *, wait: float | None = 5.0) -> tuple[list[str], Shown]:
    said: list[str] = []
    shown = Shown()
    job = JobContext(client, said.append, lambda: False, progress=shown, wait_timeout=wait)
    change = Change(address="collection/c", action=Action.UPDATE, cause=Cause.EDIT)
    send_call(call, ChangeProgress(change), ExecutionContext(job))
    return said, shown


def test_a_timeout_is_sent_to_servers_that_take_one():
    def query(*version: int) -> dict[str, str]:
        return wait_query(Server(Version(*version), "http://x"))

    assert query(1, 16, 3) == {"wait": "true"}
    assert query(1, 17, 0) == query(1, 19, 0) == WAIT


def test_an_index_under_way_is_waited_for_with_progress():
    """Absent at first, then with too few points, then in the queue no more."""
    building = [*[collection(2)] * 9, *[collection(1, 3)] * 9, collection(0, 8)]
    said, shown = send(Answers([UNDER_WAY], building), INDEX)
    assert said == ["collection/c: payload index k: waiting up to 5 s for the server"]
    assert ("collection/c: payload index k", 3, 10) in shown.amounts
    assert shown.ended == ["collection/c: payload index k"]


@pytest.mark.parametrize(("reads", "text"), [
    ([collection(3)], "index after 0.05 s. 3 writes are in its queue. It goes on"),
    ([collection(None)], "had not finished PUT /collections/c/index after 0.05 s. It goes on"),
])  # fmt: skip
def test_a_wait_for_an_index_has_an_end(reads, text):
    with pytest.raises(StepFailure) as failure:
        send(Answers([UNDER_WAY], reads), INDEX, wait=0.05)
    assert text in failure.value.what
    assert "--wait-timeout SECONDS" in failure.value.what


def test_an_index_that_an_empty_queue_does_not_bring_is_not_waited_for():
    client = Answers([UNDER_WAY], [collection(1), collection(0)])
    with pytest.raises(StepFailure, match=r"effect does not show. Its queue"):
        send(client, INDEX, wait=600)


def rate_limited() -> ClusterError:
    return ClusterError("x answered 429", why=RATE, status=429, maybe_applied=True,
                        from_qdrant=True)  # fmt: skip


@pytest.mark.parametrize(("call", "done"), [
    (INDEX, collection(0, 10)),
    (INDEX.model_copy(update={"method": "DELETE", "path": "/collections/c/index/k", "body": None}),
     collection(0)),
])  # fmt: skip
def test_a_rate_limit_is_believed_only_after_a_look(call, done):
    """Seen on 1.19.0: an index may be there although the answer is 429."""
    client = Answers([rate_limited()], [done])
    send(client, call)
    assert [sent.method for sent in client.sent if sent.writes] == [call.method]


def test_a_rate_limit_of_a_vector_name_ends_the_step():
    """Seen on 1.19.0: its settings show, and no shard has it."""
    with pytest.raises(StepFailure, match="429"):
        send(Answers([rate_limited()], [collection(0, names=("v",))]), VECTOR)


def test_a_rate_limit_of_a_proxy_is_no_reason_to_look():
    error = ClusterError("x answered 429", status=429, maybe_applied=True)
    client = Answers([error], [collection(0, names=("v",))])
    with pytest.raises(StepFailure):
        send(client, VECTOR)
    assert len(client.sent) == 1


def test_before_1_17_no_queue_tells_and_the_index_itself_is_waited_for():
    """The connection was cut twice; the index shows once it is built, and as it was requested."""
    cut = ClusterError("no complete answer", maybe_applied=True)
    old = {**collection(None), "payload_schema": {"k": {"data_type": "integer", "points": 1}}}
    built = [*[collection(None)] * 9, old, collection(None, 8)]
    client = Answers([cut], built, Server(Version(1, 16, 3), "http://x"))
    send(client, INDEX)
    assert not client.reads[1:]
    assert [call.method for call in client.sent[:3]] == ["PUT", "PUT", "GET"]


def test_points_under_way_are_sent_again_until_the_answer_covers_them(monkeypatch):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.point_writes.RESEND_INTERVAL", 0.0)
    client = Answers([UNDER_WAY, UNDER_WAY, DONE])
    send(client, POINTS)
    assert client.sent == [POINTS] * 3


def test_points_that_stay_in_the_queue_are_an_error(monkeypatch):
    monkeypatch.setattr("qdrantctl.adapters.qdrant.point_writes.CARRIED_OUT_WITHIN", 0.0)
    with pytest.raises(StepFailure, match=r"not carried out after 0 s.*update_queue.*may have"):
        send(Answers([UNDER_WAY]), POINTS)


def test_an_answer_without_an_operation_is_no_failure():
    """Of a collection with custom sharding that has no shard key yet, since 1.17."""
    client = Answers([{"status": "acknowledged"}])
    send(client, INDEX)
    assert client.sent == [INDEX]


def test_what_the_server_asks_to_repeat_is_repeated(monkeypatch):
    """As a node does that has not heard of a collection yet which another has just created."""
    monkeypatch.setattr("qdrantctl.flows.execution.send.PAUSES", (0.0, 0.0))
    asked = ClusterError(
        "answered 500", why="Failed to apply operation. Please retry.", status=500, from_qdrant=True
    )
    answers = Answers([asked, asked, DONE])
    send(answers, INDEX)
    assert answers.sent == [INDEX] * 3
