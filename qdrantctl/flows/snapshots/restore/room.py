"""Whether the server can hold the collections that a restore or a verification adds (QC219)."""

from __future__ import annotations

from collections.abc import Iterable

from qdrantctl.engine.safety.collection_limit import check_collection_limit
from qdrantctl.kinds.collection.observe import read_collection_limit
from qdrantctl.model.client import Client
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.step import Step


def require_room(client: Client, steps: Iterable[Step], owners: Iterable[str]) -> None:
    """Raise ClusterError if the server cannot hold all collections that exist at once.

    `owners` are those whose leases are held while the steps run. The limit is in telemetry; a
    server that does not let the caller read it is not asked, and answers for itself.
    """
    try:
        limit = read_collection_limit(client)
    except ClusterError as error:
        if error.forbidden:
            return
        raise
    for violation in check_collection_limit(steps, limit, *owners):
        raise ClusterError(
            f"{client.server.url}: {violation.rule}", why=violation.message, hint=violation.hint
        )
