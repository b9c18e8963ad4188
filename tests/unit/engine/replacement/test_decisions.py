"""Every combination of both sides and the record, and what it leads to."""

from __future__ import annotations

import pytest

from qdrantctl.engine.replacement.decisions import (
    NOT_A_COPY,
    UNREAD,
    PointAction,
    decide_after_switch,
    decide_before_switch,
    decide_without_record,
)

A, B, C = b"a" * 8, b"b" * 8, b"c" * 8
NONE, WRITE, DELETE, CONFLICT = PointAction


@pytest.mark.parametrize(
    ("source", "target", "action"),
    [
        (None, None, NONE),
        (None, A, DELETE),
        (A, None, WRITE),
        (A, A, NONE),
        (A, B, WRITE),
    ],
)
@pytest.mark.parametrize("recorded", [None, A + A, B + B])
@pytest.mark.parametrize("is_dual", [True, False])
def test_a_copy_is_compared_with_its_source_alone(source, target, action, recorded, is_dual):
    decided = decide_before_switch(source, target, recorded, is_comparable=True, is_dual=is_dual)
    assert decided is action


@pytest.mark.parametrize(
    ("source", "target", "recorded", "live", "dual"),
    [
        (None, None, A + B, NONE, NONE),
        (None, B, A + B, DELETE, DELETE),
        (A, None, A + B, WRITE, WRITE),
        (A, B, A + B, NONE, NONE),
        (A, B, A + UNREAD, NONE, NONE),
        (A, C, A + B, WRITE, NONE),  # with dual writers the target's is the application's
        (C, B, A + B, WRITE, WRITE),
        (C, B, A + UNREAD, WRITE, WRITE),
        (C, C, A + B, WRITE, NONE),
        (A, B, None, WRITE, NONE),
        (A, A, None, WRITE, NONE),
    ],
)
def test_what_is_converted_is_compared_with_the_record(source, target, recorded, live, dual):
    assert decide_before_switch(source, target, recorded, is_comparable=False) is live
    decided = decide_before_switch(source, target, recorded, is_comparable=False, is_dual=True)
    assert decided is dual


@pytest.mark.parametrize(
    ("source", "target", "recorded", "action"),
    [
        (A, B, A + A, NONE),  # the application changed the new point
        (A, None, A + A, NONE),  # or deleted it
        (B, A, A + A, WRITE),
        (B, B, A + A, NONE),  # both changed, to the same
        (B, C, A + A, CONFLICT),
        (B, None, A + A, CONFLICT),  # not revived
        (None, A, A + A, DELETE),
        (None, None, A + A, NONE),
        (None, C, A + A, CONFLICT),
        (A, None, None, WRITE),
        (A, A, None, NONE),
        (A, B, None, CONFLICT),
        (None, A, None, NONE),  # inserted by an application
        (None, None, None, NONE),
        (B, C, A + NOT_A_COPY, CONFLICT),
        (B, None, A + NOT_A_COPY, CONFLICT),  # deleted after the switch, and never revived
    ],
)
def test_only_changes_of_the_source_are_carried_over_and_only_to_copies(
    source, target, recorded, action
):
    assert decide_after_switch(source, target, recorded, is_comparable=True) is action


def test_converted_points_are_never_equal():
    assert decide_after_switch(B, B, A + A, is_comparable=False) is CONFLICT
    assert decide_after_switch(B, C, A + C, is_comparable=False) is WRITE
    assert decide_after_switch(None, None, A + C, is_comparable=False) is NONE


def test_without_a_record_nothing_is_written():
    assert decide_without_record(A, A, is_comparable=True) is NONE
    assert decide_without_record(A, B, is_comparable=True) is CONFLICT
    assert decide_without_record(A, B, is_comparable=False) is NONE
    assert decide_without_record(A, None, is_comparable=False) is CONFLICT
    assert decide_without_record(None, A, is_comparable=True) is CONFLICT
