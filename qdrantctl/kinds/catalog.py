"""Every kind, in the order in which they are settled."""

from __future__ import annotations

from qdrantctl.kinds.alias import ALIAS
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.model.kind import Kind

KINDS: tuple[Kind, ...] = (COLLECTION, ALIAS)

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
"""The kinds by the word that addresses use."""
