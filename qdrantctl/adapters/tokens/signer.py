"""Tokens of keys: signing with the cluster's API key, and reading.

A token always contains an access claim: for the server, a missing claim means full access.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.jwt_tokens import decode_token, encode_token
from qdrantctl.model.access_keys.generation import (
    MATCHED,
    REGISTRY_COLLECTION,
    Generation,
    access_claim,
)
from qdrantctl.model.errors import FORBIDDEN, UNAUTHORIZED, ClusterError, QdrantctlError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.step import Call

_PROBE_LIFETIME = timedelta(minutes=5)
_OK = 200
_NO_KEY = "no API key is configured, and the cluster may not require one"


def sign_token(generation: Generation, endpoint: Endpoint, *, revocable: bool) -> str:
    """The token of an issued generation: every call returns the same one."""
    assert generation.expires is not None
    claims: dict[str, Json] = {
        "access": access_claim(generation),
        "exp": int(generation.expires.timestamp()),
        "sub": generation.subject or generation.key,
    }
    if generation.names_subject:
        claims["subject"] = claims["sub"]  # the claim that the server's audit log records
    if generation.issued:
        claims["iat"] = int(generation.issued.timestamp())
    if revocable:
        condition = {"key": MATCHED, "value": generation.id}
        claims["value_exists"] = {"collection": REGISTRY_COLLECTION, "matches": [condition]}
    return encode_token(claims, endpoint.api_key or "")


def read_claims(token: str) -> Mapping[str, Json]:
    """The claims of a token; the signature is not checked. Raises QdrantctlError for other text."""
    claims = decode_token(token)
    if claims is None:
        raise QdrantctlError(
            "this is not a token",
            why="A token is a JSON Web Token: three parts of letters and digits, joined by dots.",
            hint="Pass the token alone on standard input: keys check < token.",
        )
    return claims


def signing_problem(endpoint: Endpoint | None) -> str:
    """Why the cluster rejects tokens signed with this key; empty if it accepts them.

    Sends tokens without any access. Raises ClusterError without a response.
    """
    if endpoint is None or endpoint.api_key is None:
        return _NO_KEY
    if decode_token(endpoint.api_key) is not None:
        return (
            "the configured API key is itself a token, as issued by Qdrant Cloud; only the key "
            "that the server was started with can sign"
        )
    if reason := token_support_problem(endpoint):
        return reason
    if _request_with_token(endpoint, endpoint.api_key) != _OK:
        return (
            "the configured API key is read-only, or not the one that the server was started "
            "with; tokens signed with it are refused"
        )
    return ""


def token_support_problem(endpoint: Endpoint | None) -> str:
    """Why the cluster accepts no token of any signing key; empty if it accepts tokens.

    A read-only key is enough to tell. Raises ClusterError without a response.
    """
    if endpoint is None or endpoint.api_key is None:
        return _NO_KEY
    forged = _request_with_token(endpoint, os.urandom(32).hex())
    if forged == UNAUTHORIZED:
        return "the server does not accept tokens: service.jwt_rbac is not enabled"
    if forged != FORBIDDEN:
        return "the server accepts any token, because it has no API key"
    return ""


def _request_with_token(endpoint: Endpoint, secret: str) -> int:
    """The status of a request with a token that is signed with `secret` and grants no access."""
    ends = datetime.now(UTC) + _PROBE_LIFETIME
    token = encode_token({"access": [], "exp": int(ends.timestamp()), "sub": "qdrantctl"}, secret)
    with RestClient(replace(endpoint, api_key=token)) as client:
        try:
            client.request(Call(method="GET", path="/collections"))
        except ClusterError as error:
            if not (error.unauthorized or error.forbidden):
                raise
            return error.status
    return _OK
