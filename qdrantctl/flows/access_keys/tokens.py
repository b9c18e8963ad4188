"""The flows of `keys`: issue, rotate, revoke and list tokens.

The scope of a token never comes from a manifest but from the ledger or the registry: it was
planned, reviewed and applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.tokens.signer import sign_token, signing_problem
from qdrantctl.flows.state.ledger_entry import HISTORY
from qdrantctl.flows.state.live import read_live, read_object_names, read_recorded_resources
from qdrantctl.model.access_keys.generation import (
    Generation,
    duration_seconds,
    parse_generations,
    registry_key_id,
)
from qdrantctl.model.access_keys.report import ListedGeneration, ListedKey
from qdrantctl.model.actor import Actor
from qdrantctl.model.client import Client, ReadRequest
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import format_time
from qdrantctl.model.object_names import ObjectNames
from qdrantctl.model.resource import Inventory

KIND = "access_key"
KEPT_AFTER_EXPIRY = timedelta(days=30)
"""How long an expired generation is kept in ledger and registry."""


@dataclass(frozen=True, slots=True)
class AppliedKey:
    """An applied key: its ledger entry and its generations."""

    name: str
    entry: Mapping[str, Json]
    generations: tuple[Generation, ...]
    """From the registry, or from the ledger if it is not revocable; the newest last."""

    @property
    def is_revocable(self) -> bool:
        """Whether the server looks up its tokens in the registry."""
        return bool(self.entry["spec"].get("revocable", True))


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token to deliver. Its repr does not contain the token."""

    name: str
    generation: Generation
    token: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.name!r})"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one owner on one cluster at one time."""

    client: Client
    owner: str
    identity: Actor
    now: datetime
    """The server's clock."""
    keys: dict[str, AppliedKey]
    """By name, with every change made through this keyring."""
    names: ObjectNames
    """The names of collections on the cluster."""
    ledger: bool
    """Whether a ledger exists: without it the applied keys are unknown."""

    def find_key(self, name: str) -> AppliedKey:
        """The key with this name. Raises QdrantctlError if none is applied."""
        if name in self.keys:
            return self.keys[name]
        applied = ", ".join(self.keys) or "none"
        raise QdrantctlError(
            f"no access key {name!r} of {self.owner} was applied to {self.client.server.url}",
            why=f"Applied are: {applied}.",
            hint="Declare it in a manifest, and apply.",
        )


def load_keyring(
    client: Client, owners: tuple[str, ...], actor: Actor, clock: Callable[[], datetime]
) -> Keyring:
    """Every applied key of the first owner; `clock` is the server's, after the first request.

    Keys recorded for a previous name belong to it until an apply has adopted them. Raises
    ClusterError.
    """
    ledger_contents = read_recorded_resources(client, owners)
    entries = {
        address: entry
        for address, entry in ledger_contents.entries.items()
        if address.kind == KIND and not entry.get("deleted") and entry["owner"] == owners[0]
    }
    recorded = Inventory(
        replace(ledger.parse_entry(entry), address=address) for address, entry in entries.items()
    )
    live = read_live(
        client, ReadRequest(Inventory(), recorded, only=frozenset(entries), owners=owners)
    )
    keys = {}
    for address, entry in sorted(entries.items()):
        generations = live[address].facts.generations if address in live else ()
        keys[address.name] = AppliedKey(address.name, entry, parse_generations(generations))
    names = read_object_names(ledger_contents)
    return Keyring(client, owners[0], actor, clock(), keys, names, ledger_contents.exists)


def require_signing_key(endpoint: Endpoint | None) -> Endpoint:
    """The endpoint whose key can sign. Raises QdrantctlError with the reason if none can."""
    if reason := signing_problem(endpoint):
        raise QdrantctlError(
            "no token can be issued",
            why=f"{reason[0].upper()}{reason[1:]}.",
            hint="Use the API key that the server was started with, and jwt_rbac: true.",
        )
    assert endpoint is not None
    return endpoint


def issue_token(ring: Keyring, name: str, endpoint: Endpoint) -> IssuedToken:
    """The token of the newest generation, the same each time. Raises QdrantctlError."""
    key = ring.find_key(name)
    newest = _newest_generation(ring, key)
    if newest.revoked or (newest.expires and ring.now >= newest.expires):
        raise QdrantctlError(
            f"generation {newest.number} of {name} is {newest.state(ring.now)}",
            hint=f"`qdrantctl keys rotate {name}` grants a new one.",
        )
    if not newest.id:
        newest = _activate_generation(ring, key, newest, "issue")
    return IssuedToken(name, newest, sign_token(newest, endpoint, revocable=key.is_revocable))


def rotate_token(ring: Keyring, name: str, endpoint: Endpoint) -> IssuedToken:
    """The token of a new generation; older ones get a grace period once it is delivered."""
    key = ring.find_key(name)
    newest = _newest_generation(ring, key)
    if newest.id or newest.revoked:
        newest = replace(
            newest, number=newest.number + 1, id="", issued=None, expires=None, ends=None,
            revoked=False, live=False,
        )  # fmt: skip
    issued = _activate_generation(ring, key, newest, "rotate")
    return IssuedToken(name, issued, sign_token(issued, endpoint, revocable=key.is_revocable))


def renew_due(ring: Keyring, name: str, endpoint: Endpoint) -> IssuedToken:
    """The token of a new generation if one is due, else of an undelivered generation."""
    late = ring.find_key(name).generations[-1].is_due(ring.now)
    return (rotate_token if late else issue_token)(ring, name, endpoint)


def start_grace_period(ring: Keyring, name: str) -> None:
    """Start the grace period of older generations, once the newest token is delivered.

    Until delivery a client has only the old token.
    """
    key = ring.find_key(name)
    if older := _superseded_without_end(key):
        grace = timedelta(seconds=duration_seconds(key.generations[-1].terms["grace"]))
        ends = ring.now.replace(microsecond=0) + grace
        _save_generations(
            ring, key, [replace(generation, ends=ends) for generation in older], "deliver"
        )


def revoke_older_generations(ring: Keyring, name: str) -> tuple[int, ...]:
    """Revoke every generation but the newest, without a grace period; their numbers."""
    key = ring.find_key(name)
    older = [generation for generation in key.generations[:-1] if not generation.revoked]
    if older:
        _save_generations(ring, key, [_revoked_copy(generation) for generation in older], "revoke")
    return tuple(generation.number for generation in older)


def require_revocable(ring: Keyring, name: str) -> AppliedKey:
    """The key with this name. Raises QdrantctlError if its tokens cannot be revoked."""
    key = ring.find_key(name)
    if not key.is_revocable:
        raise QdrantctlError(
            f"the tokens of {name} cannot be revoked: its manifest sets revocable: false",
            hint="They are valid until they expire, or until the server's API key is replaced.",
        )
    return key


def issuable_keys(ring: Keyring) -> tuple[str, ...]:
    """The keys whose token can be issued: all except revoked ones."""
    return tuple(
        name
        for name, key in ring.keys.items()
        if not (key.generations and key.generations[-1].revoked)
    )


def keys_due(ring: Keyring) -> tuple[str, ...]:
    """The keys whose newest generation is due for rotation, or was not delivered."""
    return tuple(
        name
        for name, key in ring.keys.items()
        if key.generations
        and not key.generations[-1].revoked
        and (key.generations[-1].is_due(ring.now) or _superseded_without_end(key))
    )


def end_grace_periods(ring: Keyring) -> tuple[str, ...]:
    """Revoke generations past their grace period; a message for each.

    Generations that expired long ago are deleted: no server accepts their tokens.
    """
    messages: list[str] = []
    for key in list(ring.keys.values()):
        over = [
            generation
            for generation in key.generations
            if generation.is_over(ring.now) and not generation.revoked
        ]
        over = over if key.is_revocable else []
        forgotten = [
            generation
            for generation in key.generations[:-1]
            if generation.expires and ring.now > generation.expires + KEPT_AFTER_EXPIRY
        ]
        if over or forgotten:
            _save_generations(
                ring, key, [_revoked_copy(generation) for generation in over], "revoke", forgotten
            )
            messages += [
                f"{key.name}: generation {generation.number} has ended" for generation in over
            ]
    return tuple(messages)


def revoke_generations(ring: Keyring, name: str, number: int | None) -> tuple[int, ...]:
    """Revoke one generation, or all, permanently. Raises QdrantctlError."""
    key = require_revocable(ring, name)
    selected = [generation for generation in key.generations if number in (None, generation.number)]
    if not selected:
        numbers = ", ".join(str(generation.number) for generation in key.generations) or "none"
        raise QdrantctlError(
            f"{name} has no generation {number}" if number else f"{name} has no generation",
            why=f"The registry has: {numbers}.",
        )
    _save_generations(ring, key, [_revoked_copy(generation) for generation in selected], "revoke")
    return tuple(generation.number for generation in selected)


def list_keys(ring: Keyring) -> tuple[ListedKey, ...]:
    """Every key with its generations."""
    return tuple(
        ListedKey(
            name=key.name,
            revocable=key.is_revocable,
            generations=tuple(_list_generations(key, ring.now)),
        )
        for key in ring.keys.values()
    )


def _list_generations(key: AppliedKey, now: datetime) -> Iterator[ListedGeneration]:
    registered = {generation.number: generation for generation in key.generations}
    remembered = {
        generation.number: generation
        for generation in parse_generations(key.entry.get("generations") or ())
    }
    for number in sorted({*registered, *remembered}):
        generation = registered.get(number) or remembered[number]
        yield ListedGeneration(
            number=number,
            state=generation.state(now) if number in registered else "missing",
            access=generation.access,
            issued=format_time(generation.issued) if generation.issued else "",
            expires=format_time(generation.expires) if generation.expires else "",
            ends=format_time(generation.ends) if generation.ends else "",
        )


def _newest_generation(ring: Keyring, key: AppliedKey) -> Generation:
    """The generation to issue a token of. Raises QdrantctlError if an apply is needed first."""
    if key.entry.get("pending"):
        raise QdrantctlError(
            f"an apply of {key.name} was interrupted", hint="Apply again, then issue its token."
        )
    if key.is_revocable and not key.generations:
        raise QdrantctlError(
            f"the registry on {ring.client.server.url} has no entry of {key.name}",
            why="It was deleted there; every token of it is refused.",
            hint="Apply grants a new generation; then issue its token.",
        )
    spec = key.entry["spec"]
    if key.is_revocable:
        newest = key.generations[-1]
        if (newest.access, newest.subject) != (spec["access"], spec.get("subject", "")):
            raise QdrantctlError(
                f"the permissions of {key.name} in the registry differ from the applied ones",
                why="They were changed in the registry; no token is signed with them.",
                hint="`qdrantctl plan` shows the changes, apply reverts them.",
            )
        return newest
    first = Generation(
        key=registry_key_id(ring.owner, key.name),
        number=1,
        access=spec["access"],
        subject=spec.get("subject", ""),
        terms={field: spec[field] for field in ("ttl", "rotate_before", "grace") if field in spec},
    )
    if not key.generations:
        return first
    last = key.generations[-1]
    is_same_scope = last.access == first.access and last.subject == first.subject
    ended = last.expires is not None and ring.now >= last.expires
    return last if is_same_scope and not ended else replace(first, number=last.number + 1)


def _activate_generation(
    ring: Keyring, key: AppliedKey, newest: Generation, action: str
) -> Generation:
    """Give a generation an id and an expiry, and save it."""
    length = timedelta(seconds=duration_seconds(newest.terms["ttl"]))
    now = ring.now.replace(microsecond=0)
    issued = replace(
        newest,
        names=ring.names.list_other_names(newest.access),
        id=str(uuid4()),
        issued=now,
        expires=now + length,
        names_subject=True,
        live=True,
    )
    _save_generations(ring, key, [issued], action)
    return issued


def _superseded_without_end(key: AppliedKey) -> list[Generation]:
    """Older generations without a grace period: the newest token may be undelivered."""
    if not key.is_revocable or not key.generations[-1].id:
        return []
    return [
        generation
        for generation in key.generations[:-1]
        if generation.id and not generation.revoked and generation.ends is None
    ]


def _revoked_copy(generation: Generation) -> Generation:
    return replace(generation, revoked=True, live=False)


def _save_generations(
    ring: Keyring,
    key: AppliedKey,
    changed: list[Generation],
    action: str,
    forgotten: Sequence[Generation] = (),
) -> None:
    """Write generations to the ledger and to the registry.

    A grant is written to the ledger first, a revocation to the registry first: with a node down
    each write may take ten seconds.
    """
    who, entry = ring.identity, dict(key.entry)
    before = parse_generations(entry.get("generations") or ())
    after = {generation.number: generation for generation in (*before, *key.generations, *changed)}
    for generation in forgotten:
        after.pop(generation.number, None)
    line = {
        "when": ring.now.isoformat(timespec="seconds"), **who.document,
        "action": action, "digest": entry.get("digest", ""),
        "schema_version": entry.get("schema_version", 0),
    }  # fmt: skip
    entry["generations"] = [after[number].document() for number in sorted(after)]
    entry["history"] = [*(entry.get("history") or ()), line][-HISTORY:]
    revoking = all(generation.revoked for generation in changed)
    if key.is_revocable and revoking:
        registry.write_generations(ring.client, changed, forgotten)
    ledger.write_entries(ring.client, [entry])
    if key.is_revocable and not revoking:
        registry.write_generations(ring.client, changed, forgotten)
    numbers = {generation.number for generation in (*key.generations, *changed)} & after.keys()
    generations = tuple(after[number] for number in sorted(numbers))
    ring.keys[key.name] = AppliedKey(key.name, entry, generations)
