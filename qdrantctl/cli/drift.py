"""`qdrantctl drift`: what changed on the cluster since it was applied."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qdrantctl.cli.command import SERVER, define_command, option
from qdrantctl.cli.options import (
    FILE,
    OutputArgs,
    ProjectArgs,
    markdown_options,
    output_options,
    project_options,
)
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import notify

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings

DRIFT = 2


@dataclass(frozen=True, kw_only=True)
class DriftArgs(ProjectArgs, OutputArgs):
    """The arguments of `drift`."""

    unmanaged: bool
    baseline: Path | None
    update_baseline: bool
    owner: str | None

    def check(self) -> None:
        """Raise UsageError for options that exclude each other."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if self.update_baseline and not self.baseline:
            raise UsageError(
                "--update-baseline needs --baseline FILE", hint="Name the file to write."
            )
        if self.owner is not None and (self.files or self.environment):
            raise UsageError(
                "--owner compares with the ledger alone, so it excludes -f and an environment",
                hint="Leave out --owner to compare with manifests.",
            )

    def project_settings(self) -> Settings:
        """The settings of the project, or those of an owner alone. Raises UsageError."""
        from qdrantctl.adapters.project.settings import settings_for_owner
        from qdrantctl.model.errors import UsageError

        if self.owner is not None:
            return settings_for_owner(
                directory=self.directory, url=self.url, owner=self.owner, environ=os.environ
            )
        settings = self.settings()
        if not settings.manifests:
            raise UsageError(
                "no project was found, and no --owner was given",
                hint="Run it in the project's folder, or name --url and --owner PROJECT/ENV.",
            )
        return settings


@define_command(
    DriftArgs,
    examples=(
        ("qdrantctl drift -e prod", "Report what changed in prod since the last apply."),
        ("qdrantctl drift -e prod --baseline known.json --update-baseline",
         "Accept all present drift, so that only new drift counts."),
        ("qdrantctl drift --url http://localhost:6333 --owner shop/prod",
         "Check a cluster without the project's files."),
    ),
)  # fmt: skip
@option("--unmanaged", is_flag=True,
        help="Exit with 2 also for changes of resources that no manifest declares.")  # fmt: skip
@option("--baseline", metavar="FILE", type=FILE,
        help="Exit with 2 only for drift that FILE does not list.")  # fmt: skip
@option("--update-baseline", is_flag=True,
        help="Write all present drift to the baseline FILE.")  # fmt: skip
@option("--owner", group=SERVER, metavar="PROJECT/ENV",
        help="With --url: check the records of PROJECT/ENV, without a project.")  # fmt: skip
@project_options
@markdown_options
@output_options("drift")
def command(args: DriftArgs) -> int:
    """Report what changed on the cluster since it was applied.

    Three blocks: changed since the last apply (exit 2), in the manifests but not applied yet, and
    changed but not managed. It only reads; a read-only key is enough, and no lease is needed.
    """
    from datetime import date

    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.drift import compare_with_baseline, detect_drift
    from qdrantctl.flows.lease import lease_note
    from qdrantctl.flows.state.live import list_first_reads

    settings = args.project_settings()
    progress = Progress(args.verbose)
    try:
        with connect(settings, progress.on_request, list_first_reads()) as client:
            report = detect_drift(
                settings, client, date.today(), progress.report, strict=args.unmanaged
            )
            running = lease_note(client, settings.owner)
    finally:
        progress.clear()
    if running:
        notify(f"Note: {running}")
    if args.baseline:
        report = compare_with_baseline(report, args.baseline, update=args.update_baseline)
    print_document("drift", report, args)
    return DRIFT if report.has_drift else 0
