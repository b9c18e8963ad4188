"""The flow of `keys replace-api-key`: tokens that a new API key invalidates, and the safest order.

It only reads. The key is part of the configuration of the nodes, which no API can change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from qdrantctl.adapters.qdrant import ledger
from qdrantctl.flows.access_keys.tokens import KIND
from qdrantctl.model.access_keys.generation import parse_generations
from qdrantctl.model.access_keys.report import ApiKeyRotation, InvalidatedToken
from qdrantctl.model.client import Client
from qdrantctl.model.lease import format_time
from qdrantctl.model.server import Version

SECOND_KEY = Version(1, 17, 0)
"""First version that accepts `service.alt_api_key` in addition to `service.api_key`."""

_ISSUE = (
    "Run `qdrantctl keys issue --all` with the new key, for each project and environment: the same "
    "generations, signed again and written to their sinks. Issue tokens without sinks one by one."
)
_ROLLING = (
    "Set service.alt_api_key to the new key, and restart the nodes one after the other.",
    _ISSUE,
    "When every application has its new token, set service.api_key to the new key, remove "
    "alt_api_key, and restart the nodes one after the other. Now the old key and its tokens are "
    "refused.",
)
_AT_ONCE = (
    "Store the new key where the nodes, qdrantctl and the applications read theirs.",
    "Set service.api_key to it on all nodes, and restart them together: from now on every old "
    "token is refused, and nodes with different keys cannot fetch snapshots from each other.",
    f"At once: {_ISSUE[0].lower()}{_ISSUE[1:]}",
    "Restart the applications that do not reload their token automatically.",
)


def plan_api_key_rotation(client: Client, clock: Callable[[], datetime]) -> ApiKeyRotation:
    """The tokens that a new API key invalidates, and the steps. Raises ClusterError."""
    ledger_contents = ledger.read_ledger(client)
    rolling = client.server.version >= SECOND_KEY
    return ApiKeyRotation(
        url=client.server.url,
        version=str(client.server.version),
        nodes=client.server.peers,
        rolling=rolling,
        broken=tuple(_invalidated_tokens(ledger_contents, clock())),
        steps=_ROLLING if rolling else _AT_ONCE,
    )


def _invalidated_tokens(
    ledger_contents: ledger.LedgerContents, now: datetime
) -> Iterator[InvalidatedToken]:
    """Every valid token of every owner, according to the ledger."""
    for address, entry in sorted(ledger_contents.entries.items()):
        if address.kind != KIND or entry.get("deleted"):
            continue
        owner = str(entry["owner"])
        for generation in parse_generations(entry.get("generations") or ()):
            if (
                generation.id
                and not generation.revoked
                and generation.expires
                and now < generation.expires
            ):
                yield InvalidatedToken(
                    owner=owner,
                    name=address.name.removeprefix(f"{owner}/"),
                    generation=generation.number,
                    expires=format_time(generation.expires),
                )
