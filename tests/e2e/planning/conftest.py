"""The fixtures of committed state."""

from tests.e2e.state.conftest import applied, repo

__all__ = ["applied", "repo"]
