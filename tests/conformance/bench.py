"""A bench: one owner's manifests against a real server, planned and applied in process."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdrantctl.adapters.project.settings import Settings
from qdrantctl.adapters.qdrant.client import RestClient
from qdrantctl.adapters.qdrant.endpoint import Endpoint
from qdrantctl.flows.applying.bookkeeping import apply_plan
from qdrantctl.flows.cluster.nodes import JobContext
from qdrantctl.flows.planning.plan import PlanOptions, PlanResult, make_plan
from qdrantctl.model.actor import Actor
from qdrantctl.model.change import Action, Change
from qdrantctl.model.consent import Consent
from qdrantctl.model.report import OutcomeStatus, Report
from qdrantctl.model.server import Server, Version
from qdrantctl.model.step import Call, collection_path, list_calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from qdrantctl.model.client import Client
    from tests.support.servers import Node

TODAY = date(2026, 6, 1)
IDLE = (Action.NOOP,)


@dataclass(frozen=True)
class Disguised:
    """A door whose server tells the planner another version."""

    door: Client
    version: str

    @property
    def server(self) -> Server:
        real = self.door.server
        return Server(Version.parse(self.version), real.url, real.distributed, real.peers)

    def request(self, call: Call) -> Any:
        """The server's answer; where it is too old to have a quota, that there is none."""
        if call.path == "/quotas" and self.door.server.version < Version(1, 19, 0):
            usage = {"resident_memory_percent": 1, "disk_usage_percent": 1}
            return {"config": {"enabled": False}, "usage": usage}
        return self.door.request(call)

    def prefetch(self, calls: Iterable[Call]) -> None:
        self.door.prefetch(call for call in calls if call.path != "/quotas")


@dataclass
class Bench:
    """Manifests of one owner. `state` is what they say; `apply` makes it so."""

    node: Node
    folder: Path
    owner: str
    door: Client
    consents: tuple[Consent, ...] = ()
    sent: list[Call] = field(default_factory=list, repr=False)
    """Every call of every plan that was applied."""

    def state(self, *manifests: dict[str, Any]) -> None:
        """Write the manifests. JSON is YAML."""
        documents = [
            {"apiVersion": "qdrantctl/v1", **manifest} | {"metadata": {"name": manifest["name"]}}
            for manifest in manifests
        ]
        for document in documents:
            del document["name"]
        text = "\n---\n".join(json.dumps(document) for document in documents)
        (self.folder / "manifests.yaml").write_text(text + "\n")

    @property
    def settings(self) -> Settings:
        return Settings(
            root=self.folder,
            project="bench",
            environment=self.owner,
            manifests=("manifests.yaml",),
            endpoint=Endpoint(url=self.node.url),
        )

    def plan(self, version: str = "") -> PlanResult:
        door = Disguised(self.door, version) if version else self.door
        return make_plan(
            self.settings, PlanOptions(consents=self.consents), door, TODAY, lambda _: None
        )

    def apply(self, planned: PlanResult | None = None) -> Report:
        planned = planned or self.plan()
        self.sent += [call for change in planned.plan.changes for call in list_calls(change.steps)]
        job = JobContext(self.door, lambda _: None, lambda: False)
        return apply_plan(planned, job, Actor("tester", "", ""), lambda _: None, 1)

    def settle(self) -> PlanResult:
        """Plan, apply, and plan again: the second plan is empty. Gives the first."""
        planned = self.plan()
        assert planned.plan.is_applicable, told(planned)
        report = self.apply(planned)
        bad = [
            o for o in report.outcomes if o.status not in (OutcomeStatus.DONE, OutcomeStatus.NOOP)
        ]
        assert not bad, (told(planned), bad)
        again = self.plan()
        assert all(change.action in IDLE for change in again.plan.changes), told(again)
        return planned

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.node.request(method, path, body)
        assert status == 200, (method, path, body, answer)
        return answer["result"]

    def clear(self, *names: str) -> None:
        """Delete collections and what the ledger remembers of this owner."""
        for name in names:
            self.node.request("DELETE", collection_path(name))
        match = {"must": [{"key": "owner", "match": {"value": f"bench/{self.owner}"}}]}
        self.node.request(
            "POST", "/collections/_qdrantctl/points/delete?wait=true", {"filter": match}
        )


@contextmanager
def bench(node: Node, folder: Path, owner: str, *consents: str) -> Iterator[Bench]:
    """A bench whose `consents` are `verb address` each."""
    given = tuple(Consent(*words.split(" ", 1), "--flag") for words in consents)
    with RestClient(Endpoint(url=node.url)) as door:
        yield Bench(node, folder, owner, door, given)


def told(planned: PlanResult) -> str:
    """The plan in words, for assertions."""
    lines = [v.message for v in planned.plan.violations]
    for change in planned.plan.changes:
        lines.append(f"{change.action} {change.address}: {change.because}")
        lines += [f"  {f.path} {f.live!r} -> {f.desired!r} {f.effect!r}" for f in change.fields]
        lines += [f"  {c.method} {c.path} {c.body!r}" for c in list_calls(change.steps)]
    return "\n".join(lines)


def change_of(planned: PlanResult, address: str) -> Change:
    return next(c for c in planned.plan.changes if c.address == address)
