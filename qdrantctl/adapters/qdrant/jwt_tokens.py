"""The adapter to PyJWT: tokens as Qdrant takes them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qdrantctl.model.field_rule import Json

_ALGORITHM = "HS256"
_LONGEST = 65_536
_FORM = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
"""What a header of HTTP can hold: PyJWT reads over characters that are none of base64's."""


def encode_token(claims: Mapping[str, Json], secret: str) -> str:
    """A signed token: of the same claims and secret the same one each time."""
    import warnings

    import jwt

    with warnings.catch_warnings():
        # The key is as long as it is; the server says so in its log as well.
        warnings.simplefilter("ignore")
        return jwt.encode(dict(claims), secret, algorithm=_ALGORITHM)


def decode_token(token: str) -> Mapping[str, Json] | None:
    """What a token claims; None where it is no token. Its signature is for the server to check."""
    import jwt

    if len(token) > _LONGEST or not _FORM.fullmatch(token):
        return None
    unsigned = token.rpartition(".")[0] + "."
    try:
        decoded = jwt.decode_complete(unsigned, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    claims: Mapping[str, Json] = decoded["payload"]
    return claims if "alg" in decoded["header"] else None
