"""`qdrantctl snapshots`: restore and list; with the jobs of policies from snapshot_policies.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.apply import print_report
from qdrantctl.cli.command import CONSENT, SERVER, define_command, option
from qdrantctl.cli.options import (
    AddressType,
    LeaseArgs,
    OutputArgs,
    ServerArgs,
    auto_approve_option,
    lease_option,
    output_options,
    server_options,
    wait_timeout_option,
)
from qdrantctl.cli.output import print_document, print_for_operator
from qdrantctl.cli.plan_options import check_patterns, consents
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.snapshot_policies import prune_sets, run_snapshot_policies, verify_sets
from qdrantctl.cli.terminal import TerminalView, exit_code_of, notify, require_terminal

if TYPE_CHECKING:
    from datetime import datetime

    from qdrantctl.flows.snapshots.restore.restore import RestoreOptions, RestoreResult
    from qdrantctl.model.address import Address
    from qdrantctl.model.snapshots.reports import SnapshotInventory


@click.group()
def command() -> None:
    """Take, list, verify, prune and restore snapshots."""


@dataclass(frozen=True, kw_only=True)
class RestoreArgs(ServerArgs, OutputArgs, LeaseArgs):
    """The arguments of `snapshots restore`."""

    snapshot: str
    source: str | None
    at: str | None
    of_cluster: str
    name: str | None
    allow_replace: tuple[str, ...]
    with_aliases: bool
    ignore_verdict: bool
    nodes: tuple[str, ...]
    auto_approve: bool
    wait_timeout: float | None

    def check(self) -> None:
        """Raise UsageError for a missing terminal, and for options that exclude each other."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if not self.auto_approve:
            require_terminal("Look at `qdrantctl snapshots list` first.")
        if self.at and not self.source:
            raise UsageError("--at needs --from DESTINATION")
        if self.of_cluster and not self.source:
            raise UsageError("--of-cluster needs --from DESTINATION")
        if self.ignore_verdict and not self.source:
            raise UsageError("--ignore-verdict needs --from DESTINATION")
        check_patterns({"--allow-replace": self.allow_replace})

    def options(self) -> RestoreOptions:
        """The options for the flow. Raises UsageError."""
        from qdrantctl.engine.snapshots.policy_status import SCRATCH
        from qdrantctl.flows.snapshots.restore.restore import RestoreOptions
        from qdrantctl.model.errors import UsageError

        if (self.name or "").startswith(SCRATCH):
            raise UsageError(
                f"--as {self.name}: names that begin with {SCRATCH} are reserved for temporary "
                "collections of snapshots verify, which deletes them"
            )
        return RestoreOptions(
            snapshot=self.snapshot,
            source=self.source,
            at=self._instant(),
            cluster=self.of_cluster,
            name=self.name,
            consents=consents({("replace", "--allow-replace"): self.allow_replace}),
            with_aliases=self.with_aliases,
            ignore_verdict=self.ignore_verdict,
            auto_approve=self.auto_approve,
            lease_timeout=self.lease_timeout,
            wait_timeout=self.wait_timeout,
        )

    def _instant(self) -> datetime | None:
        from qdrantctl.model.errors import UsageError
        from qdrantctl.model.snapshots.snapshot_set import parse_time

        try:
            return parse_time(self.at) if self.at else None
        except ValueError:
            raise UsageError(
                f"--at {self.at!r} is not a time", hint="As in 2026-11-25T03:00:00Z."
            ) from None


@define_command(
    RestoreArgs,
    name="restore",
    parent=command,
    examples=(
        ("qdrantctl snapshots restore collection/products -e prod",
         "Restore the latest snapshot of products under a new name."),
        ("qdrantctl snapshots restore collection/products -e prod --from s3://backups/qdrant "
         "--at 2026-11-25T03:00:00Z --as products-november",
         "Restore the last set of a bucket that is not later than a time."),
        ("qdrantctl snapshots restore collection/products -e prod --from s3://backups/qdrant "
         "--of-cluster 3d0f6f5c-8a0e-4c57-9d43-0f4f6f1c2b7a",
         "Restore a set that another cluster has taken."),
        ("qdrantctl snapshots restore collection/products -e prod --as products "
         "--allow-replace collection/products --with-aliases",
         "Replace the collection by its latest snapshot, aliases included."),
    ),
)  # fmt: skip
@click.argument("snapshot", metavar="ADDRESS[@ID]")
@option("--from", "source", metavar="DESTINATION",
        help="Restore a set that a policy stored at DESTINATION; needs no project.")  # fmt: skip
@option("--at", metavar="TIME",
        help="With --from: restore the last set that is not later than TIME.")  # fmt: skip
@option("--of-cluster", default="", metavar="ID",
        help="With --from: restore a set of another cluster, the one with this ID, instead of this "
             "cluster's own.")  # fmt: skip
@option("--ignore-verdict", is_flag=True,
        help="With --from: restore a set also if its verification failed.")  # fmt: skip
@option("--as", "name", metavar="NAME",
        help="Call the new collection NAME, instead of OLD-restored-TIME.")  # fmt: skip
@option("--with-aliases", is_flag=True,
        help="Point the aliases of the old collection at the new one.")  # fmt: skip
@option("--allow-replace", group=CONSENT, multiple=True, metavar="ADDRESS",
        help="With --as: allow replacing the collection ADDRESS, after a snapshot of "
             "it.")  # fmt: skip
@auto_approve_option
@lease_option("an apply or a job on snapshots")
@wait_timeout_option("Wait at most SECONDS for shards to be on their nodes (default 120), and for "
                     "the index (default 60).")  # fmt: skip
@option("--node", "nodes", group=SERVER, multiple=True, metavar="URL",
        help="With --url: the address of one node of the cluster; repeat it for each.")  # fmt: skip
@server_options
@output_options("report")
def restore_collection(args: RestoreArgs) -> int:
    """Restore a snapshot as a new collection.

    Without @ID, the latest snapshot of ADDRESS. Existing collections are not changed unless
    allowed with --allow-replace. Afterwards points, shards and settings are compared with what
    they were when the snapshot was taken.
    """
    progress = Progress(args.verbose, args.no_color)
    progress.show_starting()
    import os

    from qdrantctl.adapters.project.settings import add_nodes
    from qdrantctl.flows.snapshots.restore import restore

    options = args.options()
    settings = add_nodes(args.settings(), args.nodes, args.url, os.environ)
    view = TerminalView(args, progress, "Restore")
    result = restore.restore_snapshot(settings, options, view, progress.on_request)
    if result is None:
        return 1
    _print_result(result, args)
    return exit_code_of(result.report)


def _print_result(result: RestoreResult, args: RestoreArgs) -> None:
    """Print the report and, for the operator, notes on the new collection."""
    report = result.report
    if args.format == "text":
        for outcome in report.outcomes:
            print_document("outcome", outcome, args)
    else:
        print_report(report, args)
    if report.is_complete:
        print_for_operator("restored_collection", result.restored, args)
    elif args.format == "text":
        print_document("report_ending", report, args)
    print_for_operator("restore_hints", report, args)


@dataclass(frozen=True, kw_only=True)
class SnapshotListArgs(ServerArgs, OutputArgs):
    """The arguments of `snapshots list`."""

    address: Address | None
    source: str | None


@define_command(
    SnapshotListArgs,
    name="list",
    parent=command,
    examples=(
        ("qdrantctl snapshots list -e prod", "List all sets and snapshots of prod."),
        ("qdrantctl snapshots list collection/products --from s3://backups/qdrant",
         "List the sets of one collection in a bucket, without a server."),
    ),
)  # fmt: skip
@click.argument("address", metavar="[ADDRESS]", required=False, type=AddressType())
@option("--from", "source", metavar="DESTINATION",
        help="List only the sets at DESTINATION, of every owner, without a server; `cluster` lists "
             "the sets that this project's policies left on the servers.")  # fmt: skip
@server_options
@output_options("snapshots")
def print_snapshots(args: SnapshotListArgs) -> int:
    """List the snapshots that can be restored.

    First the sets at the destinations of policies, then other snapshots that the ledger or the
    servers list. The exit code is 1 if a destination cannot be read: the list is then incomplete.
    """
    from qdrantctl.model.errors import QdrantctlError

    progress = Progress(args.verbose, args.no_color)
    progress.show_starting()
    inventory = _inventory(args, progress)
    for line in inventory.unread:
        notify(f"Warning: {line}")
    progress.clear()
    print_document("snapshots", inventory, args)
    if inventory.unreachable:
        raise QdrantctlError(
            "the list is incomplete",
            why="\n  ".join(inventory.unreachable),
            hint="Snapshots that are not listed may exist.",
        )
    return 0


def _inventory(args: SnapshotListArgs, progress: Progress) -> SnapshotInventory:
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.flows.cluster.nodes import JobContext
    from qdrantctl.flows.snapshots.policies import inventory
    from qdrantctl.model.snapshots.destination import CLUSTER

    if args.source not in (None, CLUSTER):
        import os

        from qdrantctl.adapters.project.settings import find_project_signing

        signing = find_project_signing(args.directory, os.environ)
        return inventory.list_destination(str(args.source), args.address, signing)
    settings = args.settings()
    with connect(settings, progress.on_request) as client:
        work = JobContext(client, progress.report, lambda: False, settings.nodes)
        if args.source:
            return inventory.list_sets_on_servers(settings, client, work, args.address)
        return inventory.list_snapshots(settings, client, work, args.address)


command.add_command(run_snapshot_policies)
command.add_command(prune_sets)
command.add_command(verify_sets)
