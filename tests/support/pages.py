"""HTML documents with every part, and with odd names in all of them."""

from __future__ import annotations

from qdrantctl.model.audit.report import Answer, AuditReport, Verdict
from qdrantctl.model.change import Action, Cause
from qdrantctl.model.drift import Drift, DriftedField, DriftedResource, DriftKind
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.plan import Plan, Reference
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource import Origin
from qdrantctl.model.resource_view import ResourceView
from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render import html
from tests.support.plans import SERVER, change, field, plan, report

CANARY = "\"'><img src=x onerror=canary()><script>canary()</script></style>{{7*7}}\u202e&amp;"
"""What would run or break out if any string were not escaped."""


def page_plan(odd: str = "") -> Plan:
    """A plan with each part of a page; `odd` is added to every string."""
    place = Origin(file=f"manifests/a.yaml{odd}", line=4)
    old, new, live = (f"collection/old{odd}", f"collection/new{odd}", f"alias/live{odd}")
    pairs = [(f"access_key/reader{odd}", live), (live, old), (live, new), (old, f"node/1{odd}"),
             (f"snapshot_policy/nightly{odd}", new)]  # fmt: skip
    return plan(
        change(Action.DELETE, old, because=f"no manifest states it{odd}", points=12),
        change(Action.UPDATE, live,
               field(("collection", f"k{odd}"), f"old{odd}", f"new{odd}", recorded=f"old{odd}",
                     because=f"moves the alias{odd}", origin=place), origin=place),
        change(Action.CREATE, new, field(("vectors", "size"), ABSENT, 4), cause=Cause.NEW),
        change(Action.UPDATE, "collection/graph",
               field(("hnsw_config", "m"), 16, 32, recorded=24, effect=Effect.REBUILD,
                     cause=Cause.DRIFT), cause=Cause.DRIFT),
        change(Action.NOOP, f"collection/idle{odd}"),
        project=f"shop{odd}",
        violations=(Violation(rule="QC202", severity=Severity.ERROR, address=old,
                              message=f"it has points{odd}", hint=f"do{odd}", origin=place,
                              snippet=f"text{odd}"),),
        unmanaged=(f"collection/scratch{odd}",),
        references=tuple(Reference(source=a, target=b) for a, b in pairs),
    )  # fmt: skip


def page_groups(odd: str = "") -> Plan:
    """A plan that says the same of several resources, and other things of others."""

    def lower(name: str, *, recorded: int = 1000, cause: Cause = Cause.EDIT, **more: object):
        limit = field(("strict_mode_config", "max_query_limit"), 1000, 500, recorded=recorded,
                      because=f"why{odd}")  # fmt: skip
        return change(Action.UPDATE, f"collection/{name}{odd}", limit, cause=cause, **more)

    alike = [lower(f"shop-{n}", points=n, origin=Origin(file=f"{n}{odd}", line=n + 1))
             for n in range(20)]  # fmt: skip
    return plan(
        *alike,
        lower("drifted", cause=Cause.DRIFT),
        lower("applied-long-ago", recorded=7),
        *(change(Action.CREATE, f"alias/live-{n}", cause=Cause.NEW) for n in range(3)),
        *(change(Action.DELETE, f"collection/old-{n}") for n in range(3)),
        references=(Reference(source="alias/live-0", target=alike[0].address),),
    )


def page_drift(odd: str = "") -> Drift:
    def item(name: str, before: object, now: object) -> DriftedResource:
        changed = DriftedField(path=("hnsw_config", f"m{odd}"), before=before, now=now)
        return DriftedResource(address=f"collection/{name}{odd}", what=DriftKind.CHANGED,
                               because=f"why{odd}", fields=(changed,))  # fmt: skip

    return Drift(
        qdrantctl_version="0", project=f"shop{odd}", environment="prod", server=SERVER, recorded=2,
        lost=False, strict=False, changed=(item("a", 16, 24), item("b", 1, 2)),
        not_applied=(item("a", 16, 32),), unmanaged=(item("c", 7, 8),), notes=(f"note{odd}",),
    )  # fmt: skip


def page_audit(odd: str = "") -> AuditReport:
    verdicts = [
        Verdict(rule="QA201", answer=Answer.FAIL, severity=Severity.ERROR, message=f"open{odd}",
                subject=f"collection/a{odd}"),
        Verdict(rule="QA202", answer=Answer.PASS, severity=Severity.NOTE, message=f"good{odd}"),
    ]  # fmt: skip
    return AuditReport(qdrantctl_version="0", project=f"shop{odd}", environment="prod",
                       fail_on=Severity.ERROR, verdicts=tuple(verdicts))  # fmt: skip


def page_report(odd: str = "") -> Report:
    return report(
        Outcome(address=f"collection/a{odd}", action=Action.CREATE, status=OutcomeStatus.DONE),
        Outcome(address=f"collection/b{odd}", action=Action.UPDATE, status=OutcomeStatus.FAILED,
                error=f"refused{odd}", way_back=f"restore{odd}"),
        project=f"shop{odd}",
    )  # fmt: skip


def page_resource(odd: str = "") -> ResourceView:
    spec = {"hnsw_config": {f"m{odd}": 16}, "metadata": {"team": f"search{odd}"}}
    return ResourceView(address=f"collection/a{odd}", owner=f"shop/prod{odd}", recorded=spec,
                        live={**spec, "metadata": {"team": "other"}}, points=3, status="green",
                        aliases=(f"live{odd}",))  # fmt: skip


PAGES = {
    "plan": lambda odd="": html.plan(page_plan(odd)),
    "groups": lambda odd="": html.plan(page_groups(odd)),
    "drift": lambda odd="": html.drift(page_drift(odd)),
    "audit": lambda odd="": html.audit(page_audit(odd)),
    "report": lambda odd="": html.report(page_report(odd)),
    "resource": lambda odd="": html.resource(page_resource(odd)),
}
"""Every document as HTML, by its name."""
