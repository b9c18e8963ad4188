"""Tokens as text: what is one, what is none, and that reading never depends on its claims."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest

from qdrantctl.adapters.qdrant.jwt_tokens import decode_token, encode_token


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


HEADER, CLAIMS = part({"alg": "HS256", "typ": "JWT"}), {"access": "r", "exp": 1}
TOKEN = encode_token(CLAIMS, "short")


def test_the_same_claims_give_the_same_token():
    assert encode_token(CLAIMS, "short") == TOKEN
    assert encode_token(CLAIMS, "other") != TOKEN


@pytest.mark.parametrize(
    "token",
    [TOKEN, TOKEN[:-2], TOKEN.rpartition(".")[0] + ".", f"{part({'alg': 'none'})}.{part(CLAIMS)}."],
    ids=["whole", "cut", "unsigned", "none"],
)
def test_claims_are_read_whatever_the_signature(token):
    assert decode_token(token) == CLAIMS


def test_no_claim_is_judged():
    claims = {"exp": "soon", "nbf": [], "iat": "x", "sub": 5, "jti": 6, "aud": 7}
    assert decode_token(f"{HEADER}.{part(claims)}.") == claims


@pytest.mark.parametrize(
    "text",
    [
        "", "..", "a-long-key.with.dots", "ü.ü.ü", "x" * 70_000, TOKEN + ".x",
        TOKEN.rpartition(".")[0], f"Bearer {TOKEN}", f"{TOKEN} ", f"{TOKEN}\0", f"{TOKEN}+/",
        f"{part({'typ': 'JWT'})}.{part(CLAIMS)}.x", f"{part([1])}.{part(CLAIMS)}.x",
        f"{HEADER}.{part([1])}.x", f"{HEADER}.{part(b'{')}.x", f"{HEADER}.{part(b'[' * 30_000)}.x",
        f"{HEADER}.{part(bytes([255, 254]))}.x",
    ],
)  # fmt: skip
def test_what_is_no_token_is_none(text):
    assert decode_token(text) is None
