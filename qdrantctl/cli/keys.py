"""`qdrantctl keys issue | list | rotate | revoke | check`: tokens of access keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import output_options, project_options, server_options, show
from qdrantctl.cli.plan_options import on_call, settings

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.flows.access_keys.tokens import Issued, Keyring

LONGEST = 65_536
"""Bytes of standard input that are read for a token."""


@click.group()
def command() -> None:
    """Tokens of the access keys that were applied: issue, rotate, revoke and check them.

    What a token may do stands in its key's manifest and was planned and applied; the token is made
    from that and the cluster's API key whenever it is asked for, and kept nowhere.
    """


def _leased(function: Callable[..., Any]) -> Callable[..., Any]:
    option = click.option(
        "--lease-timeout",
        type=click.FloatRange(min=0),
        default=0,
        metavar="SECONDS",
        help="Wait that long while an apply is running.",
    )
    return option(project_options(output_options("text")(function)))  # fmt: skip


@command.command("issue")
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Every key that has sinks, into them.")
@_leased
def issue_key(**words: Any) -> int:
    """Issue the token of the key NAME, to its sinks or to stdout.

    The newest generation's: the same token each time, until the key is rotated or its scope
    changes.
    """
    _one_of(words, "every", "--all")
    from qdrantctl.flows.access_keys.tokens import able, issuable, issue

    chosen = settings(words, need_server=True)
    places = _sinks(chosen)
    with _ring(chosen, words) as ring:
        endpoint = able(chosen.endpoint)

        def deliver(name: str) -> None:
            _deliver(issue(ring, name, endpoint), ring, chosen, places)

        if not words["every"]:
            deliver(words["name"])
            return 0
        return _each(issuable(ring), places, deliver, "issue")


@command.command("rotate")
@click.argument("name", required=False)
@click.option("--due", "every", is_flag=True,
              help="Every key whose time has come or whose token has not arrived; end what is past "
                   "its grace.")  # fmt: skip
@_leased
def rotate_key(**words: Any) -> int:
    """Make a new generation of the key NAME; the one before ends after its grace.

    Of a key that was revoked this is the way back.
    """
    _one_of(words, "every", "--due")
    from qdrantctl.flows.access_keys.tokens import able, due, renew, rotate, sweep

    chosen = settings(words, need_server=True)
    places = _sinks(chosen)
    with _ring(chosen, words) as ring:
        endpoint = able(chosen.endpoint)
        for line in sweep(ring):
            click.echo(line, err=True)

        def deliver(name: str) -> None:
            made = (renew if words["every"] else rotate)(ring, name, endpoint)
            _deliver(made, ring, chosen, places)

        if not words["every"]:
            deliver(words["name"])
            return 0
        if not due(ring):
            click.echo("No rotation is due.", err=True)
        return _each(due(ring), places, deliver, "rotate")


@command.command("revoke")
@click.argument("name")
@click.option("--generation", type=click.IntRange(min=1), metavar="N",
              help="Only this one; all of them without.")  # fmt: skip
@_leased
def revoke_key(**words: Any) -> int:
    """Revoke the tokens of the key NAME: the next request with one is refused, on every node.

    No apply brings them back; `keys rotate` grants a new generation.
    """
    from qdrantctl.flows.access_keys.tokens import revoke

    chosen = settings(words, need_server=True)
    with _ring(chosen, words) as ring:
        numbers = revoke(ring, words["name"], words["generation"])
    word = "generation" if len(numbers) == 1 else "generations"
    click.echo(f"{words['name']}: revoked {word} {', '.join(map(str, numbers))}")
    return 0


@command.command("list")
@project_options
@output_options("text", "json")
def list_keys(**words: Any) -> int:
    """List the keys with their scopes and generations; reads only."""
    from qdrantctl.flows.access_keys.tokens import listed, opened
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.model.actor import Identity
    from qdrantctl.render import json, text

    chosen = settings(words, need_server=True)
    with door(chosen, on_call(words["verbose"])) as cluster:
        ring = opened(cluster, chosen.owners, Identity("", "", ""), lambda: cluster.now)
        found = listed(ring)
    if words["output"] == "json":
        document = [key.model_dump(mode="json") for key in found]
        show(json.document({"owner": chosen.owner, "keys": document}))
    else:
        show(text.keys(found, ledger=ring.ledger))
    return 0


@command.command("check")
@click.option("--collection", "also", multiple=True, metavar="NAME",
              help="Try this name, too; repeatable.")  # fmt: skip
@server_options
@output_options("text", "json")
def check_key(**words: Any) -> int:
    """Tell what the token on standard input may do, and try it, without changing anything."""
    from qdrantctl.adapters.project.connection import fit_for_a_token
    from qdrantctl.flows.access_keys.check_token import check
    from qdrantctl.flows.cluster.connect import reached
    from qdrantctl.model.address import unsendable
    from qdrantctl.model.errors import UsageError
    from qdrantctl.render import json, text

    for name in words["also"]:
        if reason := unsendable(name):
            raise UsageError(f"--collection {name!r}: {reason}")
    if sys.stdin.isatty():
        click.echo("Reading a token from standard input …", err=True)
    token = sys.stdin.read(LONGEST).strip()
    chosen = settings({**words, "files": ("-",)}, need_server=True)
    endpoint = reached(chosen)
    fit_for_a_token(endpoint, os.environ)
    made = check(token, endpoint, words["also"])
    if words["output"] == "json":
        show(json.document(made.model_dump(mode="json") | {"sound": made.sound}))
    else:
        show(text.checked(made))
    return 0 if made.sound else 1


@command.command("replace-api-key")
@server_options
@output_options("text", "json")
def replace_api_key(**words: Any) -> int:
    """Tell what a new API key of the cluster breaks, and in which order to replace it.

    Reads only: the key stands in the configuration of the nodes.
    """
    from qdrantctl.flows.access_keys.api_key_rotation import replacing
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.render import json, text

    chosen = settings({**words, "files": ("-",)}, need_server=True)
    with door(chosen, on_call(words["verbose"])) as cluster:
        made = replacing(cluster, lambda: cluster.now)
    if words["output"] == "json":
        show(json.document(made.model_dump(mode="json")))
    else:
        show(text.replacing(made))
    return 0


def _one_of(words: dict[str, Any], flag: str, spelled: str) -> None:
    from qdrantctl.model.errors import UsageError

    if bool(words["name"]) == words[flag]:
        raise UsageError(
            f"name one key, or say {spelled}", hint="`qdrantctl keys list` shows them."
        )


@contextmanager
def _ring(chosen: Settings, words: dict[str, Any]) -> Iterator[Keyring]:
    """The keys of this owner, under its lease."""
    from qdrantctl.adapters.system.actor import identify
    from qdrantctl.flows.access_keys.tokens import opened
    from qdrantctl.flows.cluster.connect import door
    from qdrantctl.flows.lease import Wait, leased

    identity = identify(chosen.root, os.environ)
    wait = Wait(words["lease_timeout"], lambda line: click.echo(line, err=True), lambda: False)
    with (
        door(chosen, on_call(words["verbose"])) as cluster,
        leased(cluster, chosen.owner, identity, wait) as fenced,
    ):
        yield opened(fenced, chosen.owners, identity, lambda: cluster.now)


def _sinks(chosen: Settings) -> dict[str, list[dict[str, Any]]]:
    """Where the manifests want tokens, by the name of their key."""
    from qdrantctl.flows.state.desired import desired

    if not chosen.manifests:
        return {}
    found = desired(chosen).inventory
    return {a.name: r.declared.get("sinks", []) for a, r in found.items() if a.kind == "access_key"}


def _each(
    names: tuple[str, ...],
    places: dict[str, list[dict[str, Any]]],
    deliver: Callable[[str], None],
    verb: str,
) -> int:
    """Do it for every name that has sinks; what goes wrong with one does not stop the others."""
    from qdrantctl.model.errors import ClusterError, QdrantctlError

    code = 0
    for name in names:
        if not places.get(name):
            told = f"has no sinks; `qdrantctl keys {verb} {name}` prints its token."
            click.echo(f"{name}: {told}", err=True)
            continue
        try:
            deliver(name)
        except ClusterError:
            raise
        except QdrantctlError as error:
            click.echo(f"{name}: {error.what}. {error.hint}", err=True)
            code = error.exit_code
    return code


def _deliver(
    issued: Issued, ring: Keyring, chosen: Settings, places: dict[str, list[dict[str, Any]]]
) -> None:
    """Put a token where it belongs; only without a sink that is stdout."""
    from qdrantctl.adapters.tokens.sinks import put
    from qdrantctl.flows.access_keys.tokens import delivered
    from qdrantctl.model.lease import stamp

    sinks = places.get(issued.name) or []
    where = [put(issued.token, sink, chosen.root, os.environ) for sink in sinks]
    until = issued.generation.expires
    told = f"{issued.name}: generation {issued.generation.number}"
    told += f", valid until {stamp(until)}" if until else ""
    click.echo(f"{told}{': ' if where else ''}{', '.join(where)}", err=True)
    if not sinks:
        click.echo(issued.token)
    delivered(ring, issued.name)
