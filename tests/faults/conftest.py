"""The fixtures of snapshots."""

from tests.e2e.snapshots.conftest import kept, node, shop

__all__ = ["kept", "node", "shop"]
