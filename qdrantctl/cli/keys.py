"""`qdrantctl keys issue | list | rotate | revoke | check | replace-api-key`: tokens."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from qdrantctl.cli.command import define_command, option
from qdrantctl.cli.options import (
    LeaseArgs,
    OutputArgs,
    ProjectArgs,
    ServerArgs,
    auto_approve_option,
    lease_option,
    output_options,
    project_options,
    server_options,
)
from qdrantctl.cli.output import print_document
from qdrantctl.cli.progress import Progress
from qdrantctl.cli.terminal import confirm, notify, require_terminal

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.flows.access_keys.delivery import KeyJob
    from qdrantctl.flows.lease import LeaseWait

MAX_TOKEN_BYTES = 65_536
"""Bytes of standard input that are read for a token."""
_LIST_FIRST = "Look at `qdrantctl keys list` first."


@click.group()
def command() -> None:
    """Issue, rotate, revoke and check tokens of access keys.

    A key's manifest defines what its tokens may do; it takes effect with plan and apply. A token is
    derived from the applied key and the cluster's API key on request, and is not stored.
    """


@dataclass(frozen=True, kw_only=True)
class KeyArgs(ProjectArgs, OutputArgs, LeaseArgs):
    """The arguments of commands that write tokens."""

    name: str | None

    def wait(self) -> LeaseWait:
        """How long to wait for the lease."""
        from qdrantctl.flows.lease import LeaseWait

        return LeaseWait(self.lease_timeout, notify, lambda: False)

    def job(self) -> KeyJob:
        """The job for the flow."""
        from qdrantctl.flows.access_keys.delivery import KeyJob

        on_request = Progress(self.verbose).on_request
        return KeyJob(self.settings(), self.wait(), notify, click.echo, on_request)

    def check_one(self, *, every: bool, flag: str) -> None:
        """Raise UsageError unless either a name or the flag for every key is given."""
        from qdrantctl.model.errors import UsageError

        if bool(self.name) == every:
            raise UsageError(
                f"name one key, or give {flag}", hint="`qdrantctl keys list` lists the keys."
            )


@dataclass(frozen=True, kw_only=True)
class IssueArgs(KeyArgs):
    """The arguments of `keys issue`."""

    every: bool

    def check(self) -> None:
        """Raise UsageError unless either NAME or --all is given."""
        super().check()
        self.check_one(every=self.every, flag="--all")


@define_command(
    IssueArgs,
    name="issue",
    parent=command,
    examples=(
        ("qdrantctl keys issue analytics -e prod",
         "Deliver the token of analytics to its sinks, or print it if it has none."),
        ("qdrantctl keys issue --all -e prod", "Deliver the token of every key that has sinks."),
    ),
)  # fmt: skip
@click.argument("name", required=False)
@option("--all", "every", is_flag=True, help="Deliver the token of every key that has sinks.")
@lease_option("an apply")
@project_options
@output_options()
def issue_key(args: IssueArgs) -> int:
    """Issue the token of the key NAME.

    It is delivered to the sinks of the key's manifest, or printed on stdout. The same token is
    issued each time, until the key is rotated or its scope changes.
    """
    from qdrantctl.flows.access_keys.delivery import issue_tokens

    return issue_tokens(args.job(), args.name)


@dataclass(frozen=True, kw_only=True)
class RotateArgs(KeyArgs):
    """The arguments of `keys rotate`."""

    due: bool
    now: bool
    auto_approve: bool

    def check(self) -> None:
        """Raise UsageError unless either NAME or --due is given, and if no prompt is possible."""
        super().check()
        self.check_one(every=self.due, flag="--due")
        from qdrantctl.model.errors import UsageError

        if self.now and self.due:
            raise UsageError(
                "--now revokes the tokens of one key", hint="Leave out --due, and name the key."
            )
        if self.now and not self.auto_approve:
            require_terminal(_LIST_FIRST)


@define_command(
    RotateArgs,
    name="rotate",
    parent=command,
    examples=(
        ("qdrantctl keys rotate analytics -e prod",
         "Start a new generation of analytics, and deliver its token."),
        ("qdrantctl keys rotate analytics --now -e prod",
         "Replace the token of analytics after a leak: its older tokens end at once."),
        ("qdrantctl keys rotate --due -e prod", "Rotate every key that is due, from a scheduler."),
    ),
)  # fmt: skip
@click.argument("name", required=False)
@option("--due", is_flag=True,
        help="Rotate every key that is due or whose token was not delivered, and revoke "
             "generations that are past their grace period.")  # fmt: skip
@option("--now", is_flag=True,
        help="Revoke previous generations without a grace period, after a prompt.")  # fmt: skip
@auto_approve_option
@lease_option("an apply")
@project_options
@output_options()
def rotate_key(args: RotateArgs) -> int:
    """Start a new generation of the key NAME.

    The previous generation ends after its grace period. A revoked key is enabled again this way.
    """
    from qdrantctl.flows.access_keys.delivery import rotate_tokens

    job = args.job()
    if args.now and not _approve(args, job.settings, f"Rotate {args.name} now"):
        return 1
    return rotate_tokens(job, args.name, now=args.now)


def _approve(args: RotateArgs | RevokeArgs, settings: Settings, action: str) -> bool:
    """Whether the operator approves that tokens stop working."""
    warning = "Clients that use the revoked tokens are refused at once. "
    question = f"{action}, of {settings.owner}?"
    return args.auto_approve or confirm(question, action.partition(" ")[0], warning)


@dataclass(frozen=True, kw_only=True)
class RevokeArgs(KeyArgs):
    """The arguments of `keys revoke`."""

    name: str
    generation: int | None
    auto_approve: bool

    def check(self) -> None:
        """Raise UsageError for a missing terminal, which the prompt needs."""
        super().check()
        if not self.auto_approve:
            require_terminal(_LIST_FIRST)


@define_command(
    RevokeArgs,
    name="revoke",
    parent=command,
    examples=(
        ("qdrantctl keys revoke analytics -e prod",
         "Revoke every token of analytics, after a prompt."),
        ("qdrantctl keys revoke analytics --generation 2 -e prod --auto-approve",
         "Revoke only the tokens of its second generation, without a prompt."),
    ),
)  # fmt: skip
@click.argument("name")
@option("--generation", type=click.IntRange(min=1), metavar="N",
        help="Revoke only generation N, instead of all.")  # fmt: skip
@auto_approve_option
@lease_option("an apply")
@project_options
@output_options()
def revoke_key(args: RevokeArgs) -> int:
    """Revoke the tokens of the key NAME.

    Every node refuses the next request with one of them. No apply enables them again; `keys rotate`
    grants a new generation.
    """
    from qdrantctl.flows.access_keys.delivery import describe_generations, open_keyring
    from qdrantctl.flows.access_keys.tokens import revoke_generations

    settings = args.settings()
    part = f"generation {args.generation} of {args.name}" if args.generation else args.name
    if not _approve(args, settings, f"Revoke {part}"):
        return 1
    with open_keyring(settings, args.wait(), Progress(args.verbose).on_request) as keyring:
        numbers = revoke_generations(keyring, args.name, args.generation)
    click.echo(f"{args.name}: revoked {describe_generations(numbers)}")
    return 0


@dataclass(frozen=True, kw_only=True)
class KeyListArgs(ProjectArgs, OutputArgs):
    """The arguments of `keys list`."""


@define_command(
    KeyListArgs,
    name="list",
    parent=command,
    examples=(
        ("qdrantctl keys list -e prod", "List the keys that were applied to prod."),
        ("qdrantctl keys list -e prod --format json", "The same as JSON, for scripts."),
    ),
)
@project_options
@output_options("keys")
def print_keys(args: KeyListArgs) -> int:
    """List the keys with their scopes and generations. Reads only."""
    from qdrantctl.flows.access_keys.tokens import list_keys, load_keyring
    from qdrantctl.flows.cluster.connect import connect
    from qdrantctl.model.access_keys.report import KeyListing
    from qdrantctl.model.actor import Actor

    settings = args.settings()
    with connect(settings, Progress(args.verbose).on_request) as client:
        keyring = load_keyring(
            client, settings.owners, Actor("", "", ""), lambda: client.server_time
        )
        listing = KeyListing(settings.owner, list_keys(keyring), keyring.ledger)
    print_document("keys", listing, args)
    return 0


@dataclass(frozen=True, kw_only=True)
class CheckArgs(ServerArgs, OutputArgs):
    """The arguments of `keys check`."""

    collections: tuple[str, ...]

    def check(self) -> None:
        """Raise UsageError for a name that must not be sent to a server."""
        super().check()
        from qdrantctl.model.address import unsendable_reason
        from qdrantctl.model.errors import UsageError

        for name in self.collections:
            if reason := unsendable_reason(name):
                raise UsageError(f"--collection {name!r}: {reason}")


@define_command(
    CheckArgs,
    name="check",
    parent=command,
    examples=(
        ("qdrantctl keys check -e prod < token", "Try what the token in a file may do in prod."),
        ("qdrantctl keys check -e prod --collection products < token",
         "Try it also on a collection that the token does not name."),
    ),
)  # fmt: skip
@option("--collection", "collections", multiple=True, metavar="NAME",
        help="Try the collection NAME, too; repeatable.")  # fmt: skip
@server_options
@output_options("token_check")
def check_key(args: CheckArgs) -> int:
    """Check what the token on standard input may do.

    Its rights are tried with requests that change nothing. The exit code is 1 if the server refuses
    the token, or if it may do more or less than it claims.
    """
    from qdrantctl.flows.access_keys.check_token import check_token

    if sys.stdin.isatty():
        notify("Reading a token from standard input …")
    token = sys.stdin.read(MAX_TOKEN_BYTES).strip()
    checked = check_token(args.settings(), token, args.collections, os.environ)
    print_document("token_check", checked, args)
    return 0 if checked.is_sound else 1


@dataclass(frozen=True, kw_only=True)
class ReplaceApiKeyArgs(ServerArgs, OutputArgs):
    """The arguments of `keys replace-api-key`."""


@define_command(
    ReplaceApiKeyArgs,
    name="replace-api-key",
    parent=command,
    examples=(
        ("qdrantctl keys replace-api-key -e prod", "Show the steps for the cluster of prod."),
        ("qdrantctl keys replace-api-key -e prod --format json",
         "The tokens that a new API key invalidates, as JSON."),
    ),
)  # fmt: skip
@server_options
@output_options("api_key_rotation")
def replace_api_key(args: ReplaceApiKeyArgs) -> int:
    """Show what a new API key of the cluster breaks, and how to replace it.

    Reads only: the API key is part of the configuration of the nodes.
    """
    from qdrantctl.flows.access_keys.api_key_rotation import plan_api_key_rotation
    from qdrantctl.flows.cluster.connect import connect

    with connect(args.settings(), Progress(args.verbose).on_request) as client:
        rotation = plan_api_key_rotation(client, lambda: client.server_time)
    print_document("api_key_rotation", rotation, args)
    return 0
