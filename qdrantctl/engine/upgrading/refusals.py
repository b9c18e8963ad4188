"""What one version of the server refuses and another one accepts: fields, values and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from qdrantctl.engine.planning.compare import fields_to_create
from qdrantctl.model.change import Action, Cause, Change
from qdrantctl.model.field_rule import Effect
from qdrantctl.model.kind import Context, Kind
from qdrantctl.model.resource import Inventory, Resource
from qdrantctl.model.server import Server
from qdrantctl.model.spec import Path
from qdrantctl.model.spec_memo import SpecMemo
from qdrantctl.model.violation import Severity

_OF_SERVER = re.compile(r", (this server|the oldest node|the newest node) is [\d.]+$")
Reason = tuple[Path, str]
"""The path of a refused field, or () for the resource, and the reason."""


def find_refusals(resource: Resource, kind: Kind, server: Server, today: date) -> set[Reason]:
    """Why this server would not create the resource; empty if it would."""
    return set(_refusals(resource, kind, server, today))


def _refusals(resource: Resource, kind: Kind, server: Server, today: date) -> Iterator[Reason]:
    fields = fields_to_create(resource, kind, server, SpecMemo())
    for field in fields:
        if field.effect is Effect.REFUSED:
            yield field.path, _without_server(field.because)
    creation = Change(
        address=str(resource.address), action=Action.CREATE, cause=Cause.NEW, fields=fields
    )
    nothing = Inventory()
    context = Context(server, today, Inventory([resource]), nothing, nothing)
    for violation in kind.check(creation, context):
        if violation.severity is Severity.ERROR:
            yield (), violation.message.replace(f"Qdrant {server.version}", "the server")


def _without_server(because: str) -> str:
    """A reason of a rule without its end about the server that was asked."""
    return _OF_SERVER.sub("", because)
