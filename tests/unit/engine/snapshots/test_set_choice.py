"""Which set a restore means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from qdrantctl.engine.snapshots.set_choice import RestoreRequest, SetReference, choose_set
from qdrantctl.model.errors import QdrantctlError, StoreError, UsageError
from tests.support.snapshot_sets import DAY, NOW, set_info

PRODUCTS = "collection/products"
OLD, NEW = set_info(2), set_info(1)
BAD = set_info(0.5, "bad", damage="The file of node 1 is missing.", id="bad")
BEGUN = set_info(0.25, "unfinished", id="begun")
AHEAD = set_info(-30, id="ahead")
CONDEMNED = set_info(0.5, "bad", damage="point 3", id="condemned", has_bad_verdict=True)
OTHER = replace(set_info(0.1), collection="a@b", id="x", folder="a@b/x/")


def request(reference: str = PRODUCTS, at: datetime | None = None) -> RestoreRequest:
    return RestoreRequest(reference, "file:///backups", ("shop/dev", "old/dev"), at)


@pytest.mark.parametrize(
    ("sets", "asked", "chosen", "skipped"),
    [
        pytest.param([OLD, NEW], request(), NEW, [], id="the newest"),
        pytest.param([OLD, NEW], request(f"{PRODUCTS}@latest"), NEW, [], id="latest"),
        pytest.param([OLD, NEW], request(f"{PRODUCTS}@{OLD.id}"), OLD, [], id="by its id"),
        pytest.param([OLD, NEW], request(at=NOW - 1.5 * DAY), OLD, [], id="by time"),
        pytest.param([OLD, BAD, BEGUN], request(), OLD, [BAD, BEGUN], id="newer ones are skipped"),
        pytest.param([OLD, BAD], request(at=NOW - 1.5 * DAY), OLD, [], id="not after that time"),
        pytest.param([NEW, AHEAD], request(), NEW, [], id="ahead of the clock"),
        pytest.param([NEW, AHEAD], request(f"{PRODUCTS}@ahead"), AHEAD, [], id="ahead by its id"),
        pytest.param([AHEAD], request(), AHEAD, [], id="ahead and no other"),
        pytest.param([NEW, OTHER], request("collection/a@b"), OTHER, [], id="@ in the name"),
        pytest.param([NEW, OTHER], request("collection/a@b@x"), OTHER, [], id="@ and an id"),
        pytest.param([replace(OLD, owner="old/dev"), NEW], request(), NEW, [], id="previous name"),
    ],
)
def test_the_set_that_is_meant(sets, asked, chosen, skipped):
    choice = choose_set(sets, asked, NOW)
    assert (choice.chosen, list(choice.skipped)) == (chosen, skipped)


@pytest.mark.parametrize(
    ("sets", "asked", "error", "message"),
    [
        pytest.param([], request(), QdrantctlError, "holds no set", id="none"),
        pytest.param([BEGUN], request(), QdrantctlError, "is complete", id="only begun"),
        pytest.param([BEGUN], request(f"{PRODUCTS}@begun"), QdrantctlError, "no set", id="begun"),
        pytest.param([BAD], request(f"{PRODUCTS}@bad"), StoreError, "is damaged", id="damaged"),
        pytest.param([OLD, replace(NEW, owner="x/y")], request(), QdrantctlError,
                     "of shop/dev, x/y", id="of two owners"),
        pytest.param([NEW], request(f"{PRODUCTS}@1", NOW), UsageError, "not by both", id="both"),
        pytest.param([NEW], request("alias/live"), UsageError, "is not a collection", id="alias"),
        pytest.param([NEW], request("products"), UsageError, "products", id="no address"),
    ],
)  # fmt: skip
def test_no_set_can_be_chosen(sets, asked, error, message):
    with pytest.raises(error) as raised:
        choose_set(sets, asked, NOW)
    assert message in raised.value.what


def test_an_at_sign_belongs_to_a_known_name():
    assert SetReference.parse("collection/a@b", {"a@b"}).id == ""
    assert SetReference.parse("collection/a@b", {"a"}).id == "b"


def test_a_damaged_set_says_why():
    with pytest.raises(StoreError) as raised:
        choose_set([BAD], request(f"{PRODUCTS}@bad"), datetime(2026, 11, 25, tzinfo=UTC))
    assert raised.value.why == "The file of node 1 is missing."


@pytest.mark.parametrize("reference", [PRODUCTS, f"{PRODUCTS}@condemned"])
def test_a_verdict_is_ignored_if_asked(reference):
    ignoring = replace(request(reference), ignore_verdict=True)
    assert choose_set([OLD, CONDEMNED], ignoring, NOW).chosen == CONDEMNED


def test_a_verdict_counts_and_missing_files_are_never_ignored():
    assert choose_set([OLD, CONDEMNED], request(), NOW).chosen == OLD
    with pytest.raises(StoreError) as raised:
        choose_set([OLD, CONDEMNED], request(f"{PRODUCTS}@condemned"), NOW)
    assert "--ignore-verdict restores it anyway" in raised.value.hint
    with pytest.raises(StoreError) as raised:
        choose_set([BAD], replace(request(f"{PRODUCTS}@bad"), ignore_verdict=True), NOW)
    assert "--ignore-verdict" not in raised.value.hint
