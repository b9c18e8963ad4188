"""The status that a server reports of a collection."""

from __future__ import annotations

from qdrantctl.model.step import collection_path

GREEN, YELLOW, GREY = "green", "yellow", "grey"


def explain_grey(name: str) -> str:
    """What a grey collection waits for, and what ends that: the server never does by itself."""
    return (
        "it was not optimized since the server started, and waits for its next write. "
        f'PATCH {collection_path(name)} with {{"hnsw_config": {{}}}} changes no setting and starts '
        "the optimizer."
    )
