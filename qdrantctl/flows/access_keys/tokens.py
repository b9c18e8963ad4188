"""The flows of `keys`: issuing, rotating and revoking tokens under the lease; listing them.

A scope is never taken from a manifest: what is minted was planned, reviewed and applied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from qdrantctl.adapters.qdrant import key_registry as registry
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.qdrant.client import Endpoint
from qdrantctl.adapters.tokens.signer import sign_token, signing_problem
from qdrantctl.flows.state.ledger_entry import HISTORY
from qdrantctl.flows.state.live import read_live, read_recorded_resources
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
from qdrantctl.model.resource import Inventory

KIND = "access_key"
FORGOTTEN = timedelta(days=30)
"""After this long an expired generation is no longer remembered."""


@dataclass(frozen=True, slots=True)
class AppliedKey:
    """A key as it was applied: its entry in the ledger, and its generations."""

    name: str
    entry: Mapping[str, Json]
    known: tuple[Generation, ...]
    """Of the registry, or of the ledger where it cannot be revoked; the newest last."""

    @property
    def is_revocable(self) -> bool:
        """Whether the server looks its tokens up."""
        return bool(self.entry["spec"].get("revocable", True))


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token, on its way to where it belongs. Nothing prints one of these."""

    name: str
    generation: Generation
    token: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.name!r})"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of one owner, on one cluster, at one time."""

    client: Client
    owner: str
    identity: Actor
    now: datetime
    """The server's clock."""
    keys: dict[str, AppliedKey]
    """By name, with every change made through this keyring."""
    ledger: bool
    """Whether a ledger exists: without it the applied keys are unknown."""

    def find_key(self, name: str) -> AppliedKey:
        """The key of a name. Raises QdrantctlError."""
        if name in self.keys:
            return self.keys[name]
        known = ", ".join(self.keys) or "none"
        raise QdrantctlError(
            f"no access key {name!r} of {self.owner} was applied to {self.client.server.url}",
            why=f"Applied are: {known}.",
            hint="Declare it in a manifest, and apply.",
        )


def load_keyring(
    client: Client, owners: tuple[str, ...], actor: Actor, clock: Callable[[], datetime]
) -> Keyring:
    """Every applied key of the first owner; `clock` is the server's, after the first request.

    Raises ClusterError.
    """
    memory = read_recorded_resources(client, owners)
    entries = {
        address: entry
        for address, entry in memory.entries.items()
        if address.kind == KIND and not entry.get("deleted") and entry["owner"] in owners
    }
    recorded = Inventory(
        replace(ledger.parse_entry(entry), address=address) for address, entry in entries.items()
    )
    live = read_live(
        client, ReadRequest(Inventory(), recorded, only=frozenset(entries), owners=owners)
    )
    found = {}
    for address, entry in sorted(entries.items()):
        known = live[address].facts.generations if address in live else ()
        found[address.name] = AppliedKey(address.name, entry, parse_generations(known))
    return Keyring(client, owners[0], actor, clock(), found, memory.exists)


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
    """The token of the newest generation; the same one each time. Raises QdrantctlError."""
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
    """A new generation beside the old ones, which have their grace once it is delivered."""
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
    """What is due: a new generation, or once more the token of one that was not delivered."""
    late = ring.find_key(name).known[-1].is_due(ring.now)
    return (rotate_token if late else issue_token)(ring, name, endpoint)


def start_grace_period(ring: Keyring, name: str) -> None:
    """Give the older generations their grace: the newest token is where it belongs.

    Not before that: a client that waits for the new token has only the old one.
    """
    key = ring.find_key(name)
    if older := _superseded_without_end(key):
        grace = timedelta(seconds=duration_seconds(key.known[-1].terms["grace"]))
        ends = ring.now.replace(microsecond=0) + grace
        _save_generations(ring, key, [replace(one, ends=ends) for one in older], "deliver")


def issuable_keys(ring: Keyring) -> tuple[str, ...]:
    """The keys whose token can be issued: all but the revoked."""
    return tuple(
        name for name, key in ring.keys.items() if not (key.known and key.known[-1].revoked)
    )


def keys_due(ring: Keyring) -> tuple[str, ...]:
    """The keys whose newest generation should be followed by another, or was not delivered."""
    return tuple(
        name
        for name, key in ring.keys.items()
        if key.known
        and not key.known[-1].revoked
        and (key.known[-1].is_due(ring.now) or _superseded_without_end(key))
    )


def end_grace_periods(ring: Keyring) -> tuple[str, ...]:
    """Revoke generations past their grace period; a message for each.

    What expired long ago is forgotten: no server takes such a token, revoked or not.
    """
    messages: list[str] = []
    for key in list(ring.keys.values()):
        over = [one for one in key.known if one.is_over(ring.now) and not one.revoked]
        over = over if key.is_revocable else []
        gone = [one for one in key.known[:-1] if one.expires and ring.now > one.expires + FORGOTTEN]
        if over or gone:
            _save_generations(ring, key, [_revoked_copy(one) for one in over], "revoke", gone)
            messages += [f"{key.name}: generation {one.number} has ended" for one in over]
    return tuple(messages)


def revoke_generations(ring: Keyring, name: str, number: int | None) -> tuple[int, ...]:
    """Revoke one generation, or all; what is revoked stays so. Raises QdrantctlError."""
    key = ring.find_key(name)
    if not key.is_revocable:
        raise QdrantctlError(
            f"the tokens of {name} cannot be revoked: it says revocable: false",
            hint="They end when they expire, or when the server's API key is replaced.",
        )
    selected = [one for one in key.known if number in (None, one.number)]
    if not selected:
        known = ", ".join(str(one.number) for one in key.known) or "none"
        raise QdrantctlError(
            f"{name} has no generation {number}" if number else f"{name} has no generation",
            why=f"The registry has: {known}.",
        )
    _save_generations(ring, key, [_revoked_copy(one) for one in selected], "revoke")
    return tuple(one.number for one in selected)


def list_keys(ring: Keyring) -> tuple[ListedKey, ...]:
    """Every key with its generations."""
    return tuple(
        ListedKey(
            name=key.name,
            revocable=key.is_revocable,
            generations=tuple(_list_key(key, ring.now)),
        )
        for key in ring.keys.values()
    )


def _list_key(key: AppliedKey, now: datetime) -> Iterator[ListedGeneration]:
    registered = {one.number: one for one in key.known}
    remembered = {one.number: one for one in parse_generations(key.entry.get("generations") or ())}
    for number in sorted({*registered, *remembered}):
        one = registered.get(number) or remembered[number]
        yield ListedGeneration(
            number=number,
            state=one.state(now) if number in registered else "missing",
            access=one.access,
            issued=format_time(one.issued) if one.issued else "",
            expires=format_time(one.expires) if one.expires else "",
            ends=format_time(one.ends) if one.ends else "",
        )


def _newest_generation(ring: Keyring, key: AppliedKey) -> Generation:
    """The generation whose token is meant. Raises QdrantctlError where apply comes first."""
    if key.entry.get("pending"):
        raise QdrantctlError(
            f"an apply of {key.name} was interrupted", hint="Apply again, then issue its token."
        )
    if key.is_revocable and not key.known:
        raise QdrantctlError(
            f"the registry of {ring.client.server.url} does not have {key.name}",
            why="It was deleted there; every token of it is refused.",
            hint="Apply grants a new generation; then issue its token.",
        )
    spec = key.entry["spec"]
    if key.is_revocable:
        newest = key.known[-1]
        if (newest.access, newest.subject) != (spec["access"], spec.get("subject", "")):
            raise QdrantctlError(
                f"the registry says otherwise what {key.name} may do than was applied",
                why="It was changed there; no token is signed from that.",
                hint="`qdrantctl plan` shows what changed, apply puts it back.",
            )
        return newest
    first = Generation(
        key=registry_key_id(ring.owner, key.name),
        number=1,
        access=spec["access"],
        subject=spec.get("subject", ""),
        terms={field: spec[field] for field in ("ttl", "rotate_before", "grace") if field in spec},
    )
    if not key.known:
        return first
    last = key.known[-1]
    same = last.access == first.access and last.subject == first.subject
    ended = last.expires is not None and ring.now >= last.expires
    return last if same and not ended else replace(first, number=last.number + 1)


def _activate_generation(
    ring: Keyring, key: AppliedKey, newest: Generation, action: str
) -> Generation:
    """A generation with an id and an end; written."""
    length = timedelta(seconds=duration_seconds(newest.terms["ttl"]))
    now = ring.now.replace(microsecond=0)
    issued = replace(newest, id=str(uuid4()), issued=now, expires=now + length, live=True)
    _save_generations(ring, key, [issued], action)
    return issued


def _superseded_without_end(key: AppliedKey) -> list[Generation]:
    """What stands beside a newer generation whose token is not known to be delivered."""
    if not key.is_revocable or not key.known[-1].id:
        return []
    return [one for one in key.known[:-1] if one.id and not one.revoked and one.ends is None]


def _revoked_copy(one: Generation) -> Generation:
    return replace(one, revoked=True, live=False)


def _save_generations(
    ring: Keyring,
    key: AppliedKey,
    changed: list[Generation],
    action: str,
    gone: Sequence[Generation] = (),
) -> None:
    """Write generations to the ledger and to the registry.

    What is granted is remembered first. What is revoked is revoked first: with a node down each
    write may take ten seconds.
    """
    who, entry = ring.identity, dict(key.entry)
    before = parse_generations(entry.get("generations") or ())
    after = {one.number: one for one in (*before, *key.known, *changed)}
    for one in gone:
        after.pop(one.number, None)
    line = {
        "when": ring.now.isoformat(timespec="seconds"), "who": who.who,
        "commit": who.commit, "run": who.run,
        "action": action, "digest": entry.get("digest", ""),
        "schema_version": entry.get("schema_version", 0),
    }  # fmt: skip
    entry["generations"] = [after[number].document() for number in sorted(after)]
    entry["history"] = [*(entry.get("history") or ()), line][-HISTORY:]
    revoking = all(one.revoked for one in changed)
    if key.is_revocable and revoking:
        registry.write_generations(ring.client, changed, gone)
    ledger.write_entries(ring.client, [entry])
    if key.is_revocable and not revoking:
        registry.write_generations(ring.client, changed, gone)
    numbers = {one.number for one in (*key.known, *changed)} & after.keys()
    known = tuple(after[number] for number in sorted(numbers))
    ring.keys[key.name] = AppliedKey(key.name, entry, known)
