"""The flow of `keys check`: the claims of a token, and the requests that the cluster allows.

No request changes data: write requests delete a payload field from no point, or refer to a
collection or a snapshot that does not exist. The server's response shows whether it would have
allowed the request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from qdrantctl.adapters.project.connection import check_token_target
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.refusals import (
    EXPIRED,
    REVOKED,
    SIGNED_WITH_ANOTHER_KEY,
    WRONG_SIGNATURE,
)
from qdrantctl.adapters.tokens.signer import read_claims
from qdrantctl.flows.cluster.connect import find_endpoint
from qdrantctl.model.access_keys.generation import (
    EVERYWHERE,
    GRANTS,
    REGISTRY_COLLECTION,
    list_abilities,
)
from qdrantctl.model.access_keys.report import CheckedToken, TokenProbe
from qdrantctl.model.address import OWN_PREFIX
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.lease import format_time
from qdrantctl.model.step import Call, collection_path

_NONE = f"{OWN_PREFIX}_check"
"""A name that does not exist."""
_NO_POINT: Json = {"must": [{"has_id": []}]}

_WHY = {EXPIRED: "it has expired", WRONG_SIGNATURE: SIGNED_WITH_ANOTHER_KEY}


def check_token(
    settings: Settings, token: str, also: tuple[str, ...], environ: Mapping[str, str]
) -> CheckedToken:
    """Check a token on the server of these settings, as `inspect_token` does.

    Raises SettingsError for a server to which no token may be sent.
    """
    endpoint = find_endpoint(settings)
    check_token_target(endpoint, environ)
    return inspect_token(token, endpoint, also)


def inspect_token(token: str, endpoint: Endpoint, also: tuple[str, ...]) -> CheckedToken:
    """The claims and permissions of a token; `also` are additional collections to test.

    Raises QdrantctlError if it is not a token, ClusterError if the server does not answer.
    """
    claims = read_claims(token)
    access = _parse_access(claims.get("access", "m"))
    expires = claims.get("exp", 0)
    checked = CheckedToken(
        subject=str(claims.get("sub") or ""),
        expires=_format_seconds(expires),
        revocable="value_exists" in claims,
        access=access,
        warnings=tuple(_token_warnings(claims)),
    )
    with RestClient(replace(endpoint, api_key=token)) as client:
        if refused := _refusal_reason(client):
            return checked.model_copy(update={"refused": refused})
        probes = list(_probe_cluster(client, access))
        names = [name for name in access if name != EVERYWHERE]
        for name in dict.fromkeys([*names, *also]):
            probes += _probe_collection(client, access, name)
    return checked.model_copy(update={"probes": tuple(probes)})


def _format_seconds(seconds: Json) -> str:
    usual = type(seconds) is int and 0 < seconds < 2**37
    return format_time(datetime.fromtimestamp(seconds, UTC)) if usual else ""


def _parse_access(claim: Json) -> Mapping[str, str]:
    """The claim as a scope, without the parts that the server cannot read."""
    if isinstance(claim, str):
        return {EVERYWHERE: claim} if claim in GRANTS else {}
    entries = claim if isinstance(claim, list) else []
    return {
        str(entry["collection"]): str(entry["access"])
        for entry in entries
        if isinstance(entry, dict) and {"collection", "access"} <= entry.keys()
    }


def _token_warnings(claims: Mapping[str, Json]) -> Iterator[str]:
    if "access" not in claims:
        yield "it has no access claim, so the server allows it everything"
    if "exp" not in claims:
        yield "it never expires"
    if "nbf" in claims:
        yield "the server ignores nbf and accepts the token before that time, too"
    exists = claims.get("value_exists")
    if isinstance(exists, dict) and exists.get("matches") == []:
        yield "its value_exists matches anything, so it cannot be revoked"


def _refusal_reason(client: RestClient) -> str:
    """Why the server rejects the token; empty if it accepts the token."""
    try:
        client.request(Call(method="GET", path="/collections"))
    except ClusterError as error:
        if not (error.forbidden or error.unauthorized):
            raise
        if REVOKED in error.why and error.forbidden:
            return f"the registry it depends on is missing ({REGISTRY_COLLECTION})"
        if REVOKED in error.why:
            return "it was revoked: its generation is no longer in the registry"
        why = next((why for fragment, why in _WHY.items() if fragment in error.why), "")
        return why or "the server rejects the token; is service.jwt_rbac enabled there?"
    return ""


def _probe_cluster(client: RestClient, access: Mapping[str, str]) -> Iterator[TokenProbe]:
    may = list_abilities(access, EVERYWHERE)
    yield _run_probe(
        client, EVERYWHERE, "see the whole cluster", may, Call(method="GET", path="/cluster")
    )
    manage = "make, change and delete collections and aliases"
    change = Call(method="PATCH", path=collection_path(_NONE), body={"optimizers_config": {}})
    yield _run_probe(client, EVERYWHERE, manage, may, change)


def _probe_collection(
    client: RestClient, access: Mapping[str, str], name: str
) -> Iterator[TokenProbe]:
    may = list_abilities(access, name)
    calls = {
        "read points and settings": Call(
            method="POST",
            path=collection_path(name, "points", "count"),
            body={"exact": False, "filter": _NO_POINT},
        ),
        "download snapshots": Call(method="GET", path=collection_path(name, "snapshots")),
        "write points": Call(
            method="POST",
            path=collection_path(name, "points", "payload", "delete"),
            query={"wait": "true"},
            body={"keys": [_NONE], "filter": _NO_POINT},
        ),
        "make and delete snapshots": Call(
            method="DELETE", path=collection_path(name, "snapshots", _NONE)
        ),
    }
    exists = _name_exists(client, name)
    for action, call in calls.items():
        yield _run_probe(client, name, action, may, call, exists=exists)


def _name_exists(client: RestClient, name: str) -> bool:
    """Whether the collection or alias exists, as far as this token can see."""
    try:
        client.request(Call(method="GET", path=collection_path(name)))
    except ClusterError as error:
        return not error.not_found
    return True


def _run_probe(
    client: RestClient,
    name: str,
    action: str,
    may: tuple[str, ...],
    call: Call,
    *,
    exists: bool = True,
) -> TokenProbe:
    """Whether the server allows a request. It checks permission before existence."""
    allowed: bool | None = True
    try:
        client.request(call)
    except ClusterError as error:
        if error.forbidden or error.unauthorized:
            allowed = False
        elif not error.from_qdrant or error.status >= 429:
            allowed = None
    return TokenProbe(
        name=name, action=action, claimed=action in may, allowed=allowed if exists else None
    )
