"""The flows of the committed state: what lock writes, and what plan and apply take from it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from qdrantctl.adapters.project import committed_state as edge
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.system import git
from qdrantctl.flows.state.desired import DesiredState, load_desired_state
from qdrantctl.model.address import Address
from qdrantctl.model.committed_state import state_path
from qdrantctl.model.errors import StateError, UsageError
from qdrantctl.model.resource import Inventory
from qdrantctl.model.violation import Severity, Violation

_MOST = 20
"""Files that an error names."""


@dataclass(frozen=True, slots=True)
class CommittedState:
    """The committed state of one environment: as it is on disk, and as the manifests ask."""

    folder: Path
    shown: str
    """The folder as output names it."""
    on_disk: Mapping[str, str]
    """Texts by path below the folder."""
    computed: Mapping[str, str]
    versions: Mapping[Address, int]
    at_head: Mapping[str, str]
    """Texts as they are at git's HEAD; none where git cannot tell."""

    @property
    def out_of_date(self) -> Mapping[str, str]:
        """What is wrong with each file that is not current: `changed`, `missing` or `left over`."""
        names = sorted({*self.on_disk, *self.computed})
        return {name: self._file_fault(name) for name in names if self._file_fault(name)}

    def _file_fault(self, name: str) -> str:
        if name not in self.computed:
            return "left over"
        if name not in self.on_disk:
            return "missing"
        return "" if self.on_disk[name] == self.computed[name] else "changed"

    def write(self) -> None:
        """Put the files right. Raises QdrantctlError."""
        texts = {name: self.computed[name] for name in self.out_of_date if name in self.computed}
        edge.write_state(
            self.folder, texts, [n for n in self.out_of_date if n not in self.computed]
        )


def compute_committed_state(settings: Settings, wanted: Inventory) -> CommittedState | None:
    """The state of these settings' environment; None where it has none. Needs no server.

    A version is the one at git's HEAD, plus 1 where what is asked differs from there. Without git
    the file on disk takes HEAD's place.
    """
    folder = settings.state_folder
    if folder is None:
        return None
    found = edge.read_state(folder)
    at_head = _read_head(settings)
    before = found if at_head is None else at_head
    merging = cache(lambda: git.is_merging(settings.root))
    versions, texts = {}, {}
    for address, resource in wanted.items():
        name = state_path(address)
        mark = resource.digest
        versions[address] = _next_version(mark, before.get(name, ""), found.get(name, ""), merging)
        texts[name] = edge.render_state_file(resource, versions[address])
    shown = os.path.relpath(folder, settings.root).replace(os.sep, "/")
    return CommittedState(folder, shown, found, texts, versions, at_head or {})


def committed_files(settings: Settings) -> Mapping[str, str]:
    """The files of the state at git's HEAD; none where these settings have no state, or no git."""
    return (_read_head(settings) or {}) if settings.state_folder else {}


def read_cluster_id(settings: Settings) -> str:
    """The id of the cluster that the state at git's HEAD was applied to; empty where unknown."""
    folder = settings.state_folder
    files = git.read_committed_files(settings.root, folder) if folder else None
    return edge.parse_cluster_file((files or {}).get(edge.CLUSTER_FILE, b""))


def _read_head(settings: Settings) -> Mapping[str, str] | None:
    """The files of the state at HEAD; None where git cannot tell."""
    folder = settings.state_folder
    files = git.read_committed_files(settings.root, folder) if folder else None
    if files is None:
        return None
    return {name: text for name, data in files.items() if (text := edge.decode_state_file(data))}


def read_commit(
    settings: Settings, found: Mapping[str, str], ref: str = git.HEAD
) -> dict[str, str]:
    """The files of the state in a commit; those `found` on disk where git cannot tell."""
    folder = settings.state_folder
    assert folder is not None
    files = git.read_committed_files(settings.root, folder, ref)
    if files is None:
        return dict(found)
    return {name: text for name, data in files.items() if (text := edge.decode_state_file(data))}


def _next_version(digest: str, before: str, here: str, merging: Callable[[], bool]) -> int:
    """The version of what has this digest now: `before` is what was committed, `here` the file."""
    base, mark = edge.read_stamp(before), edge.read_stamp(here)
    version = base.version + (base.digest != digest) if base else 1
    if mark is None:
        return version
    if not mark.digest:
        return max(version, mark.version + 1)  # two branches met, and this follows both
    edited = base is None or base.digest != digest
    if mark.digest == digest and (edited or merging()):
        return max(version, mark.version)  # of a merge that is not committed yet
    return version


def with_locked_versions(settings: Settings, desired_state: DesiredState) -> DesiredState:
    """What is desired with the versions that apply would give it, which begins a state.

    Where a protected environment has state, it is an error when that is not current.
    """
    made = compute_committed_state(settings, desired_state.inventory)
    if made is None:
        return desired_state
    locked = settings.protected and made.on_disk
    more = tuple(_out_of_date_message(settings, made)) if locked else ()
    return replace(
        desired_state,
        versions=made.versions,
        committed=made.at_head,
        violations=(*desired_state.violations, *more),
    )


def check_lock(
    settings: Settings, *, locked: bool | None
) -> tuple[DesiredState, CommittedState | None]:
    """What apply works with, and the committed state that it refreshes once all is applied.

    Where the ledger is gone the state as it was before tells what was applied.

    Locked, a state that is not current is refused. A protected environment that has state is
    always locked. Raises StateError, UsageError, ManifestError.
    """
    desired_state = load_desired_state(settings)
    state = compute_committed_state(settings, desired_state.inventory)
    if state is None:
        if locked:
            raise UsageError(
                "--locked needs committed state", why=f"Of that {settings.no_state_reason}.",
                hint="Leave --locked out.",
            )  # fmt: skip
        return desired_state, None
    always = settings.protected and bool(state.on_disk)
    if always and locked is False:
        raise UsageError(
            f"--no-locked: {settings.owner} is protected and has committed state",
            hint="Leave --no-locked out; `qdrantctl lock` makes the state current.",
        )
    if state.out_of_date and (always or locked):
        raise out_of_date_error(settings, state)
    return replace(desired_state, versions=state.versions, committed=state.at_head), state


def refresh_lock(state: CommittedState, cluster_id: str) -> str:
    """Write the committed state after an apply, and the cluster that has it.

    Returns a line that says so; empty where all was current. Raises QdrantctlError.
    """
    if state.computed:
        edge.write_cluster_file(state.folder, cluster_id)
    stale = len(state.out_of_date)
    if not stale:
        return ""
    state.write()
    files = f"{stale} file{'s' * (stale > 1)}"
    return f"{state.shown}: {files} refreshed; commit it with the manifests."


def out_of_date_error(settings: Settings, made: CommittedState) -> StateError:
    """The error that names what is not current."""
    lines = [f"{made.shown}/{name} is {fault}" for name, fault in made.out_of_date.items()]
    more = f"\n  and {len(lines) - _MOST} more" if len(lines) > _MOST else ""
    return StateError(
        f"the committed state of {settings.owner} is out of date; no changes were made",
        why="\n  ".join(lines[:_MOST]) + more,
        hint=f"Run `qdrantctl lock -e {settings.environment}` and commit what it writes.",
    )


def _out_of_date_message(settings: Settings, made: CommittedState) -> Iterator[Violation]:
    if stale := list(made.out_of_date):
        more = f" and {len(stale) - 1} more" if len(stale) > 1 else ""
        yield Violation(
            rule="QC231",
            severity=Severity.ERROR,
            message=f"the committed state is out of date: {made.shown}/{stale[0]}{more}",
            hint=f"Run `qdrantctl lock -e {settings.environment}` and commit what it writes.",
        )
