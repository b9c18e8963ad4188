"""What is not as a policy says, and what retention makes of the sets of a destination."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qdrantctl.engine.snapshots.policy_status import finding_violations, policy_covers
from qdrantctl.engine.snapshots.retention import NEWEST, TOO_NEW, expired_sets, with_retention
from qdrantctl.model.snapshots.schedule import Schedule
from qdrantctl.model.snapshots.snapshot_set import VerificationResult
from qdrantctl.model.violation import Severity
from tests.support.snapshot_sets import DAY, DUE, FOLDER, NOW, UTC, policy_status, set_info

TAKEN = set_info(0.1, scheduled=DUE)
WEEKLY = {"verify": {"every": "7d"}}


def verified(age: float) -> VerificationResult:
    return VerificationResult(when=NOW - age * DAY, good=True, server="1.16.3")


def words(status) -> list[str]:
    return [finding.word for finding in status.findings(NOW)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(policy_status([TAKEN]), [], id="as it should be"),
        pytest.param(policy_status([]), ["overdue"], id="nothing taken"),
        pytest.param(policy_status([set_info(2)]), ["overdue"], id="taken for another time"),
        pytest.param(policy_status([set_info(0.1, "unfinished", scheduled=DUE)]),
                     ["overdue", "incomplete"], id="begun"),
        pytest.param(policy_status({FOLDER: "denied"}), ["unseen"], id="cannot be read"),
        pytest.param(policy_status([set_info(3), set_info(2), TAKEN]), ["superfluous"], id="old"),
        pytest.param(policy_status([set_info(2, "leaving"), TAKEN]), ["superfluous"], id="leaving"),
        pytest.param(policy_status([set_info(1, "bad"), TAKEN]), ["incomplete"], id="bad"),
        pytest.param(policy_status([set_info(0.6), TAKEN], **WEEKLY), [], id="first day"),
        pytest.param(policy_status([set_info(1.1), TAKEN], **WEEKLY), ["unverified"], id="never"),
        pytest.param(policy_status([set_info(9, verified=verified(6)), TAKEN], **WEEKLY), [],
                     id="verified"),
        pytest.param(policy_status([set_info(9, verified=verified(8)), TAKEN], **WEEKLY),
                     ["unverified"], id="verified long ago"),
        pytest.param(replace(policy_status([TAKEN]), restoring=("a",)), ["restoring"],
                     id="restoring"),
        pytest.param(replace(policy_status([set_info(3)]), collections=()), [], id="gone"),
        pytest.param(replace(policy_status([]), restored={"products": DUE + 0.1 * DAY}), [],
                     id="restored since it was due"),
        pytest.param(replace(policy_status([]), restored={"products": DUE - DAY}), ["overdue"],
                     id="restored before it was due"),
    ],
)  # fmt: skip
def test_what_is_not_as_a_policy_says(status, expected):
    assert words(status) == expected


def test_of_each_kind_the_first_stands_for_all():
    status = policy_status({FOLDER: [], "s3://backups": [], "s3://more": "denied."})
    [overdue, unseen] = finding_violations(status.findings(NOW))
    assert overdue.message.endswith("UTC, and 1 more like that")
    assert (overdue.severity, unseen.severity) == (Severity.WARNING, Severity.NOTE)
    assert (unseen.message, unseen.address) == ("denied", "snapshot_policy/nightly")


def kept(*sets, **retention: int) -> list[tuple[str, ...]]:
    rules = retention or {"keep_last": 1}
    return [each.kept_by for each in with_retention(sets, rules, UTC, NOW)]


def test_each_collection_is_counted_by_itself():
    other = set_info(3, collection="orders", folder="orders/1/")
    assert kept(set_info(2), set_info(1), other) == [(), ("keep_last",), ("keep_last",)]


def test_what_is_ahead_of_the_clock_counts_for_nothing_and_stays():
    assert kept(set_info(1), set_info(-2)) == [(TOO_NEW,), ("keep_last",)]
    assert kept(set_info(1), set_info(-0.5)) == [(), ("keep_last",)]


def test_only_the_newest_unfinished_set_is_waited_for():
    first, second = set_info(2, "unfinished"), set_info(1, "unfinished")
    sets = with_retention([first, second], {"keep_last": 1}, UTC, NOW)
    assert [each.kept_by for each in sets] == [(), (NEWEST,)]
    assert [each.folder for each in expired_sets(sets)] == [first.folder]


def test_states_that_nothing_removes_by_itself():
    states = ("complete", "unfinished", "bad", "leaving", "orphan")
    removed = [each.state for each in expired_sets(set_info(1, state) for state in states)]
    assert removed == ["complete", "unfinished", "leaving"]


def test_unfinished_sets_stay_while_a_destination_cannot_be_read():
    old = set_info(2, "unfinished")
    status = policy_status({FOLDER: [old, TAKEN], "s3://backups": "denied"})
    assert status.expired_sets(status.destinations[0]) == []
    status = policy_status([old, TAKEN])
    assert [each.folder for each in status.expired_sets(status.destinations[0])] == [old.folder]


def test_which_sets_are_removed_when_they_are_named():
    status = policy_status([])
    assert not status.needs_explicit_name(set_info(1))
    for state in ("orphan", "unfinished", "bad"):
        assert status.needs_explicit_name(set_info(1, state))
    assert status.needs_explicit_name(set_info(1, kept_by=(TOO_NEW,)))
    assert status.needs_explicit_name(set_info(1, collection="gone"))


def test_collections_that_a_policy_covers():
    spec = {"collections": ["prod*", "*"]}
    names = ("products", "x", "_qdrantctl", "qdrantctl-verify-1")
    assert [policy_covers(spec, name) for name in names] == [True, True, False, False]
    assert not policy_covers({"collections": ["prod*"]}, "x")


def test_a_schedule_without_a_time_is_never_due():
    assert Schedule(None, None, UTC).due_time([], NOW) is None
