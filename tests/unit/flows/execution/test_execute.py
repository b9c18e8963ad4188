"""The loop that carries plans out, with performers that only write down what they are given."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.execution.context import Bookkeeping, ExecutionContext, StepFailure
from qdrantctl.flows.execution.execute import execute_plan
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.report import Outcome, OutcomeStatus
from qdrantctl.model.step import Call, Snapshot, Step

SNAPSHOT = Step(snapshot=Snapshot(collection="a"))


def call(path: str) -> Step:
    return Step(call=Call(method="PUT", path=path))


def change(name: str, *steps: Step, action: Action = Action.UPDATE) -> Change:
    return Change(address=f"collection/{name}", action=action, cause=Cause.EDIT, steps=steps)


def plan(*changes: Change) -> Plan:
    server = PlannedServer(version="1.18.0", url="http://x", distributed=False, cluster_id="c")
    return Plan(
        qdrantctl_version="0",
        project="shop",
        environment="dev",
        server=server,
        manifests_digest="",
        changes=changes,
    )


@dataclass
class Execution:
    """One execution: `events` is what was done, in order. `raises` and `cancels` are events."""

    raises: dict[str, Exception] = field(default_factory=dict)
    cancels: str = ""
    missed: tuple[str, ...] = ()
    events: list[str] = field(default_factory=list)
    told: list[Outcome] = field(default_factory=list)

    def note(self, event: str) -> None:
        self.events.append(event)
        if event in self.raises:
            raise self.raises[event]

    def is_cancelled(self) -> bool:
        return self.cancels in self.events

    def take(self, _step, progress, _context):
        self.note("snapshot")
        progress.restore_point = "S1"

    def verify(self, progress, failure):
        self.note(f"verify {progress.change.parsed_address.name}")
        progress.missed = self.missed
        assert failure is None or isinstance(failure, StepFailure)

    def run(self, *changes: Change, **more):
        def named(word):
            return lambda progress: self.note(f"{word} {progress.change.parsed_address.name}")

        books = Bookkeeping(
            check=named("check"),
            begin=named("begin"),
            verify=self.verify,
            finish=named("finish"),
            **more,
        )
        performers = {Call: lambda step, *_: self.note(step.path), Snapshot: self.take}
        job = JobContext(None, lambda _: None, self.is_cancelled)
        context = ExecutionContext(job, on_outcome=self.told.append)
        return execute_plan(plan(*changes), context, performers, books)


def statuses(report) -> list[str]:
    return [str(outcome.status) for outcome in report.outcomes]


def test_what_only_secures_comes_before_the_ledger_says_pending():
    it = Execution()
    [done] = it.run(change("a", SNAPSHOT, call("/1"), call("/2"))).outcomes
    assert it.events == [
        "check a", "snapshot", "begin a", "/1", "/2", "verify a", "finish a",
    ]  # fmt: skip
    assert (done.status, done.way_back) == (
        OutcomeStatus.DONE,
        "qdrantctl snapshots restore collection/a@S1 -e dev",
    )


def test_without_steps_it_is_only_read_back_and_recorded():
    it = Execution()
    report = it.run(change("a", action=Action.ADOPT), change("b", action=Action.NOOP))
    assert it.events == ["verify a", "finish a"]
    assert statuses(report) == ["done", "noop"]
    assert [outcome.address for outcome in it.told] == ["collection/a"]


def test_only_snapshots_leave_nothing_pending():
    it = Execution()
    assert statuses(it.run(change("a", SNAPSHOT))) == ["done"]
    assert "begin a" not in it.events


def test_the_first_failure_ends_it():
    it = Execution({"/1": StepFailure("PUT /1: no")})
    changes = [change(n, call(f"/{i}"), call("/x")) for i, n in enumerate("abc")]
    report = it.run(*changes)
    assert statuses(report) == ["done", "failed", "not_reached"]
    assert it.events[6:] == ["check b", "begin b", "/1", "verify b"]
    assert report.outcomes[1].error == "PUT /1: no"
    assert [str(outcome.status) for outcome in it.told] == ["done", "failed", "not_reached"]
    assert not report.interrupted


def test_others_go_on_where_the_command_says_so():
    it = Execution({"/1": StepFailure("no")})
    going_on = {"can_start": lambda _, __, context: not context.is_cancelled()}
    report = it.run(change("a", call("/1")), change("b", call("/2")), **going_on)
    assert statuses(report) == ["failed", "done"]


def test_what_the_server_ignored_is_not_recorded():
    it = Execution(missed=("m (asked 1, shows 2)",))
    report = it.run(change("a", call("/1")), change("b", call("/2")))
    assert statuses(report) == ["not_taken", "not_reached"]
    assert report.outcomes[0].missed == it.missed
    assert "finish a" not in it.events


@pytest.mark.parametrize("event", ["check a", "snapshot", "begin a"])
def test_what_fails_before_anything_is_destroyed_says_so(event):
    it = Execution({event: ClusterError("the disk is full", hint="Look.")})
    [failed] = it.run(change("a", SNAPSHOT, call("/1"))).outcomes
    assert it.events[-1] == event
    assert failed.error == "the disk is full. Look. Nothing of collection/a was destroyed."
    assert (failed.status, failed.way_back) == (OutcomeStatus.FAILED, "")


def test_what_fails_after_that_does_not():
    it = Execution({"/1": QdrantctlError("cut off")})
    [failed] = it.run(change("a", SNAPSHOT, call("/1"))).outcomes
    assert it.events[-1] == "/1"  # nothing to read back that would tell more
    assert failed.error == "cut off."
    assert failed.way_back


@pytest.mark.parametrize("event", ["verify a", "finish a"])
def test_what_cannot_be_read_back_or_recorded_is_a_failure(event):
    it = Execution({event: ClusterError("no answer")})
    report = it.run(change("a", call("/1")), change("b", call("/2")))
    assert statuses(report) == ["failed", "not_reached"]


def test_an_answer_of_an_unknown_shape_keeps_the_report():
    it = Execution({"/1": KeyError("peers")})
    report = it.run(change("a", call("/1")), change("b", call("/2")))
    assert statuses(report) == ["failed", "not_reached"]
    assert "This is a bug in qdrantctl" in report.outcomes[0].error


@pytest.mark.parametrize(
    ("cancels", "error", "first"),
    [
        ("/1", "interrupted after 1 of 2 steps", "failed"),
        ("/2", "", "done"),
    ],
)
def test_cancelled_between_two_steps(cancels, error, first):
    it = Execution(cancels=cancels)
    report = it.run(change("a", call("/1"), call("/2")), change("b", call("/3")))
    assert statuses(report) == [first, "not_reached"]
    assert report.outcomes[0].error == error
    assert "verify a" in it.events
    assert report.interrupted


def test_cancelled_after_the_snapshot_destroys_nothing_and_remembers_it():
    it = Execution(cancels="snapshot")
    report = it.run(change("a", SNAPSHOT, call("/1")))
    assert it.events == ["check a", "snapshot", "begin a", "verify a"]
    assert report.outcomes[0].error == "interrupted after 1 of 2 steps"


def test_errors_that_a_performer_collects_end_nothing():
    it = Execution()

    def collect(step, progress, _):
        it.note("tried")
        progress.errors.append("no room")

    it.take = collect
    [failed] = it.run(change("a", SNAPSHOT, call("/1"))).outcomes
    assert it.events == ["check a", "tried", "begin a", "/1", "verify a"]
    assert (failed.status, failed.error) == (OutcomeStatus.FAILED, "no room")
