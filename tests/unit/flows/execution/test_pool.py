"""What runs at once, what waits for what, and when nothing more is started."""

from __future__ import annotations

import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qdrantctl.flows.execution.combining import Combiner, ListSharingClient
from qdrantctl.flows.execution.pool import TaskOrder, run_tasks
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Call


def carry_out(count: int, schedule: TaskOrder, *, stops_at: int | None = None):
    """The tasks in the order of their starts and of their ends, and the most that ran at once."""
    starts, ends, running, most = [], [], set(), [0]

    def start(task):
        if stops_at in ends:
            return "not reached"
        starts.append(task)
        running.add(task)
        most[0] = max(most[0], len(running))
        return lambda: time.sleep(0.001 * ((task * 7) % 3))

    def end(task, result):
        if result != "not reached":
            running.discard(task)
            ends.append(task)

    run_tasks(count, schedule, start, end)
    return starts, ends, most[0]


@st.composite
def schedules(draw):
    count = draw(st.integers(0, 12))
    before = [
        draw(st.frozensets(st.integers(0, task - 1))) if task else () for task in range(count)
    ]
    return count, TaskOrder(before, draw(st.integers(1, 5)))


@given(schedules())
@settings(max_examples=60, deadline=None)
def test_each_task_runs_once_and_after_those_it_waits_for(drawn):
    count, schedule = drawn
    order: list[tuple[str, int]] = []

    def start(task):
        order.append(("start", task))
        return lambda: None

    run_tasks(count, schedule, start, lambda task, _: order.append(("end", task)))
    assert sorted(order) == sorted(
        (word, task) for task in range(count) for word in ("start", "end")
    )
    at = {entry: position for position, entry in enumerate(order)}
    for task, earlier in enumerate(schedule.before):
        assert all(at["end", other] < at["start", task] for other in earlier)
    if schedule.limit == 1:
        assert [task for word, task in order if word == "start"] == list(range(count))


def test_as_many_run_at_once_as_may():
    starts, ends, most = carry_out(20, TaskOrder(limit=4))
    assert (most, sorted(ends)) == (4, list(range(20)))
    assert all(one < other for one, other in pairwise(starts))
    assert carry_out(20, TaskOrder())[2] == 1


def test_a_chain_runs_one_by_one():
    before = [frozenset({task - 1} if task else ()) for task in range(6)]
    assert carry_out(6, TaskOrder(before, 4)) == ([*range(6)], [*range(6)], 1)


def test_what_is_under_way_ends_once_nothing_is_started_any_more():
    starts, ends, _ = carry_out(50, TaskOrder(limit=4), stops_at=3)
    assert 4 <= len(starts) < 50
    assert sorted(starts) == sorted(ends)


def test_an_error_is_raised_once_what_is_under_way_has_ended():
    done = []

    def start(task):
        def work():
            if task == 1:
                raise ZeroDivisionError
            time.sleep(0.05)
            done.append(task)

        return work

    with pytest.raises(ZeroDivisionError):
        run_tasks(9, TaskOrder(limit=3), start, lambda *_: None)
    assert {0, 2} <= set(done)
    assert len(done) < 8


class TestCombiner:
    def test_one_round_takes_all_that_waited(self):
        first, entered = threading.Event(), threading.Event()
        rounds: list[list[int]] = []

        def carry_out(items):
            rounds.append(sorted(items))
            entered.set()
            first.wait(5)
            return sum(items)

        combiner = Combiner(carry_out)
        results: dict[int, int] = {}

        def ask(number):
            results[number] = combiner.submit(number)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
        threads[0].start()
        entered.wait(5)
        for thread in threads[1:]:
            thread.start()
        while len(combiner._next.items) < 5:
            time.sleep(0.001)
        first.set()
        for thread in threads:
            thread.join(5)
        assert rounds == [[0], [1, 2, 3, 4, 5]]
        assert results == {0: 0, **dict.fromkeys(range(1, 6), 15)}

    def test_what_fails_fails_for_each_of_them_and_not_for_later_ones(self):
        fails = [ClusterError("full"), None]

        def carry_out(items):
            if error := fails.pop(0):
                raise error
            return len(items)

        combiner = Combiner(carry_out)
        with pytest.raises(ClusterError, match="full") as caught:
            combiner.submit(1)
        caught.value.hint = "changed by one thread"
        assert combiner.submit(2) == 1

    def test_lists_are_shared_and_nothing_else(self):
        asked = []

        class Client:
            server = "server"

            def request(self, call):
                asked.append(call.path)
                time.sleep(0.05)
                return len(asked)

        client = ListSharingClient(Client())
        calls = [Call(method="GET", path=path) for path in ["/aliases", "/collections/a"] * 4]
        threads = [threading.Thread(target=client.request, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert asked.count("/collections/a") == 4
        assert asked.count("/aliases") <= 2
