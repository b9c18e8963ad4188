"""Which field of a manifest a path of the API means, and which paths mean none, with the reason."""

from __future__ import annotations

import re

_SECTIONS = (
    (r"(create|update|info\.config)\.(params\.)?optimizers?_config", "create.optimizers_config"),
    (r"update\.params\.(?=read_fan_out)", "update.params."),
    (r"info\.config\.params\.(?=read_fan_out)", "update.params."),
    (r"(update|info\.config)\.(params\.)?", "create."),
    (r"info\.payload_schema\.<name>\.params\.", "index.field_schema."),
    (r"vector_name_create\.dense\.", "create.vectors.<name>."),
    (r"vector_name_create\.sparse\.datatype", "create.sparse_vectors.<name>.index.datatype"),
    (r"vector_name_create\.sparse\.", "create.sparse_vectors.<name>."),
)
"""What stands at the beginning of a path, and what it is called where a collection is created."""

REFUSED = frozenset(
    {
        'create.payload.memory="pinned"',
        'create.vectors.<name>.memory="pinned"',
        'create.sparse_vectors.<name>.index.datatype="turbo4"',
        'create.sparse_vectors.<name>.index.datatype="turbo8"',
        'create.sparse_vectors.<name>.index.datatype="turbo16"',
    }
)
"""Values that the API describes, since one type of it serves several places, and no server takes.

1.19.0 answers 422; the engine of 1.20 refuses turbo8 and turbo16.
"""

_NOT_STATED = (
    (r"[A-Z]+ /.*", "endpoints: what is sent is checked against them, see `illegal`"),
    (r"aliases\..*", "the kind Alias, whose spec is the name of a collection"),
    (r"cluster_(info|status)\b.*", "facts about nodes and shards, which no manifest states"),
    (r"cluster_op\b.*", "operations on shards, which are the operator's"),
    (r"search\..*", "parameters of a query"),
    (r"shard_key_drop\..*", "names the key to drop"),
    (r"(shard_key_create)\.initial_state.*", "for the transfer of points between shard keys"),
    (r"info\.(status|optimizer_status|points_count|segments_count|indexed_vectors_count)\b.*",
     "facts about a collection"),
    (r"info\.(update_queue|warnings|created_at)\b.*", "facts about a collection"),
    (r"info\.payload_schema(\.<name>(\.(points|data_type|params))?)?(=.*)?", "facts about indexes"),
    (r"info\.config(\.params)?|update\.params", "sections of other requests"),
    (r"info\.payload_schema\.<name>\.data_type=.*", "the type of an index"),
    (r"vector_name_create\.(dense|sparse)", "the two sections of the request"),
    (r"index\.field_name", "the key of the map in a manifest"),
    (r"index\.field_schema=.*", "the short form of a type"),
)  # fmt: skip


def manifest_word(path: str) -> str:
    """A path in the words of the request that creates it; one unnamed vector as a named one."""
    for form, word in _SECTIONS:
        if match := re.match(form, path):
            path = word + path[match.end() :]
            break
    return re.sub(r"^create\.vectors\.(?!<name>)", "create.vectors.<name>.", path)


def reason_not_stated(path: str) -> str:
    """Why no manifest states what a path means; empty if one should."""
    return next((reason for form, reason in _NOT_STATED if re.fullmatch(form, path)), "")
