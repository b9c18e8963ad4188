"""The server that a plan is computed for: its version and mode."""

from __future__ import annotations

import re
from typing import NamedTuple

from qdrantctl.model.frozen import frozen

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


class Version(NamedTuple):
    """A server version; suffixes are dropped: `1.17.0-dev` counts as 1.17.0."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def parse(cls, text: str) -> Version:
        """Parse `1.16.3`, `v1.16.3` or `1.16`. Raises ValueError for any other text."""
        match = _VERSION.match(text)
        if not match:
            raise ValueError(f"not a version: {text!r}")
        return cls(int(match[1]), int(match[2]), int(match[3] or 0))


UNKNOWN = Version(0, 0, 0)
"""The version in plans without a server, where every setting counts as supported."""


@frozen
class CollectionLimit:
    """How many collections a server can hold, as telemetry states it if there is a limit."""

    most: int
    names: frozenset[str]
    """The collections that exist, those of qdrantctl included."""


@frozen
class Server:
    """One Qdrant server or cluster, as `GET /` and `GET /cluster` describe it."""

    version: Version
    """In a cluster that of the oldest node: what one node does not support has no effect there."""
    url: str
    """Scheme, host and port; never a key."""
    distributed: bool = False
    """Cluster mode, even with one node. Shard keys and collection identities exist only there."""
    peers: int = 1
    """Number of nodes in the cluster, unreachable ones included."""
    unsigned: str = ""
    """Why the server rejects tokens signed with the given key; empty if it accepts them."""
    newest: Version = UNKNOWN
    """The version of the newest node, where the nodes differ."""
    untold: int = 0
    """Number of nodes whose version is not known."""

    @property
    def is_mixed(self) -> bool:
        """Whether its nodes run different versions."""
        return self.newest > self.version

    @property
    def newest_version(self) -> Version:
        """The version of its newest node."""
        return max(self.version, self.newest)

    def describe_version(self) -> str:
        """`this server is 1.16.3`, as reasons name the version that decides."""
        return f"{'the oldest node' if self.is_mixed else 'this server'} is {self.version}"
