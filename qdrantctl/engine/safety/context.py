"""What the safety rules look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qdrantctl.model.address import Address
from qdrantctl.model.change import Change
from qdrantctl.model.kind import Context, Kind


def _revert(_: Address) -> str:
    return "revert"


def _never(_: Address) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rules look at."""

    changes: Sequence[Change]
    context: Context
    kinds: Mapping[str, Kind]
    consents: Callable[[str, Address], bool]
    """Whether somebody consented: verb (delete, replace, adopt, alias) and address."""
    protected: bool = False
    """The environment is protected: consents stand in the project file, and more needs one."""
    on_drift: Callable[[Address], str] = _revert
    """revert, keep or refuse, for each address."""
    no_snapshot: Callable[[Address], bool] = _never
    """Whether somebody goes without a snapshot before points are destroyed."""
    nodes: tuple[str, ...] = ()
    """Each node's own address, where stated."""
    max_deletes: int | None = None
    fail_on_loosening: bool = False
    fail_on_widening: bool = False
    partial: bool = False


def from_state(change: Change, scene: Scene) -> bool:
    """Whether only the committed state says that it is ours, and not the cluster's ledger."""
    ours = scene.context.recorded.get(change.where)
    return ours is not None and ours.from_state
