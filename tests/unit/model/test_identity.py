"""What tells a collection from one that was created again under its name."""

import pytest

from qdrantctl.model.resource import Facts, Record, is_recreated


def facts(uuid="", created_at=""):
    return Facts(uuid=uuid, created_at=created_at)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (facts("a"), facts("a"), False),
        (facts("a"), facts("b"), True),
        (facts("a", "1"), facts("a", "2"), False),
        (facts("", "1"), facts("", "1"), False),
        (facts("", "1"), facts("", "2"), True),
        (facts("a", "1"), facts("", "2"), True),
        (facts("a"), facts("", "2"), False),
        (facts(), facts("b", "2"), False),
        (facts("a", "1"), facts(), False),
        (Record("o", uuid="a"), facts("b"), True),
        (Record("o", created_at="1"), facts("", "2"), True),
    ],
)
def test_the_uuid_decides_and_else_the_time(before, now, expected):
    assert is_recreated(before, now) is expected


def test_only_what_is_known_is_an_identity():
    assert facts("a", "1").identity == {"uuid": "a", "created_at": "1"}
    assert facts("", "1").identity == {"created_at": "1"}
    assert facts().identity == {}
