import pytest

from qdrantctl.engine.judge import judge_field
from qdrantctl.model.field_rule import ABSENT, Availability, Effect, FieldRule
from qdrantctl.model.server import Server, Version

E = Effect
PLAIN = FieldRule(change=E.REBUILD, because="re-indexes", drop_because="gone")
CAP = FieldRule(unset_value=9, drop=E.UPDATE, drop_because="unlimited")
FIXED = FieldRule(add=E.REPLACE, change=E.REPLACE)
NEW = FieldRule(gate=Availability(since="1.17.0"))
OLD = FieldRule(gate=Availability(until="1.15.0"))
CLUSTERED = FieldRule(values={"custom": Availability(cluster=True)})
NAMED = FieldRule(add=E.UPDATE, drop=E.UPDATE, in_place_since="1.18.0")
FLOAT = FieldRule(float32=True)
BLIND = FieldRule(change=E.REFUSED, write_only=True)

TABLE = [
    # rule, desired, live, recorded, owned, effect
    (PLAIN, 1, 1, ABSENT, False, E.SAME),
    (PLAIN, 1, 1.0, ABSENT, False, E.SAME),
    (PLAIN, True, 1, ABSENT, False, E.REBUILD),
    (PLAIN, ABSENT, 5, ABSENT, False, E.KEPT),
    (PLAIN, ABSENT, 5, 5, False, E.KEPT),
    (PLAIN, 2, 1, 1, False, E.REBUILD),
    (PLAIN, 2, 1, ABSENT, False, E.REBUILD),
    (PLAIN, 2, ABSENT, ABSENT, False, E.UPDATE),
    (CAP, ABSENT, 9, 5, False, E.SAME),
    (CAP, 9, ABSENT, ABSENT, False, E.SAME),
    (CAP, ABSENT, 5, 5, False, E.UPDATE),
    (CAP, ABSENT, 5, ABSENT, False, E.KEPT),
    (CAP, ABSENT, 5, ABSENT, True, E.UPDATE),
    (CAP, 9, 5, ABSENT, False, E.UPDATE),
    (FIXED, 2, 1, 1, False, E.REPLACE),
    (FIXED, 2, ABSENT, ABSENT, False, E.REPLACE),
    (NEW, 1, ABSENT, ABSENT, False, E.REFUSED),
    (NEW, 1, 1, ABSENT, False, E.SAME),
    (OLD, 1, ABSENT, ABSENT, False, E.REFUSED),
    (CLUSTERED, "custom", ABSENT, ABSENT, False, E.REFUSED),
    (CLUSTERED, "auto", ABSENT, ABSENT, False, E.UPDATE),
    (NAMED, 1, ABSENT, ABSENT, False, E.REPLACE),
    (NAMED, ABSENT, 1, 1, False, E.REPLACE),
    (FLOAT, 0.912345678, 0.9123457, ABSENT, False, E.SAME),
    (FLOAT, 0.99, 0.98, ABSENT, False, E.UPDATE),
    (BLIND, 2, ABSENT, ABSENT, False, E.SAME),
    (BLIND, 2, ABSENT, 3, False, E.REFUSED),
]


@pytest.mark.parametrize(("rule", "desired", "live", "recorded", "owned", "effect"), TABLE)
def test_truth_table(rule, desired, live, recorded, owned, effect):
    server = Server(Version(1, 16, 3), "http://localhost")
    assert judge_field(rule, desired, live, recorded, server, owned=owned).effect is effect


def test_keys_are_added_in_place_where_the_server_can():
    server = Server(Version(1, 18, 0), "http://localhost")
    assert judge_field(NAMED, 1, ABSENT, ABSENT, server).effect is E.UPDATE
    assert judge_field(NAMED, ABSENT, 1, 1, server).effect is E.UPDATE


def test_a_refusal_names_both_versions():
    server = Server(Version(1, 16, 3), "http://localhost")
    because = judge_field(NEW, 1, ABSENT, ABSENT, server).because
    assert "1.17.0" in because
    assert "1.16.3" in because


def test_a_dropped_field_says_that_it_stays():
    server = Server(Version(1, 16, 3), "http://localhost")
    assert "no longer managed" in judge_field(PLAIN, ABSENT, 5, 5, server).because
    assert judge_field(PLAIN, ABSENT, 5, ABSENT, server).because == ""
