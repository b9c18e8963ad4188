import pytest

from qdrantctl.engine.judge import judge
from qdrantctl.model.field_rule import ABSENT, Effect, Gate, Rule
from qdrantctl.model.server import Server, Version

E = Effect
PLAIN = Rule(change=E.REBUILD, because="re-indexes", drop_because="gone")
CAP = Rule(neutral=9, drop=E.UPDATE, drop_because="unlimited")
FIXED = Rule(add=E.REPLACE, change=E.REPLACE)
NEW = Rule(gate=Gate(since="1.17.0"))
OLD = Rule(gate=Gate(until="1.15.0"))
CLUSTERED = Rule(values={"custom": Gate(cluster=True)})
NAMED = Rule(add=E.UPDATE, drop=E.UPDATE, in_place_since="1.18.0")
FLOAT = Rule(single=True)
BLIND = Rule(change=E.REFUSED, write_only=True)

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
    assert judge(rule, desired, live, recorded, server, owned=owned).effect is effect


def test_keys_are_added_in_place_where_the_server_can():
    server = Server(Version(1, 18, 0), "http://localhost")
    assert judge(NAMED, 1, ABSENT, ABSENT, server).effect is E.UPDATE
    assert judge(NAMED, ABSENT, 1, 1, server).effect is E.UPDATE


def test_a_refusal_names_both_versions():
    server = Server(Version(1, 16, 3), "http://localhost")
    because = judge(NEW, 1, ABSENT, ABSENT, server).because
    assert "1.17.0" in because
    assert "1.16.3" in because


def test_a_dropped_field_says_that_it_stays():
    server = Server(Version(1, 16, 3), "http://localhost")
    assert "no longer managed" in judge(PLAIN, ABSENT, 5, 5, server).because
    assert judge(PLAIN, ABSENT, 5, ABSENT, server).because == ""
