"""The limits that a file of profiles defines for all collections of a cluster, for an audit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from qdrantctl.adapters.manifests.load import load_manifests
from qdrantctl.adapters.manifests.sources import Sources
from qdrantctl.adapters.project.settings import Settings
from qdrantctl.flows.state.desired import read_stdin
from qdrantctl.kinds.catalog import KINDS, OVERLAYS
from qdrantctl.kinds.strict_mode_profile import STRICT_MODE_PROFILE
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ManifestError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.resource import Inventory
from qdrantctl.model.violation import Severity

STRICT = "strict_mode_config"


def load_profiles(path: Path, settings: Settings) -> Inventory:
    """The StrictModeProfiles of a file. Raises ManifestError."""
    sources = Sources(
        path.parent,
        (path.name,),
        settings.environment,
        settings.vars,
        explicit=True,
        environments=settings.environments,
        api_key=settings.api_key,
    )
    loaded = load_manifests(sources, (*KINDS, *OVERLAYS), read_stdin)
    if any(violation.severity is Severity.ERROR for violation in loaded.violations):
        raise ManifestError("the profile has errors; no request was sent", loaded.violations)
    profiles = [d for d in loaded.overlays.values() if d.address.kind == STRICT_MODE_PROFILE.name]
    if not profiles:
        raise ManifestError(
            f"{path.name} contains no {STRICT_MODE_PROFILE.manifest}; no request was sent",
            hint="Name the file of a profile; `qdrantctl init --profile production` writes one.",
        )
    return Inventory(profiles)


def limits_by_collection(
    documents: Inventory, live: Inventory, desired: Inventory
) -> Mapping[Address, Mapping[str, Json]]:
    """The limits that profiles define for each collection they cover.

    Labels exist only in manifests, so label selectors match only declared collections.
    """
    bare = [
        replace(
            resource,
            spec={key: value for key, value in resource.spec.items() if key != STRICT},
            labels=desired[address].labels if address in desired else {},
        )
        for address, resource in live.items()
    ]
    covered = STRICT_MODE_PROFILE.apply(documents, Inventory(bare))
    return {a: resource.spec[STRICT] for a, resource in covered.items() if STRICT in resource.spec}
