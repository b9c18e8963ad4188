"""The flow of `validate`: check the manifests of one or several environments. No server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.state.desired import deprecation_notes, load_desired_state
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.frozen import frozen
from qdrantctl.model.violation import Violation


@frozen
class ValidationResult:
    """The violations, and the number of resources of each environment without an error."""

    violations: tuple[Violation, ...]
    counts: Mapping[str, int]
    valid: bool


def validate_environments(environments: Sequence[Settings]) -> ValidationResult:
    """Check the manifests of every environment; all errors at once.

    A violation of all environments is reported once; any other one names its environments.
    """
    found_in: dict[Violation, dict[str, Violation]] = {}
    counts: dict[str, int] = {}
    for settings in environments:
        try:
            desired_state = load_desired_state(settings)
            version = settings.gates.min_server_version
            violations = (
                *desired_state.violations,
                *deprecation_notes(desired_state, settings, version),
            )
            counts[settings.environment] = len(desired_state.inventory)
        except ManifestError as error:
            violations = error.violations
        for violation in violations:
            same = violation.model_copy(update={"hint": ""})  # which may name the environment
            found_in.setdefault(same, {}).setdefault(settings.environment, violation)
    merged = tuple(_merge_violations(by_name, len(environments)) for by_name in found_in.values())
    return ValidationResult(merged, counts, valid=len(counts) == len(environments))


def _merge_violations(by_environment: Mapping[str, Violation], environments: int) -> Violation:
    """One violation for equal ones, by environment."""
    first = next(iter(by_environment.values()))
    if len(by_environment) == environments:
        return first
    return first.model_copy(update={"message": f"in {', '.join(by_environment)}: {first.message}"})
