"""Plans and reports made by hand, plain and odd ones."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from qdrantctl.model.change import Action, Cause, Change, FieldChange
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.plan import Plan, PlannedServer
from qdrantctl.model.report import Outcome, OutcomeStatus, Report
from qdrantctl.model.resource import Origin
from qdrantctl.model.step import Call, Step
from qdrantctl.model.violation import Severity, Violation

quickly = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
"""Made plans are large; a busy machine must not fail a test."""

STEP = Step(call=Call(method="PUT", path="/collections/x"))
SERVER = PlannedServer(version="1.16.3", url="http://localhost:6333", distributed=True)


def plan(*changes: Change, **more: Any) -> Plan:
    fixed = {
        "qdrantctl_version": "0",
        "project": "shop",
        "environment": "prod",
        "server": SERVER,
        "manifests_digest": "sha256:0",
    }
    return Plan(**{**fixed, **more}, changes=changes)


def change(action: Action, address: str = "collection/a", *fields: FieldChange, **more: Any):
    more.setdefault("cause", Cause.EDIT)
    return Change(address=address, action=action, fields=fields, **more)


def field(path: tuple[str | int, ...], live: Any, desired: Any, **more: Any) -> FieldChange:
    more = {"effect": Effect.UPDATE, "cause": Cause.EDIT, **more}
    return FieldChange(path=path, live=live, desired=desired, **more)


def at(line: int, file: str = "manifests/a.yaml") -> Origin:
    return Origin(file=file, line=line)


def report(*outcomes: Outcome, **more: Any) -> Report:
    fixed = {"project": "shop", "environment": "prod", "url": SERVER.url, "plan_digest": "sha256:0"}
    return Report(**{**fixed, **more}, outcomes=outcomes)


NASTY = [
    "```", "````\n# out", "<script>alert(1)</script>", "</details>", "-->", "@everyone", "a|b",
    "\x1b[31mred", "\x9b2J", "\x7f", "\u202eevil", "line\nbreak", "\r\n", "\t", "`", "a\u2028b",
    "~~~", "é名", "\U0001f600", "[x](http://evil)", "#1", "    indented",
]  # fmt: skip
"""What somebody may name a thing to break out of where it is shown."""

words = st.lists(
    st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    min_size=1, max_size=4,
).map("".join).filter(bool)  # fmt: skip
names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", fullmatch=True) | st.just("-")
values = st.just(ABSENT) | st.recursive(
    st.none() | st.booleans() | st.integers(0, 2**64) | st.floats(0, 1e300) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=4,
)
origins = st.just(ABSENT) | st.builds(Origin, file=words, line=st.integers(1, 10**6))
fields = st.builds(
    FieldChange,
    path=st.lists(words | st.integers(0, 9), min_size=1, max_size=4).map(tuple),
    recorded=values, live=values, desired=values, because=st.just("") | words, origin=origins,
    effect=st.sampled_from(list(Effect)), cause=st.sampled_from(list(Cause)),
)  # fmt: skip
changes = st.builds(
    Change,
    address=words.map("collection/{}".format),
    action=st.sampled_from(list(Action)),
    cause=st.sampled_from(list(Cause)),
    because=st.just("") | words,
    origin=origins,
    fields=st.lists(fields, max_size=3).map(tuple),
    steps=st.just(()) | st.just((STEP,)),
)
violations = st.builds(
    Violation,
    rule=st.just("QC201"),
    severity=st.sampled_from(list(Severity)),
    address=st.just(ABSENT) | words,
    message=words, hint=st.just("") | words, origin=origins,
    column=st.just(ABSENT) | st.integers(1, 40), snippet=st.just(ABSENT) | words,
)  # fmt: skip
plans = st.builds(
    Plan,
    qdrantctl_version=st.just("0"),
    project=names, environment=names,
    server=st.just(SERVER), manifests_digest=st.just("sha256:0"),
    prepare=st.just(()) | st.just((STEP,)),
    changes=st.lists(changes, max_size=5).map(tuple),
    violations=st.lists(violations, max_size=4).map(tuple),
    unmanaged=st.lists(words, max_size=8).map(tuple),
)  # fmt: skip
outcomes = st.builds(
    Outcome,
    address=words,
    action=st.sampled_from(list(Action)),
    status=st.sampled_from(list(OutcomeStatus)),
    error=st.just("") | words,
    missed=st.lists(words, max_size=2).map(tuple),
    seconds=st.floats(0, 1000),
)
reports = st.builds(
    Report,
    project=names, environment=names, url=st.just(SERVER.url), plan_digest=st.just("sha256:0"),
    outcomes=st.lists(outcomes, max_size=8).map(tuple),
    interrupted=st.booleans(),
)  # fmt: skip
