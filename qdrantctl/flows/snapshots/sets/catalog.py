"""The sets of a destination: read, counted by the policy's retention, written and removed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from itertools import chain
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from qdrantctl.adapters.stores.store import Store
from qdrantctl.engine.snapshots.retention import kept
from qdrantctl.kinds.cron_schedule import AHEAD, zone
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.snapshot_set import (
    BEGUN,
    PRUNED,
    SIDECAR,
    VERIFIED,
    Set,
    Sidecar,
    Verified,
    grouped,
)

Model = TypeVar("Model", bound=BaseModel)
TOO_NEW = "ahead of the clock"
"""Why a set stays that a clock dated which was wrong, or is."""
NEWEST = "newest"
"""Why a set stays that is still to be finished."""
LARGEST = 1 << 24
"""Bytes that a file may have which is read as JSON."""


def found(store: Store, *prefixes: str) -> list[Set]:
    """Every set below these prefixes, or at all, the oldest first. Raises StoreError."""
    names = chain.from_iterable(map(store.names, prefixes or ("",)))
    sets = [_set(store, folder, files) for folder, files in grouped(names).items()]
    return sorted(sets, key=lambda each: (each.about.taken.isoformat() if each.about else "",
                                          each.folder))  # fmt: skip


def _set(store: Store, folder: str, files: Mapping[str, int]) -> Set:
    def read(name: str, model: type[Model]) -> Model | None:
        if not 0 < files.get(name, 0) < LARGEST:
            return None
        try:
            return model.model_validate_json(b"".join(store.read(folder + name)))
        except ValidationError:
            return None

    return Set(
        destination=store.url,
        folder=folder,
        files=files,
        sidecar=read(SIDECAR, Sidecar),
        begun=read(BEGUN, Sidecar),
        verified=read(VERIFIED, Verified),
    )


def counted(sets: Iterable[Set], policy: Mapping[str, Json], now: datetime) -> list[Set]:
    """The same sets with the rules that keep them, of each collection by itself.

    Those from ahead of the clock are counted by no rule and come before the oldest. They stay: it
    may be today's clock that is wrong.
    """
    groups: dict[str, list[Set]] = {}
    for each in sets:
        groups.setdefault(each.about.snapshot.collection if each.about else "", []).append(each)
    done: list[Set] = []
    for group in groups.values():
        ahead = {s.folder for s in group if s.about and s.about.taken > now + AHEAD}
        group.sort(key=lambda each: each.folder not in ahead)
        whole = {s.folder: s.sidecar.taken for s in group if s.sidecar and s.state == "complete"}
        times = {folder: taken for folder, taken in whole.items() if folder not in ahead}
        proven = {s.folder for s in group if s.verified and s.verified.good}
        filled = {s.folder for s in group if s.sidecar and s.sidecar.snapshot.points}
        why = kept(times, policy["retention"], zone(policy["timezone"]), now, proven, filled)
        why |= dict.fromkeys(ahead & whole.keys(), (TOO_NEW,))
        newest = [each for each in group if each.state in ("complete", "unfinished")][-1:]
        # What could not be finished gives way to what was begun after it.
        why |= {each.folder: (NEWEST,) for each in newest if each.state == "unfinished"}
        done += [replace(each, kept=why.get(each.folder, ())) for each in group]
    return done


def superfluous(sets: Iterable[Set]) -> list[Set]:
    """What retention no longer keeps, what gave way to a newer one, and what is leaving already."""
    return [
        each
        for each in sets
        if each.state == "leaving" or (each.state in ("complete", "unfinished") and not each.kept)
    ]


def remove(store: Store, each: Set) -> None:
    """Remove a set. Raises StoreError.

    It is marked first and its sidecar goes before its files: killed in between it is not whole
    for anybody, and the next one goes on.
    """
    if PRUNED not in each.files:  # else it may be all that is left to say what was here
        put(store, each.folder + PRUNED, each.about or {})
    for name in sorted(each.files.keys() - {PRUNED}, key=lambda name: (name != SIDECAR, name)):
        store.delete(each.folder + name)
    store.delete(each.folder + PRUNED)


def put(store: Store, name: str, document: BaseModel | Mapping[str, Json]) -> None:
    """Write JSON. Raises StoreError."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    store.write(name, [json.dumps(plain, indent=1, ensure_ascii=False).encode()])
