"""Read, write and delete the sets of a destination."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, ValidationError

from qdrantctl.adapters.stores.store import Store
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.errors import StoreError, UnreadableFileError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.snapshots.destination import CLUSTER
from qdrantctl.model.snapshots.forms import read_json_object
from qdrantctl.model.snapshots.signature import NOT_SIGNED, SigningKeys
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


@frozen
class Destination:
    """Where sets are put, and with what their JSON is signed."""

    store: Store
    signing: SigningKeys = NOT_SIGNED

    @property
    def url(self) -> str:
        """How it is called."""
        return self.store.url


def list_sets(
    destination: Destination, prefix: str = "", *, recorded: Iterable[str] = ()
) -> list[SnapshotSet]:
    """All sets, or those below a prefix, the oldest first. Raises QdrantctlError.

    `recorded` are folders that the ledger lists.
    """
    return read_sets(destination, list_folders(destination, prefix, recorded=recorded))


def list_folders(
    destination: Destination, prefix: str, *, recorded: Iterable[str]
) -> dict[str, dict[str, int]]:
    """The files of each folder below a prefix, with their sizes. Raises QdrantctlError.

    If a folder cannot be listed, those of the `recorded` ones that are below it are listed
    directly.
    """
    folders = group_by_folder(destination.store.list_files(prefix))
    unlisted = tuple(folder for folder, files in folders.items() if "" in files)
    for folder in [name for name in recorded if unlisted and name.startswith(unlisted)]:
        try:
            files = group_by_folder(destination.store.list_files(folder)).get(folder)
        except StoreError:
            files = {"": 0}
        if files and folder not in folders:
            folders[folder] = files
    return folders


def read_sets(
    destination: Destination, folders: Mapping[str, Mapping[str, int]]
) -> list[SnapshotSet]:
    """The sets in these folders, the oldest first; sizes by the names of their files.

    What cannot be understood or believed is one of them, with the reason. Raises QdrantctlError.
    """
    sets = [_SetReader(destination, folder, files).read() for folder, files in folders.items()]
    return sorted(sets, key=_sort_key)


def _sort_key(snapshot_set: SnapshotSet) -> tuple[str, str]:
    manifest = snapshot_set.any_manifest
    return (manifest.taken.isoformat() if manifest else "", snapshot_set.folder)


@dataclass(slots=True)
class _SetReader:
    """Reads the JSON of one folder, and takes nothing of it that does not fit the folder."""

    destination: Destination
    folder: str
    files: Mapping[str, int]
    problem: str = ""

    def read(self) -> SnapshotSet:
        """The set."""
        if "" in self.files:
            self.problem = "it cannot be listed: access is denied, or a name there is not a path"
        manifests = {
            name: self._read_manifest(name) for name in (MANIFEST_FILE, BEGUN_FILE, PRUNED_FILE)
        }
        known = next(filter(None, manifests.values()), None)
        verified: VerificationResult | None = None
        with suppress(ValueError):  # as if it had never been verified
            if known:
                verified = self._read_file(VERIFIED_FILE, VerificationResult, known.folder)
        return SnapshotSet(
            destination=self.destination.url,
            folder=self.folder,
            files=self.files,
            manifest=manifests[MANIFEST_FILE],
            begun_manifest=manifests[BEGUN_FILE],
            pruned_manifest=manifests[PRUNED_FILE],
            verified=verified,
            problem=self.problem,
        )

    def _read_manifest(self, name: str) -> SetManifest | None:
        """A manifest; None where there is none, or one that is not believed."""
        try:
            manifest = self._read_file(name, SetManifest)
            if manifest and not self._is_place_of(manifest):
                raise ValueError(f"{name} is of {manifest.folder}, and does not stand there")
            if manifest and manifest.snapshot.manifest:  # a restore writes it to the ledger
                COLLECTION.spec.model_validate(manifest.snapshot.manifest)
        except ValidationError as error:
            self.problem = self.problem or (
                f"{name} cannot be understood: snapshot.manifest.{_first_error(error)}"
            )
            return None
        except ValueError as error:
            self.problem = self.problem or str(error)
            return None
        return manifest

    def _is_place_of(self, manifest: SetManifest) -> bool:
        """Whether this is the folder of a set; so is one that was named as a destination itself."""
        path = unquote(self.destination.url.partition("://")[2])
        return not self.folder or f"/{path}/{self.folder}".endswith(f"/{manifest.folder}")

    def _read_file(self, name: str, model: type[Model], folder: str = "") -> Model | None:
        """A file of the set at `folder`, as the file itself says if that is empty.

        None where it does not exist. Raises ValueError where it cannot be understood or believed.
        """
        if name not in self.files:
            return None
        if not 0 < self.files[name] < LARGEST_JSON:
            raise ValueError(f"{name} cannot be understood: it has {self.files[name]:,} bytes")
        try:
            content = b"".join(self.destination.store.read(self.folder + name))
        except UnreadableFileError as error:
            raise ValueError(error.line) from None
        try:
            document = read_json_object(content)
            result = model.model_validate(document)
        except ValidationError as error:
            raise ValueError(f"{name} cannot be understood: {_first_error(error)}") from None
        except ValueError as error:
            raise ValueError(f"{name} cannot be understood: {error}") from None
        folder = folder or (result.folder if isinstance(result, SetManifest) else "")
        if reason := self.destination.signing.signature_problem(document, folder, name):
            raise ValueError(reason)
        return result


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(word)[:40] for word in first["loc"][:3])
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def delete_set(destination: Destination, snapshot_set: SnapshotSet) -> None:
    """Delete the files of a set. Raises QdrantctlError.

    It is marked first, and its manifest is deleted before its files: after a crash in between no
    reader takes it for complete, and the next deletion continues.
    """
    folder, files, store = snapshot_set.folder, snapshot_set.files, destination.store
    if PRUNED_FILE not in files:  # else it may be the only remaining description of the set
        write_json(destination, folder, PRUNED_FILE, snapshot_set.any_manifest or {})
    for name in sorted(
        files.keys() - {PRUNED_FILE, ""}, key=lambda name: (name != MANIFEST_FILE, name)
    ):
        store.delete(folder + name)
    store.delete(folder + PRUNED_FILE)


def write_json(
    destination: Destination, folder: str, name: str, document: BaseModel | Mapping[str, Json]
) -> None:
    """Write a file of a set as JSON, signed where the project wants it. Raises QdrantctlError."""
    plain = document.model_dump(mode="json") if isinstance(document, BaseModel) else document
    signed = destination.signing.sign(plain, folder, name)
    content = json.dumps(signed, indent=1, ensure_ascii=False).encode()
    destination.store.write(folder + name, [content])


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
