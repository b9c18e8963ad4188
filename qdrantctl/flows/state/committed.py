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
    before: Mapping[str, str]
    """What was committed; without git as it is on disk."""

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
    before = read_commit(settings, found)
    merging = cache(lambda: git.is_merging(settings.root))
    versions, texts = {}, {}
    for address, resource in wanted.items():
        name = state_path(address)
        mark = resource.digest
        versions[address] = _next_version(mark, before.get(name, ""), found.get(name, ""), merging)
        texts[name] = edge.render_state_file(resource, versions[address])
    shown = os.path.relpath(folder, settings.root).replace(os.sep, "/")
    return CommittedState(folder, shown, found, texts, versions, before)


def committed_files(settings: Settings) -> dict[str, str]:
    """What was committed; nothing where these settings have no state."""
    folder = settings.state_folder
    return read_commit(settings, edge.read_state(folder)) if folder else {}


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
        committed=made.before,
        violations=(*desired_state.violations, *more),
    )


def refresh_or_check_lock(settings: Settings, *, locked: bool | None) -> tuple[DesiredState, str]:
    """What apply works with, and what it has to say of the state, which is current afterwards.

    Where the ledger is gone the state as it was before tells what was applied.

    Locked, a state that is not current is refused. A protected environment that has state is
    always locked. Raises StateError, UsageError, ManifestError.
    """
    desired_state = load_desired_state(settings)
    made = compute_committed_state(settings, desired_state.inventory)
    if made is None:
        if locked:
            raise UsageError(
                "--locked needs committed state", why=f"Of that {settings.no_state_reason}.",
                hint="Leave --locked out.",
            )  # fmt: skip
        return desired_state, ""
    always = settings.protected and bool(made.on_disk)
    if always and locked is False:
        raise UsageError(
            f"--no-locked: {settings.owner} is protected and has committed state",
            hint="Leave --no-locked out; `qdrantctl lock` makes the state current.",
        )
    told = ""
    if stale := len(made.out_of_date):
        if always or locked:
            raise out_of_date_error(settings, made)
        made.write()
        files = f"{stale} file{'s' * (stale > 1)}"
        told = f"{made.shown}: {files} refreshed; commit it with the manifests."
    return replace(desired_state, versions=made.versions, committed=made.before), told


def is_state_locked(settings: Settings) -> bool:
    """Whether apply must not write the state: it is reviewed where the environment is protected."""
    folder = settings.state_folder
    return settings.protected and folder is not None and bool(edge.read_state(folder))


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
