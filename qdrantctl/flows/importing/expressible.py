"""What a manifest must say of a live resource, and what it cannot say. Only reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qdrantctl.adapters.manifests.validation import FieldError, validate_document
from qdrantctl.adapters.qdrant import ledger
from qdrantctl.adapters.secrets.detect import find_secrets
from qdrantctl.engine.importing.manifest_form import ENOUGH, unreliable_defaults, without_defaults
from qdrantctl.flows.state.live import ClusterState
from qdrantctl.kinds.catalog import BY_NAME, KINDS
from qdrantctl.kinds.collection.kind import COLLECTION
from qdrantctl.kinds.collection.observe import parse_live_spec
from qdrantctl.model.client import Client
from qdrantctl.model.field_rule import Json
from qdrantctl.model.kind import Kind
from qdrantctl.model.resource import Resource
from qdrantctl.model.spec import Path, field_tree_of
from qdrantctl.model.step import Call, collection_path

Spec = Mapping[str, Json]
MOST_FAULTS = 20
"""How often what no manifest can say is taken out of a spec, before it is given up."""


def user_set_fields(client: Client, found: ClusterState) -> Callable[[Resource], Spec]:
    """Gives the part of a resource's spec that is not there by itself. Raises ClusterError."""
    doubts = {
        kind.name: unreliable_defaults(
            kind.server_defaults({}, client.server), _default_witnesses(client, found, kind.name)
        )
        for kind in KINDS
    }

    def of(resource: Resource) -> Spec:
        kind = BY_NAME[resource.address.kind]
        given = kind.server_defaults(resource.spec, client.server)
        shape = field_tree_of(kind.spec)
        spec: Spec = without_defaults(shape, resource.spec, given, doubts[kind.name])
        return spec

    return of


def _default_witnesses(client: Client, found: ClusterState, kind: str) -> Sequence[Spec]:
    """Specs in which the defaults of this server show: the ledger's, which sets little, or all."""
    if kind == COLLECTION.name and found.memory.exists:
        info = client.request(Call(method="GET", path=collection_path(ledger.LEDGER_COLLECTION)))
        stated = ledger.ledger_creation_request(client.server).body
        return [{k: v for k, v in parse_live_spec(info["config"]).items() if k not in stated}]
    live = [resource.spec for resource in found.live.values() if resource.address.kind == kind]
    return live if len(live) >= ENOUGH else ()


def expressible_spec(kind: Kind, words: Any) -> tuple[Spec | None, list[FieldError]]:
    """The canonical spec of `words`, and what had to be taken out of them; None where all had to.

    A server takes and keeps some things that manifests refuse, as they lead to trouble.
    """
    secrets = {secret.path: secret for secret in find_secrets(words, None)}
    left = [FieldError(path, "QC055", secret.what) for path, secret in secrets.items()]
    for path in reversed(secrets):
        _remove_path(words, path)
    for _ in range(MOST_FAULTS):
        spec, faults = validate_document(kind.spec, words)
        if spec is not None:
            return kind.canonical(spec), left
        for fault in faults:
            if not fault.path:
                return None, [fault]
            _remove_path(words, fault.path)
        left += faults
    return None, left


def _remove_path(words: Any, path: Path) -> None:
    for word in path[:-1]:
        words = words[word]
    del words[path[-1]]
