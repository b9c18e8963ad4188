"""What differs between two states of a point."""

from __future__ import annotations

import re

from qdrantctl.model.points import Point, PointPatch
from qdrantctl.model.replacement import MARK

_PATH_LIKE_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""Payload keys that are a path by themselves."""


def make_patch(before: Point, after: Point) -> PointPatch:
    """What makes `before` equal to `after`. Fields that an application changes meanwhile are kept.

    Servers remove a field that is set to null, and take other keys for paths: then the payload is
    replaced.
    """
    old = {key: value for key, value in before.payload.items() if key != MARK}
    payload = {
        key: value
        for key, value in after.payload.items()
        if key not in old or old[key] != value or type(old[key]) is not type(value)
    }
    dropped = tuple(sorted(old.keys() - after.payload.keys()))
    replaces = None in payload.values() or not all(map(_PATH_LIKE_KEY.fullmatch, dropped))
    return PointPatch(
        key=after.key,
        vectors={
            name: vector
            for name, vector in after.vectors.items()
            if before.vectors.get(name) != vector
        },
        dropped_vectors=tuple(sorted(before.vectors.keys() - after.vectors.keys())),
        payload=after.payload if replaces else payload,
        dropped_keys=() if replaces else dropped,
        replaces_payload=replaces,
        payload_before=old,
    )
