"""Every kind, in the order in which they are applied."""

from __future__ import annotations

from qdrantctl.kinds.access_key.kind import ACCESS_KEY
from qdrantctl.kinds.alias import ALIAS_KIND
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.quota import QUOTA
from qdrantctl.kinds.snapshot_policy import SNAPSHOT_POLICY
from qdrantctl.kinds.strict_mode_profile import STRICT_MODE_PROFILE
from qdrantctl.model.kind import Kind, Overlay

KINDS: tuple[Kind, ...] = (QUOTA, COLLECTION, ALIAS_KIND, ACCESS_KEY, SNAPSHOT_POLICY)
"""The quota is first: until an exceeded one is raised, nothing else can be done."""

OVERLAYS: tuple[Overlay, ...] = (STRICT_MODE_PROFILE,)
"""What is merged beneath the resources of those kinds, in this order."""

BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}
"""The kinds by their name in addresses."""
