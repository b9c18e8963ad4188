"""`qdrantctl audit`: the security checklist, answered for the files and the server of a project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import output_options, project_options, show, wants_colour
from qdrantctl.cli.plan_options import clear, on_call, progress
from qdrantctl.cli.plan_options import settings as of_project

if TYPE_CHECKING:
    from qdrantctl.flows.audit.audit import Wishes
    from qdrantctl.model.audit.report import AuditReport

FINDINGS = 2
_PORT = click.IntRange(1, 65535)


@click.command()
@click.option(
    "--prove", is_flag=True, help="Try every cap with a request beyond it that changes nothing."
)
@click.option(
    "--prove-writes",
    is_flag=True,
    help="Also try caps that only a key with the right to write can try.",
)
@click.option("--offline", is_flag=True, help="Look at manifests and files only.")
@click.option(
    "--profile",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="StrictModeProfile whose caps every collection must have.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note"]),
    default="error",
    show_default=True,
    help="Exit 2 for findings from this severity on.",
)
@click.option(
    "--read-only-key-env",
    "read_only_key",
    metavar="NAME",
    help="Variable that holds the read-only key; it is tried, too.",
)
@click.option("--grpc-port", type=_PORT, help="gRPC port. Beside 6333, 443 and 80 it is 6334.")
@click.option("--p2p-port", type=_PORT, help="Port for peers, where the cluster does not tell.")
@click.option("--metrics-port", type=_PORT, help="Port for metrics alone.")
@click.option(
    "--max-bytes",
    type=click.IntRange(min=200),
    default=65000,
    show_default=True,
    help="Largest size of the markdown format.",
)
@project_options
@output_options("text", "json", "markdown", "sarif", "junit")
def command(**words: Any) -> int:
    """Answer the security checklist: pass, fail, not applicable, cannot be seen.

    No request changes data, and a read-only key is enough. Without manifests (--url) the server
    alone is looked at. docs/reference/audit-rules.md tells of each rule.
    """
    from datetime import UTC, datetime

    from qdrantctl.flows.audit.audit import audit

    wishes = _wishes(words)
    chosen = of_project(words, need_server=not wishes.offline)
    telling, calling = progress(words["verbose"]), on_call(words["verbose"])
    try:
        made = audit(chosen, wishes, os.environ, datetime.now(UTC), telling, calling)
    finally:
        clear()
    show(_render(made, words))
    return FINDINGS if made.found else 0


def _wishes(words: dict[str, Any]) -> Wishes:
    """The flags as a value. Raises UsageError for those that make no sense together."""
    from qdrantctl.flows.audit.audit import Wishes
    from qdrantctl.model.errors import UsageError
    from qdrantctl.model.violation import Severity

    if words["offline"] and (words["prove"] or words["prove_writes"] or words["profile"]):
        raise UsageError(
            "--offline asks no server, and --prove and --profile are about one",
            hint="Leave out --offline.",
        )
    profile = words["profile"]
    return Wishes(
        prove=words["prove"] or words["prove_writes"],
        prove_writes=words["prove_writes"],
        offline=words["offline"],
        fail_on=Severity(words["fail_on"]),
        grpc_port=words["grpc_port"],
        p2p_port=words["p2p_port"],
        metrics_port=words["metrics_port"],
        read_only_key=words["read_only_key"],
        profile=Path(words["directory"]) / profile if profile else None,
    )


def _render(made: AuditReport, words: dict[str, Any]) -> str:
    """The report in the format that was asked for."""
    if words["output"] == "json":
        from qdrantctl.render import json

        return json.audit(made)
    if words["output"] == "markdown":
        from qdrantctl.render import markdown

        return markdown.audit(made, max_bytes=words["max_bytes"])
    if words["output"] == "sarif":
        from qdrantctl.render import sarif

        return sarif.audit(made)
    if words["output"] == "junit":
        from qdrantctl.render import junit

        return junit.audit(made)
    from qdrantctl.render import text

    return text.audit(made, colour=wants_colour(sys.stdout, no_color=words["no_color"]))
