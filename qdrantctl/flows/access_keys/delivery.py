"""The flows of `keys issue` and `keys rotate`: create tokens and deliver them to their sinks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.tokens.sinks import write_to_sink
from qdrantctl.flows.access_keys.tokens import (
    IssuedToken,
    Keyring,
    end_grace_periods,
    issuable_keys,
    issue_token,
    keys_due,
    load_keyring,
    renew_due,
    require_revocable,
    require_signing_key,
    revoke_older_generations,
    rotate_token,
    start_grace_period,
)
from qdrantctl.flows.cluster.connect import connect, find_endpoint
from qdrantctl.flows.lease import LeaseWait, current_actor, hold_lease
from qdrantctl.flows.state.desired import load_desired_state
from qdrantctl.model.errors import ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import format_time
from qdrantctl.model.step import Call

Sink = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class KeyJob:
    """A command that issues or rotates tokens."""

    settings: Settings
    wait: LeaseWait
    notify: Callable[[str], None]
    """Gets a line for the operator; never a token."""
    print_token: Callable[[str], None]
    """Gets a token that has no sink."""
    on_request: Callable[[Call, int, float], None] | None = None


def issue_tokens(job: KeyJob, name: str | None) -> int:
    """Issue and deliver the token of one key, or of every key that has sinks. The exit code.

    Raises QdrantctlError.
    """
    sinks = read_sinks(job.settings)
    with open_keyring(job.settings, job.wait, job.on_request) as keyring:
        endpoint = require_signing_key(find_endpoint(job.settings))

        def deliver(key: str) -> None:
            deliver_token(issue_token(keyring, key, endpoint), keyring, job, sinks.get(key, ()))

        if name is None:
            return _deliver_each(issuable_keys(keyring), sinks, deliver, "issue", job.notify)
        deliver(name)
        return 0


def rotate_tokens(job: KeyJob, name: str | None, *, now: bool = False) -> int:
    """Rotate and deliver the token of one key, or of every key that is due. The exit code.

    Generations that are past their grace period are revoked first. With `now` those before the new
    one of the named key are revoked once its token is delivered. Raises QdrantctlError.
    """
    sinks = read_sinks(job.settings)
    with open_keyring(job.settings, job.wait, job.on_request) as keyring:
        endpoint = require_signing_key(find_endpoint(job.settings))
        if name and now:
            require_revocable(keyring, name)
        for line in end_grace_periods(keyring):
            job.notify(line)
        make = rotate_token if name else renew_due

        def deliver(key: str) -> None:
            deliver_token(make(keyring, key, endpoint), keyring, job, sinks.get(key, ()))

        if name is None:
            names = keys_due(keyring)
            if not names:
                job.notify("No rotation is due.")
            return _deliver_each(names, sinks, deliver, "rotate", job.notify)
        deliver(name)
        if now and (numbers := revoke_older_generations(keyring, name)):
            job.notify(f"{name}: revoked {describe_generations(numbers)}")
        return 0


def describe_generations(numbers: Sequence[int]) -> str:
    """`generation 2`, `generations 1, 2`."""
    word = "generation" if len(numbers) == 1 else "generations"
    return f"{word} {', '.join(map(str, numbers))}"


@contextmanager
def open_keyring(
    settings: Settings, wait: LeaseWait, on_request: Callable[[Call, int, float], None] | None
) -> Iterator[Keyring]:
    """The keys of this owner, under its lease. Raises LeaseError, ClusterError."""
    actor = current_actor(settings)
    with (
        connect(settings, on_request) as client,
        hold_lease(client, settings.owner, actor, wait) as guarded,
    ):
        yield load_keyring(guarded, settings.owners, actor, lambda: client.server_time)


def read_sinks(settings: Settings) -> dict[str, Sequence[Sink]]:
    """The token sinks in the manifests, by key name. Raises ManifestError."""
    if not settings.manifests:
        return {}
    resources = load_desired_state(settings).inventory
    return {
        address.name: resource.declared.get("sinks", ())
        for address, resource in resources.items()
        if address.kind == "access_key"
    }


def deliver_token(
    issued: IssuedToken, keyring: Keyring, job: KeyJob, sinks: Sequence[Sink]
) -> None:
    """Deliver a token to its sinks, or to the caller if it has none.

    Older generations get their grace period only then: until delivery clients have only the old
    token. Raises SettingsError if a sink fails.
    """
    places = [write_to_sink(issued.token, sink, job.settings.root, os.environ) for sink in sinks]
    expires = issued.generation.expires
    line = f"{issued.name}: generation {issued.generation.number}"
    line += f", valid until {format_time(expires)}" if expires else ""
    job.notify(f"{line}{': ' if places else ''}{', '.join(places)}")
    if not sinks:
        job.print_token(issued.token)
    start_grace_period(keyring, issued.name)


def _deliver_each(
    names: Sequence[str],
    sinks: Mapping[str, Sequence[Sink]],
    deliver: Callable[[str], None],
    verb: str,
    notify: Callable[[str], None],
) -> int:
    """Deliver the token of every key that has sinks; continue after failures.

    The exit code is that of the last failure. Raises ClusterError.
    """
    exit_code = 0
    for name in names:
        if not sinks.get(name):
            notify(f"{name}: has no sinks; `qdrantctl keys {verb} {name}` prints its token.")
            continue
        try:
            deliver(name)
        except ClusterError:
            raise
        except QdrantctlError as error:
            notify(f"{name}: {error.what}. {error.hint}")
            exit_code = error.exit_code
    return exit_code
