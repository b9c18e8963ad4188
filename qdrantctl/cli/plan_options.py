"""The planning options that plan and apply share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import CONSENT, PLANNING, add_options, option
from qdrantctl.cli.options import OutputArgs, ProjectArgs, project_options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrantctl.flows.planning.plan import PlanOptions
    from qdrantctl.model.consent import Consent


@dataclass(frozen=True, kw_only=True)
class PlanningArgs(ProjectArgs, OutputArgs):
    """The arguments that select what is planned, and the consents of the operator."""

    target: tuple[str, ...]
    exclude: tuple[str, ...]
    revert_drift: tuple[str, ...]
    max_deletes: int | None
    adopt: tuple[str, ...]
    adopt_cloned: tuple[str, ...]
    allow_delete: tuple[str, ...]
    allow_replace: tuple[str, ...]
    allow_alias: tuple[str, ...]
    allow_older: tuple[str, ...]
    no_safety_snapshot: tuple[str, ...]
    fail_on_widening: bool
    fail_on_loosening: bool

    def check(self) -> None:
        """Raise UsageError for a pattern that can match no address."""
        super().check()
        check_patterns(self._patterns)
        check_owners("--adopt-cloned", self.adopt_cloned)

    def planning(self) -> PlanOptions:
        """The options for the flows."""
        from qdrantctl.engine.planning.selection import Selection
        from qdrantctl.flows.planning.plan import PlanOptions
        from qdrantctl.model.gates import Gates

        given = {"loosening": self.fail_on_loosening, "widening": self.fail_on_widening}
        fail_on = (change for change, is_given in given.items() if is_given)
        return PlanOptions(
            selection=Selection(self.target, self.exclude),
            consents=consents(
                {
                    ("adopt", "--adopt"): self.adopt,
                    ("adopt_cloned", "--adopt-cloned"): self.adopt_cloned,
                    ("delete", "--allow-delete"): self.allow_delete,
                    ("replace", "--allow-replace"): self.allow_replace,
                    ("alias", "--allow-alias"): self.allow_alias,
                }
            ),
            revert_drift=self.revert_drift,
            allow_older=self.allow_older,
            max_deletes=self.max_deletes,
            no_snapshot=self.no_safety_snapshot,
            gates=Gates(fail_on=frozenset(fail_on)),
        )

    def shaping_flags(self) -> list[str]:
        """The flags given that shape a plan; consents and gates do not."""
        flags = {
            "--target": self.target,
            "--exclude": self.exclude,
            "--revert-drift": self.revert_drift,
            "--no-safety-snapshot": self.no_safety_snapshot,
            "-f": self.files,
            "--adopt-cloned": self.adopt_cloned,
        }
        return [flag for flag, value in flags.items() if value]

    @property
    def _patterns(self) -> dict[str, tuple[str, ...]]:
        """The addresses and globs of the command line, by flag."""
        return {
            "--adopt": self.adopt,
            "--allow-delete": self.allow_delete,
            "--allow-replace": self.allow_replace,
            "--allow-alias": self.allow_alias,
            "--target": self.target,
            "--exclude": self.exclude,
            "--revert-drift": self.revert_drift,
            "--allow-older": self.allow_older,
            "--no-safety-snapshot": self.no_safety_snapshot,
        }


def destroying(options: PlanOptions, addresses: tuple[str, ...]) -> PlanOptions:
    """Options of a plan that destroys these addresses or globs and does nothing else."""
    return replace(options, selection=replace(options.selection, destroy=addresses))


def consents(patterns: Mapping[tuple[str, str], tuple[str, ...]]) -> tuple[Consent, ...]:
    """A consent for each pattern. The keys are a verb and a flag."""
    from qdrantctl.model.consent import Consent

    return tuple(
        Consent(verb, pattern, flag)
        for (verb, flag), flag_patterns in patterns.items()
        for pattern in flag_patterns
    )


def check_patterns(patterns: Mapping[str, tuple[str, ...]]) -> None:
    """Raise UsageError for a pattern that can match no address. The keys are flags."""
    for flag, flag_patterns in patterns.items():
        for pattern in flag_patterns:
            from qdrantctl.model.consent import unusable_pattern_reason
            from qdrantctl.model.errors import UsageError

            if reason := unusable_pattern_reason(pattern):
                raise UsageError(
                    f"{flag} {pattern!r}: {reason}",
                    hint="Addresses are KIND/NAME, as in collection/products; globs are allowed.",
                )


def check_owners(flag: str, owners: tuple[str, ...]) -> None:
    """Raise UsageError for a text that cannot name an owner."""
    for owner in owners:
        from qdrantctl.model.consent import OWNER_HINT, unusable_owner_reason
        from qdrantctl.model.errors import UsageError

        if reason := unusable_owner_reason(owner):
            raise UsageError(f"{flag}: {reason}", hint=OWNER_HINT)


exclude_option = option(
    "--exclude", group=PLANNING, multiple=True, metavar="ADDRESS",
    help="Leave out ADDRESS and the resources that need it.",
)  # fmt: skip
max_deletes_option = option(
    "--max-deletes", group=PLANNING, type=click.IntRange(min=0), metavar="N",
    help="Allow at most N deletions in one plan.",
)  # fmt: skip
allow_delete_option = option(
    "--allow-delete", group=CONSENT, multiple=True, metavar="ADDRESS",
    help="Allow deleting the collection ADDRESS with its points.",
)  # fmt: skip
allow_older_option = option(
    "--allow-older", group=CONSENT, multiple=True, metavar="ADDRESS",
    help="Allow changing ADDRESS, last applied from a commit that this checkout does not contain.",
)  # fmt: skip
no_safety_snapshot_option = option(
    "--no-safety-snapshot", group=CONSENT, multiple=True, metavar="ADDRESS",
    help="Destroy the points of ADDRESS without a snapshot; they cannot be restored.",
)  # fmt: skip
planning_options = add_options(
    option("--target", group=PLANNING, multiple=True, metavar="ADDRESS",
           help="Plan only ADDRESS and the resources that it refers to."),
    exclude_option,
    option("--revert-drift", group=PLANNING, multiple=True, metavar="ADDRESS",
           help="Revert external changes of ADDRESS, regardless of on_drift."),
    max_deletes_option,
    option("--fail-on-widening", group=PLANNING, is_flag=True,
           help="Block access keys that gain rights, unless a consent to widen allows it."),
    option("--fail-on-loosening", group=PLANNING, is_flag=True,
           help="Block changes that raise a limit on clients, unless a consent to loosen allows "
                "it."),
    option("--adopt", group=CONSENT, multiple=True, metavar="ADDRESS",
           help="Allow adopting ADDRESS, which exists and differs from its manifest."),
    option("--adopt-cloned", group=CONSENT, multiple=True, metavar="OWNER",
           help="This cluster is a copy of the cluster of OWNER (PROJECT/ENVIRONMENT): adopt its "
                "records here. The original is not contacted."),
    allow_delete_option,
    option("--allow-replace", group=CONSENT, multiple=True, metavar="ADDRESS",
           help="Allow replacing the collection ADDRESS, which deletes its points."),
    option("--allow-alias", group=CONSENT, multiple=True, metavar="ADDRESS",
           help="Allow pointing the alias ADDRESS at an empty collection."),
    allow_older_option,
    no_safety_snapshot_option,
    project_options,
)  # fmt: skip
