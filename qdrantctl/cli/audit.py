"""`qdrantctl audit`: check files and server of a project against the security checklist."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

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

if TYPE_CHECKING:
    from qdrantctl.flows.audit.audit import AuditOptions

FINDINGS = 2
PORT = click.IntRange(1, 65535)


@dataclass(frozen=True, kw_only=True)
class AuditArgs(ProjectArgs, OutputArgs):
    """The arguments of `audit`."""

    prove: bool
    prove_writes: bool
    offline: bool
    profile: Path | None
    fail_on: str
    read_only_key_env: str | None
    grpc_port: int | None
    p2p_port: int | None
    metrics_port: int | None

    def check(self) -> None:
        """Raise UsageError for options that exclude each other."""
        super().check()
        from qdrantctl.model.errors import UsageError

        if self.offline and (self.prove or self.prove_writes or self.profile):
            raise UsageError(
                "--offline sends no request, and --prove and --profile need a server",
                hint="Leave out --offline.",
            )

    def options(self) -> AuditOptions:
        """The options for the flow."""
        from qdrantctl.flows.audit.audit import AuditOptions
        from qdrantctl.model.violation import Severity

        return AuditOptions(
            prove=self.prove or self.prove_writes,
            prove_writes=self.prove_writes,
            offline=self.offline,
            fail_on=Severity(self.fail_on),
            grpc_port=self.grpc_port,
            p2p_port=self.p2p_port,
            metrics_port=self.metrics_port,
            read_only_key=self.read_only_key_env,
            profile=self.directory / self.profile if self.profile else None,
        )


@define_command(
    AuditArgs,
    examples=(
        ("qdrantctl audit -e prod", "Check the project's files and the server of prod."),
        ("qdrantctl audit -e prod --prove --format sarif",
         "Also try every limit, and print findings for code scanning."),
        ("qdrantctl audit --url https://qdrant.example.com:6333",
         "Check a server without a project."),
    ),
)  # fmt: skip
@option("--prove", is_flag=True,
        help="Try every limit with a request beyond it that changes nothing.")  # fmt: skip
@option("--prove-writes", is_flag=True,
        help="Also try limits that only a key with write access can try.")  # fmt: skip
@option("--offline", is_flag=True, help="Check manifests and files only; send no request.")
@option("--profile", metavar="FILE", type=FILE,
        help="Require of every collection the limits of the StrictModeProfile "
             "in FILE.")  # fmt: skip
@option("--fail-on", type=click.Choice(["error", "warning", "note"]), default="error",
        show_default=True,
        help="Exit with 2 for findings of this severity or a higher one.")  # fmt: skip
@option("--read-only-key-env", group=SERVER, metavar="NAME",
        help="Try also the read-only key in the environment variable NAME.")  # fmt: skip
@option("--grpc-port", group=SERVER, type=PORT, metavar="PORT",
        help="Look for gRPC at PORT. The default is grpc_port of the environment, "
             "else 6334 where REST is at 6333, 443 or 80.")  # fmt: skip
@option("--p2p-port", group=SERVER, type=PORT, metavar="PORT",
        help="Look for the port of peers at PORT, if the cluster does not report it.")  # fmt: skip
@option("--metrics-port", group=SERVER, type=PORT, metavar="PORT",
        help="Look for a separate port of metrics at PORT.")  # fmt: skip
@project_options
@markdown_options
@output_options("audit")
def command(args: AuditArgs) -> int:
    """Check files and server against the security checklist.

    Each rule gets an answer: pass, fail, not applicable, or cannot be seen. No request changes
    data, and a read-only key is enough. Without manifests (--url) only the server is checked.
    docs/reference/audit-rules.md describes each rule.
    """
    from datetime import UTC, datetime

    from qdrantctl.flows.audit.audit import audit_project

    options = args.options()
    settings = args.settings(need_server=not args.offline)
    progress = Progress(args.verbose)
    try:
        report = audit_project(
            settings, options, os.environ, datetime.now(UTC), progress.report, progress.on_request
        )
    finally:
        progress.clear()
    print_document("audit", report, args)
    return FINDINGS if report.has_findings else 0
