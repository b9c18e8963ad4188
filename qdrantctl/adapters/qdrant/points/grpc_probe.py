"""Whether a gRPC port answers, and for which server."""

from __future__ import annotations

from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.adapters.qdrant.grpc_channel import grpc, load_roots, open_channel
from qdrantctl.adapters.qdrant.points.messages import MESSAGES

LISTING_SECONDS = 5.0


def read_collections(endpoint: Endpoint, address: str) -> set[str] | None:
    """The names of the collections that a gRPC port lists; None if it does not answer."""
    secure = endpoint.url.startswith("https:")
    metadata = (("api-key", endpoint.api_key),) if endpoint.api_key else ()
    try:
        roots = load_roots(endpoint.tls.ca_file) if secure else None
        with open_channel(address, roots, endpoint.tls) as channel:
            call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
                "/qdrant.Collections/List"
            )
            answer = call(b"", timeout=LISTING_SECONDS, metadata=metadata)
    except (grpc.RpcError, OSError):
        return None
    listed = MESSAGES["ListCollectionsResponse"].FromString(answer)
    return {collection.name for collection in listed.collections}
