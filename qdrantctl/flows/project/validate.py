"""The flow of `validate`: the manifests of one or several environments, judged. No server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.state.desired import load_desired_state
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.violation import Violation


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What is wrong, and how many resources each environment has without an error."""

    violations: tuple[Violation, ...]
    counts: Mapping[str, int]
    valid: bool


def validate_environments(environments: Sequence[Settings]) -> ValidationResult:
    """The manifests of every environment, all errors at once.

    What is wrong in each of them is told once; what is not says where.
    """
    found: dict[Violation, dict[str, Violation]] = {}
    counts: dict[str, int] = {}
    for each in environments:
        try:
            desired_state = load_desired_state(each)
            violations, counts[each.environment] = (
                desired_state.violations,
                len(desired_state.inventory),
            )
        except ManifestError as error:
            violations = error.violations
        for violation in violations:
            same = violation.model_copy(update={"hint": ""})  # which may name the environment
            found.setdefault(same, {}).setdefault(each.environment, violation)
    told = tuple(_merge_violations(by_name, len(environments)) for by_name in found.values())
    return ValidationResult(told, counts, valid=len(counts) == len(environments))


def _merge_violations(found: Mapping[str, Violation], environments: int) -> Violation:
    """What is wrong, by environment, as one."""
    first = next(iter(found.values()))
    if len(found) == environments:
        return first
    return first.model_copy(update={"message": f"in {', '.join(found)}: {first.message}"})
