"""The performers of the phases of a replacement but for the switch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial

from qdrantctl.engine.planning.compare import compare_resource
from qdrantctl.flows.execution.context import ChangeProgress, ExecutionContext, StepFailure
from qdrantctl.flows.replacement.freeze import caps_in_the_way, lift_caps, set_caps
from qdrantctl.flows.replacement.gate import Gate, check_gate, check_points_once
from qdrantctl.flows.replacement.gate_points import GatePoints, choose_equality
from qdrantctl.flows.replacement.identity import find_reference
from qdrantctl.flows.replacement.passes.catch_up import catch_up
from qdrantctl.flows.replacement.passes.context import PassContext
from qdrantctl.flows.replacement.passes.fill import fill_collection
from qdrantctl.flows.replacement.passes.sweep import sweep
from qdrantctl.flows.replacement.replicas import read_while_active
from qdrantctl.flows.replacement.run import ReplacementRun, format_moment
from qdrantctl.flows.replacement.stores import open_passes
from qdrantctl.flows.replacement.switch import thaw_collection
from qdrantctl.flows.state.live import read_collection
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.duration import parse_duration
from qdrantctl.model.polling import poll
from qdrantctl.model.replacement import Phase
from qdrantctl.model.resource import Resource
from qdrantctl.model.step import CatchUp, Fill, Keep, Sweep, Verify

CLOSE_ENOUGH = 0.001
"""Share of the points that may differ when the passes end: the switch carries over the rest."""
FEW = 100
"""Points that may differ in any case."""
MOST_PASSES = 20
QUIET_SWEEPS = 2
EXTERNAL_INTERVAL = 5.0
"""Seconds between two looks whether another program has filled the collection."""
LISTED_CONFLICTS = 1000
"""Ids of conflicts that the record keeps."""


def fill(step: Fill, _: ChangeProgress, __: ExecutionContext, run: ReplacementRun) -> None:
    """Write every point of the source to the target. Raises StepFailure, ClusterError."""
    run.report_phase(Phase.FILL)
    if run.record.phase is Phase.CREATE:
        new = find_reference(run.client, run.record.address, step.target)
        run.save(phase=Phase.FILL, new=new or run.record.new)
    if step.by == "external":
        return
    with open_passes(run, step.source, step.target) as passes:
        fill_collection(passes, run.record.cursors)
    run.ensure_running()


def bring_up_to_date(
    step: CatchUp, _: ChangeProgress, __: ExecutionContext, run: ReplacementRun
) -> None:
    """Compare and repair until almost nothing differs. Raises StepFailure, ClusterError."""
    run.enter_phase(Phase.CATCH_UP)
    if run.terms.fill == "external":
        return
    is_frozen = run.terms.writers == "frozen"
    bound = 0 if is_frozen else max(FEW, int(run.record.expected * CLOSE_ENOUGH))
    differences = [bound + 1]
    with open_passes(run, step.source, step.target) as passes:
        while differences[-1] > bound:
            differences.append(run_pass(run, passes))
            run.ensure_running()
            run.save(passes=(*run.record.passes, differences[-1]))
            if not is_frozen and _has_settled(differences[1:]):
                break
            if len(differences) > MOST_PASSES:
                raise StepFailure(
                    f"{differences[-1]:,} points differ after {MOST_PASSES} passes, and writers: "
                    f"{run.terms.writers} allows {bound:,}"
                )


def run_pass(run: ReplacementRun, passes: PassContext) -> int:
    """The differences that one whole pass finds and repairs; the record keeps how long it took."""
    begun = time.monotonic()
    differences = catch_up(passes)
    run.save(pass_seconds=time.monotonic() - begun)
    return differences


def _has_settled(differences: list[int]) -> bool:
    """Whether another pass would find as many: writers change that much during a pass."""
    return len(differences) > 2 and differences[-1] >= 0.8 * differences[-2]


def verify(
    step: Verify, progress: ChangeProgress, _: ExecutionContext, run: ReplacementRun
) -> None:
    """Check the settings of the target, and pass the gate. Raises StepFailure, ClusterError."""
    run.enter_phase(Phase.GATE)
    if missed := _settings_not_taken(step.target, run):
        progress.missed = missed
        raise StepFailure(f"{step.target} lacks settings: {', '.join(missed)}")
    if run.terms.fill == "external":
        _wait_until_filled(step, run)
    with open_passes(run, step.source, step.target) as passes:
        result = check_gate(_gate_of(step, run, passes))
    run.ensure_running()
    if not result.passed:
        failures = "; ".join(check.line for check in result.failures)
        raise StepFailure(f"the gate is closed, and both collections stay as they are: {failures}")
    progress.note = "; ".join(check.line for check in result.checks)


def _wait_until_filled(step: Verify, run: ReplacementRun) -> None:
    """Wait until another program has filled the target. Raises StepFailure, ClusterError."""
    run.job.report_progress(f"{run.record.address}: waiting until {step.target} is filled")
    with open_passes(run, step.source, step.target) as passes:
        gate = _gate_of(step, run, passes)
        result = poll(
            lambda: check_points_once(gate),
            lambda result: result.passed,
            timeout=run.job.wait_timeout or 0.0,
            interval=EXTERNAL_INTERVAL,
            is_cancelled=run.is_stopped,
        )
    run.ensure_running()
    if not result.passed:
        failures = "; ".join(check.line for check in result.failures)
        raise StepFailure(
            f"waits until another program has filled {step.target} ({failures}); go on with "
            f"qdrantctl replacement resume {run.record.address}, or with the next apply"
        )


def _gate_of(step: Verify, run: ReplacementRun, passes: PassContext) -> Gate:
    settings, spec = run.terms, run.record.entry["spec"]
    repairs = settings.fill != "external" and settings.writers != "dual"
    points = GatePoints(
        passes.open_pair,
        spec,
        choose_equality(settings, is_identity=passes.conversion.is_identity),
        settings.verify.sample,
        passes.shard_keys,
    )
    return Gate(
        job=run.job,
        settings=settings,
        spec=spec,
        old=step.source,
        new=step.target,
        points=points,
        folder=run.settings.root,
        environ=os.environ,
        catch_up=partial(run_pass, run, passes) if repairs else None,
        api_key=run.settings.api_key,
    )


def _settings_not_taken(name: str, run: ReplacementRun) -> tuple[str, ...]:
    """The settings of the manifest that a collection does not have."""
    address, server = run.record.address, run.client.server
    live = read_collection(run.client, address, name)
    if live is None:
        return ("the collection itself",)
    desired = Resource(address, run.record.entry["spec"])
    today = run.client.server_time.date()
    compared = compare_resource(desired, live, None, BY_NAME[address.kind], server, today)
    return tuple(".".join(map(str, field.path)) for field in compared.needed_changes)


def sweep_source(step: Sweep, _: ChangeProgress, __: ExecutionContext, run: ReplacementRun) -> None:
    """Carry over late writes, until two passes find none. Raises StepFailure, ClusterError."""
    run.enter_phase(Phase.SWEEP)
    thaw_collection(run, step.source)  # a run that was killed after the switch has not
    if run.terms.fill == "external":
        return
    quiet = count = 0
    both = (step.source, step.target)
    with (
        _conditional_updates(run, step.target),
        open_passes(run, step.source, step.target) as passes,
    ):
        was_killed = run.record.marked
        run.save(marked=True)
        while quiet < QUIET_SWEEPS:
            result = read_while_active(run.job, both, partial(sweep, passes))
            run.ensure_running()
            quiet = 0 if result.differences else quiet + 1
            count += 1
            if len(result.conflicts) != run.record.conflicts:
                ids = tuple(key.point_id for key in result.conflicts[:LISTED_CONFLICTS])
                run.save(conflicts=len(result.conflicts), conflict_ids=ids)
            if count > MOST_PASSES:
                raise StepFailure(
                    f"{step.source} still changes after {MOST_PASSES} sweeps: a program writes to "
                    "it by its own name"
                )
        if was_killed:  # not before: they tell the sweep which points are half carried over
            _remove_marks(passes)
    run.save(marked=False)


@contextmanager
def _conditional_updates(run: ReplacementRun, target: str) -> Iterator[None]:
    """Lift the caps of the target that refuse conditional updates, until the sweep ends."""
    if run.record.lifted_caps is None and (found := caps_in_the_way(run.client, target)):
        run.save(lifted_caps=found)
    if caps := run.record.lifted_caps:
        lift_caps(run.client, target, caps)
    try:
        yield
    finally:
        if caps:
            set_caps(run.client, target, caps)
            run.save(lifted_caps=None)


def _remove_marks(passes: PassContext) -> None:
    """Remove the marks that a killed sweep has left. Raises ClusterError."""
    for shard_key in passes.shard_keys:
        with closing(passes.open_pair(shard_key)) as pair:
            pair.target.unmark_points()


def keep_source(step: Keep, _: ChangeProgress, __: ExecutionContext, run: ReplacementRun) -> None:
    """Record until when the source is kept. Raises ClusterError."""
    run.report_phase(Phase.KEEP)
    until = run.client.server_time + parse_duration(step.duration)
    run.save(phase=Phase.KEEP, keep_until=format_moment(until), returning=False, error="")
