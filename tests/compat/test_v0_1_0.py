"""What version 0.1.0 wrote is read today and means the same: v0_1_0/README.md tells what it is."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from qdrantctl.model.server import Version
from tests.compat.bench import Left, unpacked, without
from tests.support.access_keys import asked as status_of
from tests.support.project import asked, record
from tests.support.servers import server_folder, server_version

ROOT = Path(__file__).parents[2]
FIXTURES = Path(__file__).parent / "v0_1_0"
OWNERS = {"prod": "compat/prod", "dev": "compat/dev"}
PLANS = ("change", "destroy", "revert")
SET = "file:///proc/self/cwd/backups"
"""The destination of the policy: `backups` in the folder in which the program runs."""
OF_THE_RUN = ("url", "qdrantctl_version", "digest", "seconds", "plan_digest", "version", "storage")
"""The version is the server's, which tells the size of a collection from 1.18 on."""
ADDED_TO_PLANS = ("format_version", "commit", "options", "destroys_data", "references")
"""By format 1.1."""
LOST = [["optimizers_config", "default_segment_number"], ["wal_config", "wal_capacity_mb"]]
"""Settings of `images`, from the defaults of then of the server, that its replacement loses."""
ADDED_TO_DRIFT = ("foreign", "shared", "clocks")
"""Counts of snapshots, since sets have an identity."""
ADDED_TO_SETS = ("problem", "origin", "cluster")
PROSE = ("because", "message", "hint", "notes")
AGEING = ("QA501", "QA502", "QA703", "QA704", "QA705", "QA706", "QA707")
"""Rules of the audit that look at the age of snapshots or at requests, and those that came later.
"""

ANEW = "newer servers are sent other requests, and change vectors in place"

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(sys.platform != "linux", reason="its destination is below /proc"),
]


@pytest.fixture(scope="module")
def left() -> Iterator[Left]:
    """As it was left. Only for what changes nothing."""
    yield from _left()


@pytest.fixture
def moving() -> Iterator[Left]:
    """The same, for a test that changes it."""
    yield from _left()


def _left() -> Iterator[Left]:
    with server_folder() as folder:
        made = unpacked(FIXTURES, folder)
        yield made
        made.node.stop()


def same(told: Any, expected: Any, *but: str) -> None:
    """Equal but for words, times and addresses of the run."""
    names = (*OF_THE_RUN, *PROSE, *but)
    assert without(told, names) == without(expected, names)


def decided(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan with what its violations are about in place of their words.

    Deprecated fields (QC245) depend on the server's version.
    """
    found = [
        (v["rule"], v["severity"], v.get("address"))
        for v in plan["violations"]
        if v["rule"] != "QC245"
    ]
    return plan | {"violations": sorted(found, key=str)}


def without_losses(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan without lost settings of a replacement and points, which 0.1.0 did not name."""
    changes = [
        {name: value for name, value in change.items() if name != "points"}
        | {"fields": [f for f in change["fields"] if not is_loss(change, f)]}
        for change in plan["changes"]
    ]
    return plan | {"changes": changes}


def is_loss(change: dict[str, Any], field: dict[str, Any]) -> bool:
    return change["action"] == "replace" and field["because"].startswith("not stated, so")


def of_unknown_cluster(drift: dict[str, Any]) -> dict[str, Any]:
    """What 0.1.0 told, with the set at the destination as of an unknown cluster: left alone."""
    if "snapshots" not in drift:
        return drift
    counts = drift["snapshots"]
    return drift | {"snapshots": counts | {"unverified": counts["unverified"] - 1}}


def outcomes(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(o["address"], o["action"], o["status"]) for o in report["outcomes"]]


def points(left: Left, name: str) -> int:
    return int(asked(left.node, "POST", f"/collections/{name}/points/count", {})["count"])


def aliases(left: Left) -> dict[str, str]:
    found = asked(left.node, "GET", "/aliases")["aliases"]
    return {each["alias_name"]: each["collection_name"] for each in found}


class TestReading:
    @pytest.mark.until("1.16.99", ANEW)
    @pytest.mark.parametrize("environment", OWNERS)
    def test_the_plan_decides_the_same(self, left, environment):
        told = left.told("plan", "-e", environment)
        assert told["format_version"].startswith("1.")
        expected = left.expected(f"plan-{environment}")
        if environment == "prod":
            lost = [f["path"] for c in told["changes"] for f in c["fields"] if is_loss(c, f)]
            assert lost == LOST
            # The set at the destination is of an unknown cluster: a note that it is left alone.
            noted = next(v for v in expected["violations"] if "was verified" in v["message"])
            expected["violations"].append(noted | {"severity": "note"})
        same(decided(without_losses(told)), decided(expected), *ADDED_TO_PLANS)

    @pytest.mark.parametrize("environment", OWNERS)
    def test_drift_tells_the_same(self, left, environment):
        told = left.told("drift", "-e", environment, code=2)
        expected = of_unknown_cluster(left.expected(f"drift-{environment}"))
        same(told, expected, *ADDED_TO_DRIFT)
        assert told.get("snapshots", {}).get("foreign", 0) == (environment == "prod")

    def test_the_baseline_is_known(self, left, tmp_path):
        old = FIXTURES / "baseline.json"
        told = left.told("drift", "-e", "prod", "--baseline", str(old))
        expected = of_unknown_cluster(left.expected("drift-prod-baseline"))
        same(told, expected, *ADDED_TO_DRIFT)
        assert told["summary"]["known"] == 4
        new = tmp_path / "baseline.json"
        words = ("--baseline", str(new), "--update-baseline")
        assert left.run("drift", "-e", "prod", *words).code == 0
        known = [json.loads(file.read_text()) for file in (old, new)]
        came = {"address": "collection/gone-again", "path": []}  # after the old one was written
        known[1]["known"] = [k for k in known[1]["known"] if without(k, ["digest"]) != came]
        assert known[1] == known[0]

    @pytest.mark.parametrize("environment", OWNERS)
    def test_the_history_and_the_lease_that_was_left(self, left, environment):
        for words, name in ((("history",), "history"), (("lease", "show"), "lease")):
            told = left.told(*words, "-e", environment)
            assert told == left.expected(f"{name}-{environment}")

    def test_keys_and_their_generations(self, left):
        told = left.told("keys", "list", "-e", "prod")
        assert told == left.expected("keys-prod")

    def test_snapshots_and_sets(self, left):
        told = left.told("snapshots", "list", "-e", "prod")
        expected = left.expected("snapshots-prod")
        on_cluster, at_destination = expected["sets"]
        # 0.1.0 recorded no cluster, so no rule of the policy keeps what is at a destination.
        expected["sets"] = [at_destination | {"kept_by": []}, on_cluster]
        # A node's address is that of the run, and a file was made when it was unpacked.
        of_now = ("age_seconds", "node", "created")
        same(told, expected, *of_now, *ADDED_TO_SETS)
        assert [(each["destination"], each["origin"]) for each in told["sets"]] == [
            (SET, "unknown"),
            ("cluster", "own"),
        ]

    @pytest.mark.parametrize(
        ("name", "environment", "address"),
        [
            ("products", "prod", "collection/products"),
            ("products-dev", "dev", "collection/products-dev"),
            ("reader", "prod", "access_key/reader"),
        ],
    )
    def test_what_is_recorded_beside_what_is_live(self, left, name, environment, address):
        told = left.told("show", address, "-e", environment)
        same(told, left.expected(f"show-{name}"))

    @pytest.mark.parametrize("name", [*PLANS, "first"])
    def test_a_saved_plan_is_shown_whole(self, left, name):
        told = left.told("show", str(left.plan(name)))
        assert told == json.loads(left.plan(name).read_text())

    def test_a_plan_for_another_cluster_is_refused(self, left):
        """`first` was made before there was a ledger, so the address alone tells."""
        answer = left.run("apply", str(left.plan("first")))
        assert (answer.code, "another cluster" in answer.err) == (4, True), answer.err

    def test_the_audit_answers_the_same(self, left):
        # From 1.17 on there may be a port for metrics alone; other versions, other weaknesses.
        other = (
            (*AGEING, "QA602", "QA701", "QA702")
            if server_version() >= Version(1, 17, 0)
            else AGEING
        )

        def answers(report: dict[str, Any]) -> list[tuple[str, str, str]]:
            found = ((v["rule"], v.get("address", ""), answer(v)) for v in report["verdicts"])
            # Once each: of a version more weaknesses are known than then.
            return list(dict.fromkeys(each for each in found if each[0] not in other))

        def answer(verdict: dict[str, Any]) -> str:
            """A limit tighter than recommended failed as a note, and passes since."""
            tighter = "is less than" in verdict["message"] and verdict["severity"] == "note"
            return "pass" if tighter else str(verdict["answer"])

        told = left.told("audit", "-e", "prod", code=2)
        assert answers(told) == answers(left.expected("audit-prod"))


class TestState:
    def test_it_is_current(self, left, tmp_path):
        assert left.run("lock", "--check").code == 0
        shutil.copytree(left.project, tmp_path / "edited")
        edited = Left(FIXTURES, left.node, tmp_path / "edited")
        manifest = edited.project / "manifests" / "policies.yaml.j2"
        manifest.write_text(manifest.read_text().replace("max_timeout: 15", "max_timeout: 16"))
        assert edited.run("lock", "--check").code == 2

    def test_it_is_written_the_same(self, left, tmp_path):
        shutil.copytree(left.project, tmp_path / "anew")
        shutil.rmtree(tmp_path / "anew" / "state")
        assert Left(FIXTURES, left.node, tmp_path / "anew").run("lock").code == 0
        for folder in (tmp_path / "anew", FIXTURES / "project"):
            assert len(list((folder / "state").rglob("*.yaml"))) == 15
        for file in (FIXTURES / "project" / "state").rglob("*.yaml"):
            anew = tmp_path / "anew" / file.relative_to(FIXTURES / "project")
            assert anew.read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("schema", "pattern", "count"),
    [
        ("plan", "plans/*.json", 4),
        ("plan", "expected/plan-*.json", 2),
        ("report", "receipts/*.json", 3),
        ("report", "expected/receipt-*.json", 4),
        ("drift", "expected/drift-*.json", 3),
        ("audit", "expected/audit-*.json", 1),
    ],
)
def test_the_schemas_take_it(schema, pattern, count):
    asks = Draft202012Validator(json.loads((ROOT / "schemas" / f"{schema}.json").read_text()))
    files = sorted(FIXTURES.glob(pattern))
    assert len(files) == count
    for file in files:
        assert [error.message for error in asks.iter_errors(json.loads(file.read_text()))] == []


class TestGoingOn:
    @pytest.mark.since("1.17.0", ANEW)
    def test_plans_for_an_older_server_are_out_of_date(self, moving):
        answer = moving.run("apply", str(moving.plan("change")))
        upgraded = f"the server was Qdrant 1.16.3, is now {server_version()}"
        assert (answer.code, upgraded in answer.err) == (4, True), answer.err

    @pytest.mark.until("1.16.99", ANEW)
    def test_saved_plans_are_applied(self, moving, tmp_path):
        """As long as nothing has moved under them, and once."""
        tenants = "/collections/tenants"
        asked(moving.node, "PATCH", tenants, {"hnsw_config": {"payload_m": 40}})
        answer = moving.run("apply", str(moving.plan("revert")))
        moved = "collection/tenants hnsw_config.payload_m: live was 24, is now 40"
        assert (answer.code, moved in answer.err) == (4, True), answer.err
        asked(moving.node, "PATCH", tenants, {"hnsw_config": {"payload_m": 24}})
        for name in PLANS:
            receipt = tmp_path / f"{name}.json"
            answer = moving.run("apply", str(moving.plan(name)), "--receipt", str(receipt))
            assert answer.code == 0, answer.out + answer.err
            told = json.loads(receipt.read_text())
            assert outcomes(told) == outcomes(moving.expected(f"receipt-{name}"))
            assert told["plan_digest"] == json.loads(moving.plan(name).read_text())["digest"]
        after = moving.run("plan", "-e", "prod", "--detailed-exitcode")
        assert after.code == 0, after.out
        for alias in ("pictures", "by-hand"):
            assert aliases(moving)[alias] == "images"
        answer = moving.run("apply", str(moving.plan("change")))
        assert (answer.code, "another apply has recorded it" in answer.err) == (4, True)
        words = ("collection/archive", "--as", "archive-again", "--auto-approve")
        assert moving.run("snapshots", "restore", *words, "-e", "prod").code == 0
        assert points(moving, "archive-again") == 3

    def test_what_killed_applies_left_is_finished(self, moving):
        """One of an update between its steps, one of a replacement that had deleted already."""
        pending = record(moving.node, "collection/images-dev")["pending"]
        assert pending["aliases"] == ["by-hand-dev", "pictures-dev"]
        assert record(moving.node, "collection/products-dev")["pending"]["action"] == "update"
        told = moving.run("apply", "-e", "dev", "--auto-approve", "--format", "json")
        assert told.code == 0, told.out + told.err
        assert "taken over as _qdrantctl_lease.compat.dev.2" in told.err
        assert outcomes(told.document) == outcomes(moving.expected("receipt-dev"))
        for name in ("images-dev", "products-dev"):
            assert "pending" not in record(moving.node, f"collection/{name}")
        assert moving.run("plan", "-e", "dev", "--detailed-exitcode").code == 0
        for alias in pending["aliases"]:
            assert aliases(moving)[alias] == "images-dev"
        before = f"collection/images-dev@{pending['snapshot']}"
        words = ("snapshots", "restore", before, "--as", "before", "--auto-approve", "-e", "dev")
        assert moving.run(*words).code == 0
        assert points(moving, "before") == 3

    def test_a_restore_that_was_killed_is_known(self, moving):
        words = ("snapshots", "restore", "collection/gone", "--as", "gone-again", "--auto-approve")
        answer = moving.run(*words, "-e", "prod")
        assert (answer.code, "is unfinished" in answer.err) == (1, True), answer.err
        stated = moving.project / "manifests" / "again.yaml"
        head = {"apiVersion": "qdrantctl/v1", "kind": "Collection"}
        spec = {"vectors": {"size": 4, "distance": "Dot"}, "payload_indexes": {"brand": "keyword"}}
        stated.write_text(json.dumps({**head, "metadata": {"name": "gone-again"}, "spec": spec}))
        told = moving.told("plan", "-e", "prod", "--target", "collection/gone-again")
        assert "QC216" in {violation["rule"] for violation in told["violations"]}

    def test_a_set_becomes_a_collection_again(self, moving):
        """That at the destination is of an unknown cluster, so it has to be named."""
        words = ("restore", "collection/products", "--from", SET, "--as", "again-1")
        answer = moving.run("snapshots", *words, "--auto-approve", "-e", "prod")
        (of_before,) = [
            each["id"]
            for each in moving.expected("snapshots-prod")["sets"]
            if each["destination"] == SET
        ]
        named = f"collection/products@{of_before}"
        assert (answer.code, f"{named} --from {SET}" in answer.err) == (1, True), answer.err
        for number, (place, name) in enumerate((("cluster", "collection/products"), (SET, named))):
            words = ("restore", name, "--from", place, "--as", f"again-{number}")
            answer = moving.run("snapshots", *words, "--auto-approve", "-e", "prod")
            assert answer.code == 0, answer.out + answer.err
            assert points(moving, f"again-{number}") == 3
            made = asked(moving.node, "GET", f"/collections/again-{number}")
            assert set(made["payload_schema"]) == {"brand", "price", "old_tag"}

    def test_the_policy_goes_on_where_it_was(self, moving):
        """One more is due at each place; that of an unknown cluster is left alone."""
        tried = moving.run("snapshots", "verify", "-e", "prod")
        assert (tried.code, tried.out.count(" is good\n")) == (0, 1), tried.out + tried.err
        assert moving.run("snapshots", "run", "-e", "prod").code == 0
        told = moving.told("snapshots", "list", "-e", "prod")["sets"]
        assert [each["state"] for each in told] == ["complete"] * 4
        before = {each["id"] for each in moving.expected("snapshots-prod")["sets"]}
        assert [each["id"] in before for each in told].count(True) == 2
        origins = sorted((each["destination"], each["origin"]) for each in told)
        assert origins == [("cluster", "own")] * 2 + [(SET, "own"), (SET, "unknown")]

    def test_tokens_are_those_that_were_issued(self, moving):
        issued = moving.run("keys", "issue", "reader", "-e", "prod")
        assert issued.code == 0, issued.err
        token = issued.out.strip()
        digest = hashlib.sha256(token.encode()).hexdigest()
        assert digest == moving.expected("tokens")["reader-2"]
        assert status_of(moving.node, token, path="/collections/live") == 200
        assert moving.run("keys", "issue", "partner", "-e", "prod").code != 0
        assert moving.run("keys", "revoke", "reader", "-e", "prod", "--auto-approve").code == 0
        assert status_of(moving.node, token, path="/collections/live") == 401
