"""The part of a live resource that a manifest must declare, and parts it cannot. Reads only."""

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
MAX_REMOVALS = 20
"""How often a part that no manifest can express is removed from a spec before it is skipped."""


def user_set_fields(client: Client, state: ClusterState) -> Callable[[Resource], Spec]:
    """Returns the part of a resource's spec that is not a server default. Raises ClusterError."""
    unreliable = {
        kind.name: unreliable_defaults(
            kind.server_defaults({}, client.server), _default_witnesses(client, state, kind.name)
        )
        for kind in KINDS
    }

    def without_server_defaults(resource: Resource) -> Spec:
        kind = BY_NAME[resource.address.kind]
        defaults = kind.server_defaults(resource.spec, client.server)
        field_tree = field_tree_of(kind.spec)
        spec: Spec = without_defaults(field_tree, resource.spec, defaults, unreliable[kind.name])
        return spec

    return without_server_defaults


def _default_witnesses(client: Client, state: ClusterState, kind: str) -> Sequence[Spec]:
    """Specs that show the defaults of this server: the ledger's, which sets few fields, or all."""
    if kind == COLLECTION.name and state.ledger.exists:
        info = client.request(Call(method="GET", path=collection_path(ledger.LEDGER_COLLECTION)))
        settings_of_ledger = ledger.ledger_creation_request(client.server).body
        return [
            {
                k: v
                for k, v in parse_live_spec(info["config"]).items()
                if k not in settings_of_ledger
            }
        ]
    live = [resource.spec for resource in state.live.values() if resource.address.kind == kind]
    return live if len(live) >= ENOUGH else ()


def expressible_spec(kind: Kind, document: Any) -> tuple[Spec | None, list[FieldError]]:
    """The canonical spec of `document`, and what was removed from it; None if nothing remains.

    A server accepts some values that manifests reject because they cause problems.
    """
    secrets = {secret.path: secret for secret in find_secrets(document, None)}
    removed = [FieldError(path, "QC055", secret.description) for path, secret in secrets.items()]
    for path in reversed(secrets):
        _remove_path(document, path)
    for _ in range(MAX_REMOVALS):
        spec, faults = validate_document(kind.spec, document)
        if spec is not None:
            return kind.canonical(spec), removed
        for fault in faults:
            if not fault.path:
                return None, [fault]
            _remove_path(document, fault.path)
        removed += faults
    return None, removed


def _remove_path(document: Any, path: Path) -> None:
    for key in path[:-1]:
        document = document[key]
    del document[path[-1]]
