"""QC216: an incomplete restore must not be treated as the collection."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.engine.safety.context import Problem, SafetyInput
from qdrantctl.model.change import Action
from qdrantctl.model.snapshots.snapshot import restore_command
from qdrantctl.model.violation import Violation


def check_unfinished_restores(inputs: SafetyInput) -> Iterator[Problem]:
    """A problem for each change of a collection whose restore is running or was interrupted."""
    for change in inputs.changes:
        restore = inputs.unfinished_restores.get(change.parsed_address)
        exists = change.parsed_address in inputs.context.live
        idle = change.action in (Action.NOOP, Action.REFUSED)
        if restore is None or idle or not (exists or restore.replaced):
            continue
        name, env = change.parsed_address.name, inputs.environment
        resume = restore.resume_command(name, env) + (
            f" --allow-replace {change.address}" if exists else ""
        )
        restore_previous = (
            restore_command(change.parsed_address, restore.replaced, env) + f" --as {name}"
        )
        consent = f"--allow-replace {change.address}"
        if inputs.protected:
            consent = f"{{replace: {change.address}, until: YYYY-MM-DD}} under consents"
        beginning = f"a restore of {restore.collection}@{restore.snapshot} to it, begun by "
        state = "points may be missing" if exists else "the previous collection is deleted"
        violation = Violation(
            rule="QC216",
            address=change.address,
            message=f"{beginning}{restore.who} at {restore.when}, did not end: {state}",
            hint=f"Wait for it, or run it again: {resume}."
            + (
                f" To restore the previous collection: {restore_previous}."
                if restore.replaced
                else ""
            )
            + f" With {consent} this plan uses the existing collection.",
        )
        yield Problem(violation, allowed_by=("replace", change.parsed_address))
