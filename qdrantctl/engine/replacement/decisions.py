"""What to do with a point, from its digests on both sides and at the end of the pass before.

`source` and `target` are digests, None if the point does not exist. `recorded` is what the last
pass wrote down: the digest of the source, then that of the target, or None if it knows no such
point.
"""

from __future__ import annotations

from enum import StrEnum

from qdrantctl.model.points import Digest

DIGEST_BYTES = 8
UNREAD: Digest = b"\x00" * DIGEST_BYTES
"""Recorded of a target's point that was written and not read since: only before the switch."""
NOT_A_COPY: Digest = b"\xff" * DIGEST_BYTES
"""Recorded of a target's point that is not the copy: an application changed or deleted it."""


class PointAction(StrEnum):
    """What a difference between two sides leads to."""

    NONE = "none"
    WRITE = "write"
    DELETE = "delete"
    CONFLICT = "conflict"
    """Both sides changed: the new side stays as it is, and the id is listed."""


def decide_before_switch(
    source: Digest | None,
    target: Digest | None,
    recorded: bytes | None,
    *,
    is_comparable: bool,
    is_dual: bool = False,
) -> PointAction:
    """The action in the target while no application reads it.

    `is_comparable`: equal points have equal digests on both sides. `is_dual`: applications write
    both sides, so a target that is not as recorded is newer.
    """
    if source is None:
        return PointAction.NONE if target is None else PointAction.DELETE
    if target is None:
        return PointAction.WRITE
    if is_comparable:
        return PointAction.NONE if source == target else PointAction.WRITE
    if recorded is None:
        return PointAction.NONE if is_dual else PointAction.WRITE
    is_copy = recorded[DIGEST_BYTES:] in (target, UNREAD)
    if recorded[:DIGEST_BYTES] == source:
        return PointAction.NONE if is_copy or is_dual else PointAction.WRITE
    return PointAction.WRITE if is_copy or not is_dual else PointAction.NONE


def decide_after_switch(
    source: Digest | None,
    target: Digest | None,
    recorded: bytes | None,
    *,
    is_comparable: bool,
) -> PointAction:
    """The action in the target that applications use, so that nothing of theirs is lost.

    Only what changed in the source since it was recorded is carried over, and only to a point that
    is still the copy.
    """
    is_equal = source == target and (is_comparable or source is None)
    if is_equal or (recorded is not None and source == recorded[:DIGEST_BYTES]):
        return PointAction.NONE
    if recorded is None:
        if source is None:
            return PointAction.NONE
        return PointAction.WRITE if target is None else PointAction.CONFLICT
    if target is None or target != recorded[DIGEST_BYTES:]:
        return PointAction.CONFLICT
    return PointAction.DELETE if source is None else PointAction.WRITE


def decide_without_record(
    source: Digest | None, target: Digest | None, *, is_comparable: bool
) -> PointAction:
    """The action after the switch if what the last pass wrote down is lost: none ever writes.

    Points on both sides that cannot be compared count as equal.
    """
    if source is None or target is None:
        return PointAction.NONE if source == target else PointAction.CONFLICT
    return PointAction.CONFLICT if is_comparable and source != target else PointAction.NONE
