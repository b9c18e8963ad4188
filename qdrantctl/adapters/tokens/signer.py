"""Tokens of keys: signed with the cluster's API key, and read.

A token always carries what it may do: to the server none of that means every right.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from qdrantctl.adapters.qdrant.client import Endpoint, RestClient
from qdrantctl.adapters.qdrant.exchange import UNAUTHORIZED
from qdrantctl.adapters.qdrant.jwt_tokens import decode_token, encode_token
from qdrantctl.model.access_keys.generation import (
    MATCHED,
    REGISTRY_COLLECTION,
    Generation,
    access_claim,
)
from qdrantctl.model.errors import FORBIDDEN, ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call

_PROBED = timedelta(minutes=5)
_ACCEPTED = 200


def sign_token(generation: Generation, endpoint: Endpoint, *, revocable: bool) -> str:
    """The token of a generation that was issued: the same one each time."""
    assert generation.expires is not None
    claims: dict[str, Json] = {
        "access": access_claim(generation.access),
        "exp": int(generation.expires.timestamp()),
        "sub": generation.subject or generation.key,
    }
    if generation.issued:
        claims["iat"] = int(generation.issued.timestamp())
    if revocable:
        found = {"key": MATCHED, "value": generation.id}
        claims["value_exists"] = {"collection": REGISTRY_COLLECTION, "matches": [found]}
    return encode_token(claims, endpoint.api_key or "")


def read_claims(token: str) -> Mapping[str, Json]:
    """What a token claims, whoever signed it. Raises QdrantctlError for what is none."""
    claims = decode_token(token)
    if claims is None:
        raise QdrantctlError(
            "this is not a token",
            why="A token is three words of letters and digits with dots between, a JSON Web Token.",
            hint="Give it on standard input and nothing else: keys check < token.",
        )
    return claims


def signing_problem(endpoint: Endpoint | None) -> str:
    """Why the cluster takes no token signed with this key; empty when it does.

    Asks with tokens that may see nothing. Raises ClusterError where nobody answers.
    """
    if endpoint is None or endpoint.api_key is None:
        return "no API key is given, and the cluster may ask for none"
    if decode_token(endpoint.api_key) is not None:
        return (
            "the API key given is itself a token, as Qdrant Cloud hands out; only the key that the "
            "server was started with can sign"
        )
    forged = _request_with_token(endpoint, os.urandom(32).hex())
    if forged == UNAUTHORIZED:
        return "the server takes no tokens: service.jwt_rbac is not switched on"
    if forged != FORBIDDEN:
        return "the server takes any token, as no API key is set there"
    if _request_with_token(endpoint, endpoint.api_key) != _ACCEPTED:
        return (
            "the API key given is a read-only one, or not the one that the server was started "
            "with; tokens signed with it are refused"
        )
    return ""


def _request_with_token(endpoint: Endpoint, secret: str) -> int:
    """The status for a token that is signed with `secret` and may see nothing."""
    ends = datetime.now(UTC) + _PROBED
    token = encode_token({"access": [], "exp": int(ends.timestamp()), "sub": "qdrantctl"}, secret)
    with RestClient(replace(endpoint, api_key=token)) as client:
        try:
            client.request(Call(method="GET", path="/collections"))
        except ClusterError as error:
            if error.status not in (UNAUTHORIZED, FORBIDDEN):
                raise
            return error.status
    return _ACCEPTED
