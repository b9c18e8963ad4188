"""What differs between two states of a point."""

from __future__ import annotations

import re

from qdrantctl.model.points import Point, PointChange
from qdrantctl.model.replacement import MARK

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
"""Payload keys that are a path by themselves."""


def find_changes(before: Point, after: Point) -> PointChange:
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
    removed = tuple(sorted(old.keys() - after.payload.keys()))
    replaces = None in payload.values() or not all(map(_PLAIN_KEY.fullmatch, removed))
    return PointChange(
        key=after.key,
        payload=after.payload if replaces else payload,
        removed_keys=() if replaces else removed,
        vectors={
            name: vector
            for name, vector in after.vectors.items()
            if before.vectors.get(name) != vector
        },
        removed_vectors=tuple(sorted(before.vectors.keys() - after.vectors.keys())),
        replaces_payload=replaces,
    )
