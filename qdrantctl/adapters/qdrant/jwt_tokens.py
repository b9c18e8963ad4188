"""The adapter to PyJWT: tokens in the form that Qdrant accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qdrantctl.model.field_rule import Json

_ALGORITHM = "HS256"
_LONGEST = 65_536
_TOKEN_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
"""Characters of an HTTP header: PyJWT ignores characters that are not base64."""


def encode_token(claims: Mapping[str, Json], secret: str) -> str:
    """A signed token: the same claims and secret always give the same token."""
    import warnings

    import jwt

    with warnings.catch_warnings():
        # The length of the key cannot be changed here; the server's log warns about it as well.
        warnings.simplefilter("ignore")
        return jwt.encode(dict(claims), secret, algorithm=_ALGORITHM)


def decode_token(token: str) -> Mapping[str, Json] | None:
    """The claims of a token; None if it is not one. Only the server checks the signature."""
    import jwt

    if len(token) > _LONGEST or not _TOKEN_FORM.fullmatch(token):
        return None
    unsigned = token.rpartition(".")[0] + "."
    try:
        decoded = jwt.decode_complete(unsigned, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    claims: Mapping[str, Json] = decoded["payload"]
    return claims if "alg" in decoded["header"] else None
