"""Read, write and delete the sets of a destination."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from qdrantctl.adapters.stores.store import Store
from qdrantctl.model.field_rule import Json
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.snapshot import SnapshotListing
from qdrantctl.model.snapshots.snapshot_set import (
    BEGUN_FILE,
    MANIFEST_FILE,
    PRUNED_FILE,
    VERIFIED_FILE,
    SetManifest,
    SnapshotSet,
    VerificationResult,
    group_by_folder,
)

Model = TypeVar("Model", bound=BaseModel)
LARGEST_JSON = 1 << 24
"""Maximum size in bytes of a file that is read as JSON."""


def list_sets(store: Store, *prefixes: str) -> list[SnapshotSet]:
    """All sets, or those below these prefixes, the oldest first. Raises QdrantctlError."""
    names = chain.from_iterable(map(store.list_files, prefixes or ("",)))
    sets = [_read_set(store, folder, files) for folder, files in group_by_folder(names).items()]
    return sorted(sets, key=_sort_key)


def _sort_key(snapshot_set: SnapshotSet) -> tuple[str, str]:
    manifest = snapshot_set.any_manifest
    return (manifest.taken.isoformat() if manifest else "", snapshot_set.folder)


def _read_set(store: Store, folder: str, files: Mapping[str, int]) -> SnapshotSet:
    def read(name: str, model: type[Model]) -> Model | None:
        if not 0 < files.get(name, 0) < LARGEST_JSON:
            return None
        try:
            return model.model_validate_json(b"".join(store.read(folder + name)))
        except ValidationError:
            return None

    return SnapshotSet(
        destination=store.url,
        folder=folder,
        files=files,
        manifest=read(MANIFEST_FILE, SetManifest),
        begun_manifest=read(BEGUN_FILE, SetManifest),
        verified=read(VERIFIED_FILE, VerificationResult),
    )


def delete_set(store: Store, snapshot_set: SnapshotSet) -> None:
    """Delete the files of a set. Raises QdrantctlError.

    It is marked first, and its manifest is deleted before its files: after a crash in between no
    reader takes it for complete, and the next deletion continues.
    """
    folder, files = snapshot_set.folder, snapshot_set.files
    if PRUNED_FILE not in files:  # else it may be the only remaining description of the set
        write_json(store, folder + PRUNED_FILE, snapshot_set.any_manifest or {})
    for name in sorted(
        files.keys() - {PRUNED_FILE}, key=lambda name: (name != MANIFEST_FILE, name)
    ):
        store.delete(folder + name)
    store.delete(folder + PRUNED_FILE)


def write_json(store: Store, name: str, document: BaseModel | Mapping[str, Json]) -> None:
    """Write JSON. Raises QdrantctlError."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    store.write(name, [json.dumps(plain, indent=1, ensure_ascii=False).encode()])


def files_of_no_set(
    listings: Iterable[SnapshotListing], sets: Iterable[SnapshotSet]
) -> tuple[SnapshotListing, ...]:
    """The snapshot files on servers that belong to none of these sets."""
    set_files = {
        (manifest.address, file.name)
        for item in sets
        if (manifest := item.any_manifest) and (item.begun_manifest or item.destination == CLUSTER)
        for file in manifest.snapshot.files
    }
    return tuple(item for item in listings if (item.address, item.name) not in set_files)
