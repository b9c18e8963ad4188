"""What the REST API of each Qdrant version takes and answers.

`field_since.json` holds, for every path, value and endpoint, the first version that describes it,
and `field_removed.json` first and last version of those that are gone: read from the OpenAPI
document of every tag from 1.0.0 to 1.19.0, and from the models of qdrant-client, from which
`python -m tools.field_versions` writes both anew. What is new in 1.20.0 is from the client alone.
`<name>` stands for a key of a map. The one path that the documents lack
(`filter_max_conditions`) comes from a client, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from qdrantctl.model.field_rule import ABSENT
from qdrantctl.model.server import Version
from qdrantctl.model.step import Call

ENDPOINTS = (
    ("POST", r"/collections/aliases", "/collections/aliases", "aliases"),
    ("PUT", r"/collections/[^/]+", "/collections/{collection_name}", "create"),
    ("PATCH", r"/collections/[^/]+", "/collections/{collection_name}", "update"),
    ("DELETE", r"/collections/[^/]+", "/collections/{collection_name}", ""),
    ("PUT", r"/collections/[^/]+/index", "/collections/{collection_name}/index", "index"),
    ("DELETE", r"/collections/[^/]+/index/[^/]+",
     "/collections/{collection_name}/index/{field_name}", ""),
    ("PUT", r"/collections/[^/]+/shards", "/collections/{collection_name}/shards",
     "shard_key_create"),
    ("POST", r"/collections/[^/]+/shards/delete",
     "/collections/{collection_name}/shards/delete", "shard_key_drop"),
    ("PUT", r"/collections/[^/]+/vectors/[^/]+",
     "/collections/{collection_name}/vectors/{vector_name}", "vector_name_create"),
    ("DELETE", r"/collections/[^/]+/vectors/[^/]+",
     "/collections/{collection_name}/vectors/{vector_name}", ""),
)  # fmt: skip


@cache
def known() -> dict[str, tuple[str, str]]:
    """Path -> first and last version; an empty last means that it is still there."""
    since, removed = (
        json.loads((Path(__file__).parent / f"field_{name}.json").read_text())
        for name in ("since", "removed")
    )
    gone = {path: (span["first"], span["last"]) for path, span in removed.items()}
    return {path: (first, "") for path, first in since.items()} | gone


@cache
def prefixes() -> frozenset[str]:
    """Every path that has something below it."""
    return frozenset(path[:at] for path in known() for at, char in enumerate(path) if char == ".")


def has(path: str, version: str) -> bool:
    """Whether a version describes it."""
    if path not in known():
        return path in prefixes()
    first, last = known()[path]
    here = Version.parse(version)
    return here >= Version.parse(first) and not (last and here > Version.parse(last))


def illegal(call: Call, version: str) -> list[str]:
    """What of a request the API of a version does not describe."""
    for method, form, template, section in ENDPOINTS:
        if call.method == method and re.fullmatch(form, call.path) and template:
            endpoint = f"{method} {template}"
            wanted = [endpoint, *(f"{endpoint}?{name}" for name in call.query)]
            found = [word for word in wanted if not has(word, version)]
            body = {} if call.body is ABSENT else call.body
            return found + list(_unknown(section, body, version))
    return [f"no such endpoint: {call.method} {call.path}"]


def _unknown(path: str, value: Any, version: str) -> Iterator[str]:
    if path in ("create.metadata", "update.metadata"):
        return
    if isinstance(value, list) and f"{path}[]" in prefixes():
        for entry in value:
            yield from _unknown(f"{path}[]", entry, version)
    elif isinstance(value, dict):
        for key, inner in value.items():
            below = f"{path}.{key}"
            if below not in known() and f"{path}.<name>" in prefixes():
                below = f"{path}.<name>"
            if has(below, version):
                yield from _unknown(below, inner, version)
            else:
                yield f"{below} in {version}"
    elif isinstance(value, str):
        stated = f"{path}={json.dumps(value)}"
        if any(other.startswith(f"{path}=") for other in known()) and not has(stated, version):
            yield f"{stated} in {version}"
