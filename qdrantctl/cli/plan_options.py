"""What plan and apply share: the flags that shape a plan, and making one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qdrantctl.cli.options import project_options

if TYPE_CHECKING:
    from qdrantctl.adapters.project.settings import Settings
    from qdrantctl.flows.planning.plan import Wishes
    from qdrantctl.model.consent import Consent
    from qdrantctl.model.step import Call

CONSENTS = {"adopt": "--adopt", "delete": "--allow-delete", "replace": "--allow-replace",
            "alias": "--allow-alias"}  # fmt: skip


def planning_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Selection and consent."""
    for option in (
        click.option("--fail-on-loosening", is_flag=True,
                     help="Block what gives clients more, without a consent to loosen."),
        click.option("--fail-on-widening", is_flag=True,
                     help="Block keys that may do more, without a consent to widen."),
        click.option("--max-deletes", type=click.IntRange(min=0), metavar="N",
                     help="Allow that many deletions in one plan."),
        click.option("--allow-older", "allow_older", multiple=True, metavar="ADDRESS",
                     help="Change what was applied from a commit that is not in here."),
        click.option("--no-safety-snapshot", "no_snapshot", multiple=True, metavar="ADDRESS",
                     help="Destroy its points without a snapshot: there is no way back."),
        click.option("--revert-drift", "revert_drift", multiple=True, metavar="ADDRESS",
                     help="Put back what was changed outside, whatever on_drift says."),
        click.option("--allow-alias", "alias", multiple=True, metavar="ADDRESS",
                     help="Allow an alias to move to an empty collection."),
        click.option("--allow-replace", "replace", multiple=True, metavar="ADDRESS",
                     help="Allow a collection with points to be replaced."),
        click.option("--allow-delete", "delete", multiple=True, metavar="ADDRESS",
                     help="Allow a collection with points to be deleted."),
        click.option("--adopt", "adopt", multiple=True, metavar="ADDRESS",
                     help="Take over what exists and differs."),
        click.option("--exclude", multiple=True, metavar="ADDRESS",
                     help="Leave these out, and what cannot be without them."),
        click.option("--target", multiple=True, metavar="ADDRESS",
                     help="Only these, and what they refer to."),
    ):  # fmt: skip
        function = option(function)
    return project_options(function)


def wishes(words: dict[str, Any]) -> Wishes:
    """The planning flags as a value. Raises UsageError for a pattern that names nothing."""
    from qdrantctl.engine.planning.selection import Selection
    from qdrantctl.flows.planning.plan import Wishes

    for flag, key in (("--target", "target"), ("--exclude", "exclude"),
                      ("--revert-drift", "revert_drift"),
                      ("--allow-older", "allow_older"),
                      ("--no-safety-snapshot", "no_snapshot")):  # fmt: skip
        _patterns(flag, words[key])
    return Wishes(
        selection=Selection(tuple(words["target"]), tuple(words["exclude"])),
        consents=consented(words, *CONSENTS),
        revert_drift=tuple(words["revert_drift"]),
        allow_older=tuple(words["allow_older"]),
        max_deletes=words["max_deletes"],
        no_snapshot=tuple(words["no_snapshot"]),
        fail_on_loosening=words["fail_on_loosening"],
        fail_on_widening=words["fail_on_widening"],
    )


def consented(words: dict[str, Any], *verbs: str) -> tuple[Consent, ...]:
    """The consents that flags give. Raises UsageError."""
    from qdrantctl.model.consent import Consent

    for verb in verbs:
        _patterns(CONSENTS[verb], words[verb])
    return tuple(
        Consent(verb, pattern, CONSENTS[verb]) for verb in verbs for pattern in words[verb]
    )


def _patterns(flag: str, patterns: tuple[str, ...]) -> None:
    from qdrantctl.model.consent import unusable
    from qdrantctl.model.errors import UsageError

    for pattern in patterns:
        if reason := unusable(pattern):
            raise UsageError(
                f"{flag} {pattern!r}: {reason}",
                hint="Addresses are KIND/NAME, as in collection/products; globs are allowed.",
            )


def shaping(words: dict[str, Any]) -> list[str]:
    """The flags given that shape a plan."""
    flags = {**CONSENTS, "target": "--target", "exclude": "--exclude", "files": "-f",
             "revert_drift": "--revert-drift", "allow_older": "--allow-older",
             "no_snapshot": "--no-safety-snapshot",
             "fail_on_loosening": "--fail-on-loosening",
             "fail_on_widening": "--fail-on-widening"}  # fmt: skip
    given = [flag for word, flag in flags.items() if words[word]]
    return given + (["--max-deletes"] if words["max_deletes"] is not None else [])


def settings(words: dict[str, Any], *, need_server: bool) -> Settings:
    """The settings that the common options name."""
    from datetime import date

    from qdrantctl.adapters.project.settings import resolve

    return resolve(
        directory=Path(words["directory"]),
        files=tuple(words["files"]),
        url=words["url"],
        environment=words["environment"],
        need_server=need_server,
        today=date.today(),
        environ=os.environ,
    )


def progress(verbose: int) -> Callable[[str], None]:
    """Tells what goes on: on a terminal in one changing line, with -v in lines of their own."""
    if verbose:
        return lambda words: click.echo(f"{words} …", err=True)
    if not sys.stderr.isatty():
        return lambda _: None
    return lambda words: click.echo(f"\r\x1b[2K{words} …", nl=False, err=True)


def starting(verbose: int) -> None:
    """The first words on a terminal, before anything heavy is imported."""
    progress(verbose)("starting")
    click.get_current_context().call_on_close(clear)


def clear() -> None:
    """Wipe the progress line."""
    if sys.stderr.isatty():
        click.echo("\r\x1b[2K", nl=False, err=True)


def on_call(verbose: int) -> Callable[[Call, int, float], None] | None:
    """With -vv every request is told: method, path, status, milliseconds. Never a header."""
    if verbose < 2:
        return None

    def tell(call: Call, status: int, seconds: float) -> None:
        click.echo(f"{call.method} {call.path} -> {status} ({seconds * 1000:.0f} ms)", err=True)

    return tell
