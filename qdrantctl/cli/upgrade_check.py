"""`qdrantctl upgrade-check`: what a newer version of Qdrant changes for a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import OutputArgs, ProjectArgs, output_options, project_options
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress

if TYPE_CHECKING:
    from qdrantctl.flows.upgrade_check import UpgradeOptions
    from qdrantctl.model.server import Version
    from qdrantctl.model.upgrade import UpgradeReport

TO_DO = 2


@dataclass(frozen=True, kw_only=True)
class UpgradeCheckArgs(ProjectArgs, OutputArgs):
    """The arguments of `upgrade-check`."""

    target: str
    current: str | None
    fail_on: str

    def check(self) -> None:
        """Raise UsageError for a server in addition to a stated version."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if self.current and self.url:
            raise UsageError(
                "--from states the version of the server, so it does not go with --url",
                hint="Leave out one of the two.",
            )

    def options(self) -> UpgradeOptions:
        """The options for the flow. Raises UsageError."""
        from qdrantctl.flows.upgrade_check import UpgradeOptions, require_known_target
        from qdrantctl.model.violation import Severity

        return UpgradeOptions(require_known_target(self.target), Severity(self.fail_on))

    def stated_version(self) -> Version | None:
        """The version of --from. Raises UsageError."""
        from qdrantctl.model.errors import UsageError
        from qdrantctl.model.server import Version

        try:
            return Version.parse(self.current) if self.current else None
        except ValueError as error:
            raise UsageError(f"--from: {error}", hint="As in --from 1.16.3.") from None


@define_command(
    UpgradeCheckArgs,
    name="upgrade-check",
    examples=(
        ("qdrantctl upgrade-check --to 1.19.0 -e prod",
         "Report what Qdrant 1.19.0 changes for prod."),
        ("qdrantctl upgrade-check --to 1.18.3 --from 1.17.1",
         "Check the manifests alone, without a server."),
    ),
)  # fmt: skip
@option("--to", "target", required=True, metavar="VERSION", help="Check an upgrade to VERSION.")
@option("--from", "current", metavar="VERSION",
        help="Take the server to be VERSION and contact none; checks the manifests "
             "alone.")  # fmt: skip
@option("--fail-on", type=click.Choice(["error", "warning", "note"]), default="warning",
        show_default=True,
        help="Exit with 2 for findings of this severity or a higher one.")  # fmt: skip
@project_options
@output_options("upgrade")
def command(args: UpgradeCheckArgs) -> int:
    """Report what a newer version of Qdrant changes for this project.

    Manifests, ledger, live cluster and snapshots are compared with what is known of the versions on
    the way: the order of the upgrade, what the target refuses, snapshots that it does not restore,
    what behaves in another way, what is deprecated, what can be done in place, and what cannot be
    gone back from. The command only reads; a read-only key is enough.
    """
    report = _report_on_manifests(args) if args.current else _report_on_cluster(args)
    print_document("upgrade", report, args)
    return TO_DO if report.has_findings else 0


def _report_on_manifests(args: UpgradeCheckArgs) -> UpgradeReport:
    """The report for the manifests and a stated version."""
    from datetime import date

    from qdrantctl.flows.upgrade_check import check_manifests_for_upgrade

    options, current = args.options(), args.stated_version()
    assert current is not None
    settings = args.settings(need_server=False)
    return check_manifests_for_upgrade(settings, options, current, date.today())


def _report_on_cluster(args: UpgradeCheckArgs) -> UpgradeReport:
    """The report for manifests and cluster."""
    from datetime import date

    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.upgrade_check import check_upgrade

    options, settings = args.options(), args.settings()
    progress = Progress(args.verbose)
    try:
        with connect(settings, progress.on_request) as client:
            return check_upgrade(settings, options, client, date.today(), progress.report)
    finally:
        progress.clear()
