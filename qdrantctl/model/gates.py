"""Gates of an environment: requirements that every plan for it must meet."""

from __future__ import annotations

from typing import Literal, get_args

from qdrantctl.model.frozen import frozen
from qdrantctl.model.server import UNKNOWN, Version

FailOn = Literal["loosening", "widening"]
Requirement = Literal["strict_mode", "alias_for_replace"]
REQUIREMENTS: tuple[Requirement, ...] = get_args(Requirement)


@frozen
class Gates:
    """The gates that the project file states for an environment."""

    fail_on: frozenset[str] = frozenset()
    """Kinds of change that need a consent: see `FailOn`."""
    require: frozenset[str] = frozenset()
    """What manifests and changes must have: see `Requirement`."""
    min_server_version: Version = UNKNOWN
    """The oldest server that changes are made on; 0.0.0 for any."""

    def merge(self, other: Gates) -> Gates:
        """The gates of both: each the stricter one."""
        return Gates(
            self.fail_on | other.fail_on,
            self.require | other.require,
            max(self.min_server_version, other.min_server_version),
        )
