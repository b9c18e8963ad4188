"""The flow of `plan`: read the three worlds, think, judge the safety rules. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from qdrantctl import __version__
from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.tokens.signer import unsigned
from qdrantctl.engine.planning.inputs import PlanInput
from qdrantctl.engine.planning.planner import plan_changes, unmanaged
from qdrantctl.engine.planning.safety_snapshot import SKIP
from qdrantctl.engine.planning.selection import Selection
from qdrantctl.engine.safety.context import Scene
from qdrantctl.engine.safety.rules import guard, uncertain
from qdrantctl.engine.snapshots.policy_status import finding_violations
from qdrantctl.flows.planning.interrupted_restores import half_restored
from qdrantctl.flows.snapshots.policies.status import check_policies
from qdrantctl.flows.state.checkout_age import older
from qdrantctl.flows.state.committed import with_state
from qdrantctl.flows.state.desired import Desired, desired, widened
from qdrantctl.flows.state.ledger_fallback import recalled, told
from qdrantctl.flows.state.live import Progress, Worlds, detailed, worlds
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.address import Address
from qdrantctl.model.change import Action, Change
from qdrantctl.model.client import NodeDoor
from qdrantctl.model.consent import Consent, matches
from qdrantctl.model.kind import Context
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.server import Server
from qdrantctl.model.step import Call, Step, calls
from qdrantctl.model.violation import Severity, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.model.client import Door


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the command line asks of a plan."""

    selection: Selection = field(default_factory=Selection)
    consents: tuple[Consent, ...] = ()
    """From flags."""
    revert_drift: tuple[str, ...] = ()
    """Addresses or globs whose drift is put back, whatever the environment says."""
    allow_older: tuple[str, ...] = ()
    """Addresses or globs that a checkout may change that does not contain their last apply."""
    max_deletes: int | None = None
    no_snapshot: tuple[str, ...] = ()
    """Addresses or globs whose points are destroyed without a snapshot."""
    fail_on_loosening: bool = False
    fail_on_widening: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and the worlds it was made from."""

    plan: Plan
    worlds: Worlds
    desired: Desired
    settings: Settings
    today: date


def plan(
    settings: Settings, wishes: Wishes, door: NodeDoor, today: date, progress: Progress
) -> Planned:
    """The plan for these settings. Raises ManifestError, ClusterError, UsageError."""
    progress("reading manifests")
    return plan_for(
        with_state(settings, desired(settings)), settings, wishes, door, today, progress
    )


def plan_for(
    wanted: Desired,
    settings: Settings,
    wishes: Wishes,
    door: NodeDoor,
    today: date,
    progress: Progress,
) -> Planned:
    """The plan for manifests that were read before. Raises ClusterError, UsageError."""
    progress(f"asking {door.server.url}")
    found = worlds(door, wanted.inventory, progress, settings.owners)
    found = recalled(settings, door, wanted, found)
    if settings.partial:
        wanted = replace(wanted, inventory=widened(wanted.inventory, found.remembered))
    if any(BY_NAME[address.kind].signed for address in wanted.inventory):
        progress("trying whether tokens can be signed")
        found = replace(found, unsigned=unsigned(settings.endpoint))
    changes, scene = think(settings, wishes, wanted, found, door.server, today)
    if more := uncertain(scene):
        progress("counting points")
        found = detailed(door, found, wanted.inventory, more)
        changes, scene = think(settings, wishes, wanted, found, door.server, today)
    made = Plan(
        qdrantctl_version=__version__,
        project=settings.project,
        environment=settings.environment,
        server=PlannedServer.of(door.server, found.memory.cluster_id),
        manifests_digest=wanted.digest,
        prepare=_prepare(changes, found, door),
        changes=changes,
        violations=(
            *wanted.violations,
            *guard(scene),
            *finding_violations(check_policies(settings, door, found.remembered)),
            *told(settings, found),
            *older(settings, wishes.allow_older, changes, found, wanted.versions),
            *half_restored(settings, changes, found, scene.consents),
            *notes(settings, wishes, scene),
        ),
        unmanaged=unmanaged(_question(settings, wishes, wanted, found, door.server, today)),
    )
    return Planned(made, found, wanted, settings, today)


def think(
    settings: Settings,
    wishes: Wishes,
    wanted: Desired,
    found: Worlds,
    server: Server,
    today: date,
) -> tuple[tuple[Change, ...], Scene]:
    """The changes that these worlds ask for, and what the safety rules look at."""
    question = _question(settings, wishes, wanted, found, server, today)
    changes = plan_changes(question, BY_NAME)
    context = Context(
        server=question.server,
        today=today,
        desired=question.desired,
        live=question.live,
        recorded=question.recorded,
        deleted=frozenset(c.where for c in changes if c.action is Action.DELETE),
        owner=question.owner,
    )
    scene = Scene(
        changes=changes,
        context=context,
        kinds=BY_NAME,
        consents=allows(settings, wishes),
        protected=settings.protected,
        on_drift=_on_drift(settings, wishes),
        no_snapshot=_no_snapshot(settings, wishes),
        nodes=settings.nodes,
        max_deletes=wishes.max_deletes,
        fail_on_loosening=wishes.fail_on_loosening,
        fail_on_widening=wishes.fail_on_widening,
        partial=settings.partial,
    )
    return changes, scene


def _question(
    settings: Settings,
    wishes: Wishes,
    wanted: Desired,
    found: Worlds,
    server: Server,
    today: date,
) -> PlanInput:
    allowed = allows(settings, wishes)
    return PlanInput(
        owner=settings.owner,
        server=replace(server, unsigned=found.unsigned),
        today=today,
        desired=wanted.inventory,
        live=found.live,
        remembered=found.remembered,
        previous_owners=settings.previous_owners,
        partial=settings.partial,
        removed=settings.removed,
        versions=wanted.versions,
        selection=wishes.selection,
        may_delete=lambda address: allowed("delete", address),
        on_drift=_on_drift(settings, wishes),
        no_snapshot=_no_snapshot(settings, wishes),
        nodes=settings.nodes,
    )


def _no_snapshot(settings: Settings, wishes: Wishes) -> Callable[[Address], bool]:
    """Where points go without a way back; nowhere in a protected environment."""
    named = () if settings.protected else wishes.no_snapshot
    return lambda address: any(matches(pattern, str(address)) for pattern in named)


def _on_drift(settings: Settings, wishes: Wishes) -> Callable[[Address], str]:
    """What becomes of drift at an address: what the environment says, unless it was named."""

    def settled(address: Address) -> str:
        named = any(matches(pattern, str(address)) for pattern in wishes.revert_drift)
        return "revert" if named else settings.on_drift

    return settled


def _consents(settings: Settings, wishes: Wishes) -> tuple[Consent, ...]:
    """Flags count only where the environment is not protected."""
    return settings.consents if settings.protected else (*settings.consents, *wishes.consents)


def allows(settings: Settings, wishes: Wishes) -> Callable[[str, Address], bool]:
    """Whether somebody consented to a verb on an address."""
    given = _consents(settings, wishes)
    return lambda verb, address: any(consent.covers(verb, address) for consent in given)


def _prepare(changes: Sequence[Change], found: Worlds, door: Door) -> tuple[Step, ...]:
    """The first creation of the ledger and of the registry of keys, where something needs them."""
    idle = (Action.NOOP, Action.REFUSED)
    made: list[Call] = []
    if not found.memory.exists and any(change.action not in idle for change in changes):
        made.append(ledger.creation(door.server))
    if any(registry.needed(call) for change in changes for call in calls(change.steps)):
        made += registry.missing(door)
    return tuple(Step(call=call) for call in made)


def notes(settings: Settings, wishes: Wishes, scene: Scene) -> Iterator[Violation]:
    """What the settings have to say, and consents that allow nothing in this plan."""
    for note in settings.notes:
        yield Violation(rule="QC220", severity=Severity.NOTE, message=note)
    if settings.protected and wishes.no_snapshot:
        told = f"the environment is protected, so {SKIP} allows nothing in this plan"
        yield Violation(rule="QC221", severity=Severity.NOTE, message=told)
    given = (*settings.consents, *wishes.consents)
    silent = replace(scene, consents=lambda *_: False)
    needed = given and {(v.rule, v.address) for v in guard(silent) if v.severity is Severity.ERROR}
    for consent in given:
        alone = replace(scene, consents=_only(consent))
        left = {(v.rule, v.address) for v in guard(alone) if v.severity is Severity.ERROR}
        if left == needed:
            yield Violation(
                rule="QC221",
                severity=Severity.NOTE,
                message=f"the consent to {consent.verb} {consent.pattern} ({consent.source}) "
                "allows nothing in this plan",
            )


def _only(consent: Consent) -> Callable[[str, Address], bool]:
    return consent.covers
