"""The keys with which a project signs its snapshot sets, fetched when a set is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property

from qdrantctl.adapters.project.api_key import fetch_key
from qdrantctl.adapters.project.project_file import ProjectFileLayer, ProjectFiles
from qdrantctl.model.frozen import frozen
from qdrantctl.model.key_source import SnapshotSigning
from qdrantctl.model.snapshots.signature import NOT_SIGNED, SigningKeys

_WHAT = "key that signs snapshot sets"


@frozen
class SigningSource:
    """Where the keys are found."""

    stated: SnapshotSigning
    layer: ProjectFileLayer
    environ: Mapping[str, str] = field(repr=False)

    @cached_property
    def keys(self) -> SigningKeys:
        """The keys, the one that signs first. Raises SettingsError."""
        place = self.layer.locate(("spec", "snapshot_signing"))
        sources = (self.stated.key, *self.stated.previous_keys)
        return SigningKeys(
            tuple(
                fetch_key(source, self.layer.folder, self.environ, place, _WHAT)
                for source in sources
            )
        )


def find_signing_source(chain: ProjectFiles, environ: Mapping[str, str]) -> SigningSource | None:
    """What the last file states that speaks of it; None where none does."""
    for layer in reversed(chain.layers):
        if stated := layer.spec.snapshot_signing:
            return SigningSource(stated, layer, environ)
    return None


def fetch_signing_keys(source: SigningSource | None) -> SigningKeys:
    """The keys; none where no signature is wanted. Raises SettingsError."""
    return source.keys if source else NOT_SIGNED
