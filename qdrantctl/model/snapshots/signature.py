"""Signatures of what is written beside snapshots: only holders of a key can have written it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.resource import canonical_json

SIGNATURE = "signature"
_ALGORITHM = "hmac-sha256"


@frozen
class SigningKeys:
    """Keys of a project; without any nothing is signed, and no signature is asked for."""

    keys: tuple[str, ...] = field(default=(), repr=False)
    """The first signs; what any of them has signed counts."""

    def sign(self, document: Mapping[str, Json], folder: str, name: str) -> Mapping[str, Json]:
        """The document with a signature that holds for this file of this set alone."""
        if not self.keys:
            return document
        digest = _digest(self.keys[0], document, folder, name)
        return {**document, SIGNATURE: {_ALGORITHM: digest}}

    def signature_problem(self, document: Mapping[str, Json], folder: str, name: str) -> str:
        """Why a document is not believed; empty where it is."""
        import hmac

        if not self.keys:
            return ""
        signature = document.get(SIGNATURE)
        stated = signature.get(_ALGORITHM) if isinstance(signature, Mapping) else None
        if not isinstance(stated, str):
            return f"{name} is not signed, and the project wants signed sets"
        matches = (
            hmac.compare_digest(stated.encode(), _digest(key, document, folder, name).encode())
            for key in self.keys
        )
        return "" if any(matches) else f"{name} is signed with none of the project's keys"


NOT_SIGNED = SigningKeys()


def _digest(key: str, document: Mapping[str, Json], folder: str, name: str) -> str:
    import hmac
    from hashlib import sha256

    plain = {word: value for word, value in document.items() if word != SIGNATURE}
    text = canonical_json([folder, name, plain])
    return hmac.new(key.encode(), text.encode("utf-8", "surrogatepass"), sha256).hexdigest()
