"""The flow of `keys replace-api-key`: what a new API key breaks, and the order that breaks least.

It only reads. The key is stored in the configuration of the nodes, where no API reaches it.
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
"""Since then `service.alt_api_key` is taken beside `service.api_key`."""

_ISSUE = (
    "Run `qdrantctl keys issue --all` with the new key, for each project and environment: the same "
    "generations, signed anew, into their sinks. Tokens without sinks are issued one by one."
)
_ROLLING = (
    "Set service.alt_api_key to the new key, and restart the nodes one after the other.",
    _ISSUE,
    "When every application has its new token, make the new key service.api_key, take alt_api_key "
    "out, and restart the nodes one after the other. Now the old key and its tokens are refused.",
)
_AT_ONCE = (
    "Have the new key ready where the nodes, qdrantctl and the applications find theirs.",
    "Set service.api_key to it on all nodes, and restart them together: from here on every old "
    "token is refused, and nodes with different keys cannot fetch snapshots from each other.",
    f"At once: {_ISSUE[0].lower()}{_ISSUE[1:]}",
    "Restart the applications that do not read their token again by themselves.",
)


def plan_api_key_rotation(client: Client, clock: Callable[[], datetime]) -> ApiKeyRotation:
    """What a new API key means here. Raises ClusterError."""
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


def _invalidated_tokens(memory: ledger.LedgerContents, now: datetime) -> Iterator[InvalidatedToken]:
    """Every token of every owner that holds now, as the ledger remembers them."""
    for address, entry in sorted(memory.entries.items()):
        if address.kind != KIND or entry.get("deleted"):
            continue
        owner = str(entry["owner"])
        for one in parse_generations(entry.get("generations") or ()):
            if one.id and not one.revoked and one.expires and now < one.expires:
                yield InvalidatedToken(
                    owner=owner,
                    name=address.name.removeprefix(f"{owner}/"),
                    generation=one.number,
                    expires=format_time(one.expires),
                )
