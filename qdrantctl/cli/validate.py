"""`qdrantctl validate`: check the manifests, without a server."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command
from qdrantctl.cli.options import OutputArgs, ProjectArgs, output_options, project_options
from qdrantctl.cli.output import print_document

if TYPE_CHECKING:
    from qdrantctl.flows.project.validate import ValidationResult


@dataclass(frozen=True, kw_only=True)
class ValidateArgs(ProjectArgs, OutputArgs):
    """The arguments of `validate`."""

    def environments(self) -> tuple[str | None, ...]:
        """Every environment, if none is named and there are some; stdin can be read only once."""
        from qdrantctl.adapters.project.settings import find_project_file, list_environments

        directory = Path(os.path.abspath(self.directory))  # noqa: PTH100  # as the project is found
        if (
            self.environment
            or self.url
            or "-" in self.files
            or find_project_file(directory) is None
        ):
            return (self.environment,)
        return list_environments(directory) or (None,)


@define_command(
    ValidateArgs,
    examples=(
        ("qdrantctl validate", "Check the manifests for every environment."),
        ("qdrantctl validate -e prod --format json", "Check them for prod, with errors as JSON."),
    ),
)
@project_options
@output_options("violations")
def command(args: ValidateArgs) -> int:
    """Check the manifests, without a server.

    They are checked for the environment of --env, or for every one. All errors are reported at
    once; an error that only some environments have names them.
    """
    from qdrantctl.flows.project.validate import ValidationResult, validate_environments
    from qdrantctl.model.errors import ManifestError

    try:
        result = validate_environments(
            [args.settings(need_server=False, environment=name) for name in args.environments()]
        )
    except ManifestError as error:  # of the project file
        result = ValidationResult(error.violations, {}, valid=False)
    if args.format != "text" or result.violations:
        print_document("violations", result.violations, args)
    if args.format == "text" and result.valid:
        _print_counts(result)
    return int(not result.valid)


def _print_counts(result: ValidationResult) -> None:
    """Print how many resources each environment has."""
    for name, count in result.counts.items():
        environment = f"{name}: " if len(result.counts) > 1 else ""
        resources = "1 resource is valid" if count == 1 else f"{count} resources are valid"
        click.echo(f"{environment}{resources}.")
