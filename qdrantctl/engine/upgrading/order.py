"""Which versions to install on the way, and what is not served meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.upgrading.inputs import UpgradeInput
from qdrantctl.model.upgrade import Topic, UpgradeFinding, UpgradeSubject
from qdrantctl.model.violation import Severity


def upgrade_steps(inputs: UpgradeInput) -> tuple[str, ...]:
    """The versions to install one after the other, the target last; none if it is installed.

    The newest patch of each minor version; without one that is known, the minor itself.
    """
    current, target = inputs.current.version, inputs.target.version
    if current >= target:
        return ()
    steps: list[str] = []
    for minor in range(current.minor, target.minor):
        newest = inputs.table.newest_patches.get((target.major, minor))
        if newest is None and minor > current.minor:
            steps.append(f"{target.major}.{minor}")
        elif newest is not None and newest > current:
            steps.append(str(newest))
    return (*steps, str(target))


def check_order(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    """Skipped minor versions, differing nodes, what a restart interrupts, and the way back."""
    yield from _check_nodes(inputs)
    steps = upgrade_steps(inputs)
    if not steps:
        return
    current, target = inputs.current.version, inputs.target.version
    if len(steps) > 1:
        skips = target.minor - current.minor > 1
        yield UpgradeFinding(
            topic=Topic.ORDER,
            severity=Severity.WARNING if skips else Severity.NOTE,
            message=(
                f"{current} to {target} skips minor versions, which Qdrant does not support"
                if skips
                else f"{current} is not the newest patch of its minor version"
            ),
            hint="Upgrade every node to the newest patch of each minor version before the next "
            f"one: {', then '.join(steps)}.",
        )
    if inputs.current.url:
        yield from _check_restarts(inputs)
    yield UpgradeFinding(
        topic=Topic.NO_WAY_BACK,
        severity=Severity.NOTE,
        message=f"once {target} has started, no older server is sure to read the storage: one that "
        "does not know a setting in it does not start, with every collection",
        hint="Take snapshots before each step, and keep them until you are sure.",
    )


def _check_nodes(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    current = inputs.current
    if current.is_mixed:
        yield UpgradeFinding(
            topic=Topic.ORDER,
            severity=Severity.WARNING,
            message=f"the nodes run Qdrant {current.version} to {current.newest_version}",
            hint="Finish that upgrade first. A setting that only newer nodes know is lost on "
            "the others.",
        )


def _check_restarts(inputs: UpgradeInput) -> Iterator[UpgradeFinding]:
    if inputs.current.peers == 1:
        yield UpgradeFinding(
            topic=Topic.ORDER,
            severity=Severity.NOTE,
            message="the server has one node, so nothing is served while it restarts",
        )
        return
    single = tuple(
        UpgradeSubject(address=str(address))
        for address, resource in inputs.live.items()
        if inputs.kinds[address.kind].holds_data and resource.spec.get("replication_factor", 1) == 1
    )
    if single:
        yield UpgradeFinding(
            topic=Topic.ORDER,
            severity=Severity.WARNING,
            subjects=single,
            message="a part of the collection is not served while its node restarts: it has one "
            "replica",
            hint="With two replicas on different nodes, restart one node after the other.",
        )
