"""The committed state of an environment: computed from the manifests, read, checked and written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

from qdrantctl.adapters.project import committed_state as state_files
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.system import git
from qdrantctl.flows.state.desired import DesiredState, load_desired_state
from qdrantctl.model.address import Address
from qdrantctl.model.committed_state import state_path
from qdrantctl.model.errors import StateError, UsageError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.violation import Severity, Violation

_MAX_FILES = 20
"""Files listed in an error; more are counted."""


@frozen
class CommittedState:
    """The committed state of one environment: on disk, and as computed from the manifests."""

    folder: Path
    shown: str
    """The folder as output names it."""
    on_disk: Mapping[str, str]
    """Texts by path below the folder."""
    desired: Inventory
    versions: Mapping[Address, int]
    at_head: Mapping[str, str]
    """Texts as they are at git's HEAD; none where git cannot tell."""

    @cached_property
    def computed(self) -> Mapping[str, str]:
        """The texts of the desired state. They are written out only if one is needed."""
        return {
            state_path(address): state_files.render_state_file(resource, self.versions[address])
            for address, resource in self.desired.items()
        }

    @property
    def out_of_date(self) -> Mapping[str, str]:
        """The fault of each file that is out of date: `changed`, `missing` or `left over`."""
        names = sorted({*self.on_disk, *self.computed})
        return {name: self._file_fault(name) for name in names if self._file_fault(name)}

    def _file_fault(self, name: str) -> str:
        if name not in self.computed:
            return "left over"
        if name not in self.on_disk:
            return "missing"
        return "" if self.on_disk[name] == self.computed[name] else "changed"

    def write(self) -> None:
        """Write files that are out of date and delete orphaned ones. Raises QdrantctlError."""
        texts = {name: self.computed[name] for name in self.out_of_date if name in self.computed}
        state_files.write_state(
            self.folder, texts, [n for n in self.out_of_date if n not in self.computed]
        )


def compute_committed_state(settings: Settings, desired: Inventory) -> CommittedState | None:
    """The state of these settings' environment; None if it has none. Needs no server.

    A resource's version is the one at git's HEAD, plus 1 if the resource differs from HEAD.
    Without git the file on disk takes HEAD's place.
    """
    folder = settings.state_folder
    if folder is None:
        return None
    on_disk = state_files.read_state(folder)
    at_head = _read_head(settings)
    before = on_disk if at_head is None else at_head
    merging = cache(lambda: git.is_merging(settings.root))
    versions = {}
    for address, resource in desired.items():
        name = state_path(address)
        versions[address] = _next_version(
            resource, before.get(name, ""), on_disk.get(name, ""), merging
        )
    shown = os.path.relpath(folder, settings.root).replace(os.sep, "/")
    return CommittedState(folder, shown, on_disk, desired, versions, at_head or {})


def committed_files(settings: Settings) -> Mapping[str, str]:
    """The files of the state at git's HEAD; none where these settings have no state, or no git."""
    return (_read_head(settings) or {}) if settings.state_folder else {}


def read_cluster_id(settings: Settings) -> str:
    """The id of the cluster that the state at git's HEAD was applied to; empty where unknown."""
    folder = settings.state_folder
    files = git.read_committed_files(settings.root, folder) if folder else None
    return state_files.parse_cluster_file((files or {}).get(state_files.CLUSTER_FILE, b""))


def _read_head(settings: Settings) -> Mapping[str, str] | None:
    """The files of the state at HEAD; None where git cannot tell."""
    folder = settings.state_folder
    files = git.read_committed_files(settings.root, folder) if folder else None
    if files is None:
        return None
    return {
        name: text for name, data in files.items() if (text := state_files.decode_state_file(data))
    }


def read_commit(
    settings: Settings, on_disk: Mapping[str, str], ref: str = git.HEAD
) -> dict[str, str]:
    """The state files in a commit, by path; those `on_disk` if git cannot read the commit."""
    folder = settings.state_folder
    assert folder is not None
    files = git.read_committed_files(settings.root, folder, ref)
    if files is None:
        return dict(on_disk)
    return {
        name: text for name, data in files.items() if (text := state_files.decode_state_file(data))
    }


def _next_version(
    resource: Resource, committed_text: str, current_text: str, merging: Callable[[], bool]
) -> int:
    """The version of a resource, from its committed and its current file."""
    if not committed_text and not current_text:
        return 1  # it needs no digest to compare
    digest = resource.digest
    base, stamp = state_files.read_stamp(committed_text), state_files.read_stamp(current_text)
    version = base.version + (base.digest != digest) if base else 1
    if stamp is None:
        return version
    if not stamp.digest:
        return max(version, stamp.version + 1)  # a merge of two branches: newer than both
    edited = base is None or base.digest != digest
    if stamp.digest == digest and (edited or merging()):
        return max(version, stamp.version)  # from a merge that is not committed yet
    return version


def with_locked_versions(settings: Settings, desired_state: DesiredState) -> DesiredState:
    """The desired state with the versions that apply would write to the committed state.

    If a protected environment has committed state that is out of date, a violation is added.
    """
    state = compute_committed_state(settings, desired_state.inventory)
    if state is None:
        return desired_state
    locked = settings.protected and state.on_disk
    errors = tuple(_out_of_date_message(settings, state)) if locked else ()
    return replace(
        desired_state,
        versions=state.versions,
        committed=state.at_head,
        violations=(*desired_state.violations, *errors),
    )


def check_lock(
    settings: Settings, *, locked: bool | None
) -> tuple[DesiredState, CommittedState | None]:
    """The desired state for apply, and the committed state to refresh once all is applied.

    The result keeps the files from before the refresh: they replace a lost ledger.

    If `locked`, committed state that is out of date is rejected. A protected environment that has
    state is always locked. Raises StateError, UsageError, ManifestError.
    """
    desired_state = load_desired_state(settings)
    state = compute_committed_state(settings, desired_state.inventory)
    if state is None:
        if locked:
            raise UsageError(
                "--locked needs committed state", why=f"There is none: {settings.no_state_reason}.",
                hint="Omit --locked.",
            )  # fmt: skip
        return desired_state, None
    is_locked = settings.protected and bool(state.on_disk)
    if is_locked and locked is False:
        raise UsageError(
            f"--no-locked: {settings.owner} is protected and has committed state",
            hint="Omit --no-locked; `qdrantctl lock` updates the committed state.",
        )
    if state.out_of_date and (is_locked or locked):
        raise out_of_date_error(settings, state)
    return replace(desired_state, versions=state.versions, committed=state.at_head), state


def refresh_lock(state: CommittedState, cluster_id: str) -> str:
    """Write the committed state after an apply, and the cluster that has it.

    Returns a line that says so; empty where all was current. Raises QdrantctlError.
    """
    stale = len(state.out_of_date)
    if stale:
        state.write()
    state_files.write_cluster_file(state.folder, cluster_id if state.computed else "")
    files = f"{stale} file{'s' * (stale > 1)}"
    return f"{state.shown}: {files} refreshed; commit it with the manifests." if stale else ""


def out_of_date_error(settings: Settings, state: CommittedState) -> StateError:
    """The error that lists the files that are out of date."""
    lines = [f"{state.shown}/{name} is {fault}" for name, fault in state.out_of_date.items()]
    more = f"\n  and {len(lines) - _MAX_FILES} more" if len(lines) > _MAX_FILES else ""
    return StateError(
        f"the committed state of {settings.owner} is out of date; no changes were made",
        why="\n  ".join(lines[:_MAX_FILES]) + more,
        hint=f"Run `qdrantctl lock -e {settings.environment}` and commit what it writes.",
    )


def _out_of_date_message(settings: Settings, state: CommittedState) -> Iterator[Violation]:
    if stale := list(state.out_of_date):
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        yield Violation(
            rule="QC231",
            severity=Severity.ERROR,
            message=f"the committed state is out of date: {state.shown}/{stale[0]}{more}",
            hint=f"Run `qdrantctl lock -e {settings.environment}` and commit what it writes.",
        )
