from __future__ import annotations

import re

import pytest

from qdrantctl.engine.planning.planner import plan_changes
from qdrantctl.kinds.catalog import BY_NAME
from qdrantctl.model.change import RETIRES, Action, Cause
from qdrantctl.model.field_rule import ABSENT, Effect
from qdrantctl.model.quota import NodeUsage
from qdrantctl.model.report import Outcome, OutcomeStatus
from qdrantctl.model.resource import CollectionStorage
from qdrantctl.model.resource_view import ResourceView
from qdrantctl.model.violation import Severity, Violation
from qdrantctl.render import markdown, text
from qdrantctl.render.shared.escape import count_noun
from qdrantctl.render.shared.style import Style
from tests.support.plans import STEP, at, change, field, plan, report
from tests.support.states import VECTOR, desired, live_collection, question, recorded

HEADER = "qdrantctl plan: shop/prod on http://localhost:6333 (Qdrant 1.16.3, cluster mode)\n"


def shown(*changes, **more):
    return text.plan(plan(*changes, **more))


def body(*changes, **more):
    """The lines between the header and the last ones."""
    return shown(*changes, **more).removeprefix(HEADER).rpartition("\n\nPlan: ")[0].strip("\n")


def sums(*changes, **more):
    return shown(*changes, **more).splitlines()[-1]


def test_an_update_in_full():
    found = shown(
        change(
            Action.UPDATE,
            "collection/products",
            field(("hnsw_config", "m"), 16, 32, effect=Effect.REBUILD, origin=at(14),
                  because="re-indexes the collection"),
            field(("strict_mode_config", "max_query_limit"), 100, 2**63 - 1,
                  because="unlimited (Qdrant cannot unset a cap)"),
            field(("metadata", "a.b"), ABSENT, "x", origin=at(20)),
            field(("metadata", "team"), "search", ABSENT, because="removes the key"),
            field(("optimizers_config", "indexing_threshold"), 0, 20000, cause=Cause.DRIFT,
                  recorded=20000, origin=at(17)),
            field(("wal_config", "wal_capacity_mb"), 64, ABSENT, effect=Effect.KEPT,
                  because="no longer managed"),
            field(("payload_indexes",), ["x", "y"], ABSENT, effect=Effect.KEPT,
                  because="not managed"),
            origin=at(4),
        ),
        change(Action.NOOP, "collection/idle"),
        unmanaged=("collection/scratch",),
    )  # fmt: skip
    assert found == HEADER + (
        """
  # collection/products will be updated in-place
  ~ collection/products   manifests/a.yaml:4
      ~ hnsw_config.m                        : 16 -> 32                                       # re-indexes the collection              manifests/a.yaml:14
      ~ strict_mode_config.max_query_limit   : 100 -> unlimited (Qdrant cannot unset a cap)
      + metadata."a.b"                       = "x"                                                                                     manifests/a.yaml:20
      - metadata.team                        : "search" -> nothing                            # removes the key
      ~ optimizers_config.indexing_threshold : 0 -> 20000                                     # changed outside qdrantctl: was 20000   manifests/a.yaml:17
        wal_config.wal_capacity_mb           : stays 64                                       # no longer managed
        payload_indexes                      : stays ["x", "y"]                               # not managed

1 unmanaged resource, left alone: collection/scratch.

Plan: 0 to add, 1 to change, 0 to destroy.
"""  # noqa: E501
    )


def test_a_replacement_says_what_forces_it_and_what_it_loses():
    found = body(
        change(
            Action.REPLACE,
            "collection/mail",
            field(("vectors", "", "size"), 384, 768, effect=Effect.REPLACE, because="fixed",
                  origin=at(6)),
            field(("hnsw_config", "m"), 16, 32, effect=Effect.REBUILD),
            field(("payload_indexes", "x"), {"type": "keyword"}, ABSENT, because="not stated"),
            because="vectors.size: fixed",
            origin=at(1),
        )
    )  # fmt: skip
    assert found == (
        """\
  # collection/mail must be replaced
-/+ collection/mail   manifests/a.yaml:1
      ~ vectors.size      : 384 -> 768                       # forces replacement: fixed   manifests/a.yaml:6
      ~ hnsw_config.m     : 16 -> 32
      - payload_indexes.x : {"type": "keyword"} -> nothing   # not stated"""  # noqa: E501
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (change(Action.CREATE), "  # collection/a will be created\n  + collection/a"),
        (
            change(Action.DELETE, because="no manifest states it"),
            "  # collection/a will be destroyed\n  # (no manifest states it)\n  - collection/a",
        ),
        (
            change(Action.FORGET),
            "  # collection/a will no longer be managed, and will not be destroyed\n"
            "  . collection/a",
        ),
        (
            change(Action.ADOPT),
            "  # collection/a will be adopted: only the ledger is written\n  > collection/a",
        ),
        (
            change(Action.ADOPT, steps=(STEP,)),
            "  # collection/a will be adopted and changed\n  > collection/a",
        ),
        (
            change(Action.REFUSED, because="owned by catalog/prod"),
            "  # collection/a is refused: it cannot be done\n  # (owned by catalog/prod)\n"
            "  ! collection/a",
        ),
    ],
)
def test_every_action_has_its_heading_and_its_sign(made, expected):
    assert body(made).startswith(expected)


def test_a_refused_field_stands_out_and_its_reason_is_told_once():
    refused = field(("hnsw_config", "memory"), ABSENT, "cold", effect=Effect.REFUSED,
                    because="needs Qdrant 1.19.0 or newer")  # fmt: skip
    found = shown(change(Action.REFUSED, "collection/a", refused,
                         because="hnsw_config.memory: needs Qdrant 1.19.0 or newer"))  # fmt: skip
    assert '      ! hnsw_config.memory = "cold"   # needs Qdrant 1.19.0 or newer\n' in found
    assert found.count("needs Qdrant") == 1


def test_a_lifted_cap_that_is_a_switch_keeps_its_note():
    switch = field(("strict_mode_config", "search_allow_exact"), False, True,
                   because="unlimited (Qdrant cannot unset a cap)")  # fmt: skip
    assert ": false -> true   # unlimited (Qdrant cannot unset a cap)" in body(
        change(Action.UPDATE, "collection/a", switch)
    )


def test_only_caps_are_called_unlimited():
    number = field(("metadata", "big"), 1, 2**63 - 1)
    assert "9223372036854775807" in body(change(Action.UPDATE, "collection/a", number))


def test_paths_are_unambiguous():
    path = ("shard_keys", 7, "7", "a b", 'q"', "Größe")
    found = body(change(Action.UPDATE, "collection/a", field(path, 1, 2)))
    assert r'shard_keys.7."7"."a b"."q\"".Größe' in found


def test_very_long_values_are_cut():
    found = body(change(Action.CREATE, "collection/a", field(("metadata", "k"), ABSENT, "x" * 999)))
    assert found.endswith(f'= "{"x" * 98}…')


def test_a_long_path_pushes_only_its_own_line():
    long = field(("metadata", "k" * 90), 1, 2)
    found = body(change(Action.UPDATE, "collection/a", long, field(("hnsw_config", "m"), 1, 2)))
    assert "      ~ hnsw_config.m : 1 -> 2" in found
    assert f"      ~ metadata.{'k' * 90} : 1 -> 2" in found


def test_the_ledgers_first_creation_is_a_visible_step():
    found = shown(change(Action.CREATE), prepare=(STEP,))
    assert "\n\n  # the ledger (collection _qdrantctl) will be created\n\n" in found


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        ("create update replace delete", "Plan: 2 to add, 1 to change, 2 to destroy."),
        ("adopt adopt", "Plan: 2 to adopt, 0 to add, 0 to change, 0 to destroy. "
                        "Adopting writes only the ledger."),
        ("adopt forget create",
         "Plan: 1 to adopt, 1 to forget, 1 to add, 0 to change, 0 to destroy."),
        ("noop", "No changes. The cluster matches the manifests."),
        ("", "No changes. The cluster matches the manifests."),
    ],
)  # fmt: skip
def test_the_last_line_counts(actions, expected):
    made = [change(Action(word), f"collection/{n}") for n, word in enumerate(actions.split())]
    assert sums(*made) == expected


def test_a_cluster_with_a_replacement_under_way_does_not_match_the_manifests():
    note = Violation(rule="QC248", severity=Severity.NOTE, address="collection/a", message="beside")
    assert sums(change(Action.NOOP), violations=(note,)) == (
        "No other changes. A replacement is under way, by another process or paused."
    )


def capped(count):
    """Changes that tighten one cap of many collections."""
    cap = field(("strict_mode_config", "max_query_limit"), 1000, 500, direction="tightens")
    return [change(Action.UPDATE, f"collection/products-{n}", cap) for n in range(count)]


def test_what_is_alike_is_shown_once():
    assert body(*capped(4)) == (
        "  # 4 collections will be updated in-place\n"
        "  ~ collection/products-0, collection/products-1, collection/products-2, "
        "collection/products-3\n"
        "      ~ strict_mode_config.max_query_limit : 1000 -> 500   # tightens"
    )


def test_a_summary_has_a_line_for_each():
    one = change(
        Action.UPDATE,
        "collection/a",
        field(("hnsw_config", "m"), 16, 32, effect=Effect.REBUILD, because="re-indexes"),
        field(("metadata", "team"), "search", "ads"),
    )
    made = plan(change(Action.DELETE, "collection/old", because="no manifest states it"), one)
    lines = text.plan(made, Style(summary=True)).splitlines()
    assert lines[2:4] == [
        "  - collection/old: no manifest states it",
        '  ~ collection/a: hnsw_config.m 16 -> 32, metadata.team "search" -> "ads"  # re-indexes',
    ]


def test_many_changes_fit_on_two_screens():
    """32 changes, all different, on screens of 50 lines of 100 columns."""
    made = plan(
        *(change(Action.UPDATE, f"collection/{n}", field(("metadata", "k" * 90), n, n + 1))
          for n in range(32))
    )  # fmt: skip
    lines = text.plan(made, Style(width=100, summary=True)).splitlines()
    assert len(lines) <= 100
    assert all(len(line) <= 100 for line in lines)


def test_notes_that_do_not_fit_the_terminal_follow_on_lines_of_their_own():
    long = field(("hnsw_config", "m"), 16, 32, because="re-indexes " + "the collection " * 8)
    found = text.plan(plan(change(Action.UPDATE, "collection/a", long)), Style(width=80))
    assert all(len(line) <= 80 for line in found.splitlines()[2:])
    assert "      ~ hnsw_config.m : 16 -> 32\n          # re-indexes the collection" in found


def test_a_retirement_counts_as_a_destruction():
    retiring = change(Action.UPDATE, because=RETIRES, steps=(STEP,))
    assert sums(retiring) == "Plan: 0 to add, 0 to change, 1 to destroy."
    assert "- collection/a" in body(retiring)


def test_an_adoption_that_changes_does_not_claim_to_write_only_the_ledger():
    assert sums(change(Action.ADOPT, steps=(STEP,))).endswith("0 to destroy.")


def test_a_plan_that_may_not_be_applied_says_how_to_go_on():
    broken = Violation(rule="QC202", address="collection/b", message="it destroys 2 points",
                       hint="Allow it with --allow-delete collection/b.")  # fmt: skip
    found = shown(change(Action.DELETE, "collection/b"), change(Action.REFUSED),
                  violations=(broken,))  # fmt: skip
    assert found.endswith(
        """
error[QC202]: it destroys 2 points
  --> collection/b
   = Allow it with --allow-delete collection/b.

Plan: 0 to add, 0 to change, 1 to destroy, 1 refused.

Apply is blocked by 1 refused change and 1 error: apply would make no changes. \
Resolve the errors above, or leave a change out with --exclude ADDRESS.
"""
    )


def test_warnings_do_not_block():
    warned = Violation(rule="QC210", severity=Severity.WARNING, message="no snapshot")
    found = shown(change(Action.DELETE), violations=(warned,))
    assert "warning[QC210]: no snapshot" in found
    assert "blocked" not in found


def test_unmanaged_resources_are_counted_and_some_named():
    found = shown(unmanaged=tuple(f"collection/{n}" for n in range(7)))
    assert (
        "7 unmanaged resources, left alone: collection/0, collection/1, collection/2, "
        "collection/3, collection/4 and 2 more." in found
    )


def test_colour_changes_nothing_but_colour():
    made = plan(
        change(Action.UPDATE, "collection/a", field(("hnsw_config", "m"), 16, 32, origin=at(1))),
        change(Action.DELETE, "collection/b"),
    )
    coloured = text.plan(made, Style(colour=True))
    assert "\x1b[33m  ~\x1b[0m collection/a" in coloured
    assert "\x1b[31m  -\x1b[0m collection/b" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text.plan(made)


def test_a_plan_of_the_real_planner():
    caps = {"enabled": True, "max_query_limit": 100}
    want = desired("collection/a", **VECTOR, strict_mode_config={"enabled": True})
    live = live_collection("a", strict_mode_config=caps)
    known = recorded("collection/a", **VECTOR, strict_mode_config=caps)
    made = plan_changes(question([want], [live], [known]), BY_NAME)
    assert body(*made) == (
        "  # collection/a will be updated in-place\n"
        "  ~ collection/a\n"
        "      ~ strict_mode_config.max_query_limit : "
        "100 -> unlimited (Qdrant cannot unset a cap)   # loosens"
    )


def done(action, status=OutcomeStatus.DONE, address="collection/a", **more):
    return Outcome(address=address, action=action, status=status, **more)


@pytest.mark.parametrize(
    ("met", "expected"),
    [
        (done(Action.CREATE, seconds=0.42), "collection/a: created (0.4 s)"),
        (done(Action.DELETE), "collection/a: destroyed"),
        (done(Action.UPDATE, OutcomeStatus.FAILED, error="500\nno"),
         r"collection/a: update failed: 500\nno"),
        (done(Action.UPDATE, OutcomeStatus.FAILED, error="Cut.",
              missed=("m (asked 32, shows 16)",)),
         "collection/a: update failed: Cut. Not applied: m (asked 32, shows 16)"),
        (done(Action.UPDATE, OutcomeStatus.NOT_TAKEN, missed=("m (asked 32, shows 16)",)),
         "collection/a: accepted but not applied by the server: m (asked 32, shows 16)"),
        (done(Action.CREATE, OutcomeStatus.NOT_REACHED), "collection/a: creation not reached"),
    ],
)  # fmt: skip
def test_an_outcome_is_one_line(met, expected):
    assert text.outcome(met) == expected


def test_a_complete_report():
    made = report(
        done(Action.CREATE), done(Action.REPLACE), done(Action.UPDATE), done(Action.ADOPT),
        done(Action.NOOP, OutcomeStatus.NOOP),
    )  # fmt: skip
    assert text.report(made) == ("Apply complete! 2 added, 1 changed, 1 destroyed, 1 adopted.\n")


def test_a_report_of_an_apply_that_stopped_part_way():
    made = report(
        done(Action.CREATE),
        done(Action.UPDATE, OutcomeStatus.FAILED, "collection/b", error="the server answered 500."),
        done(Action.CREATE, OutcomeStatus.NOT_REACHED, "collection/c"),
        done(Action.CREATE, OutcomeStatus.NOT_REACHED, "collection/d"),
    )
    assert text.report(made) == (
        """\
collection/b: update failed: the server answered 500.

Not reached: collection/c, collection/d.

Apply stopped part-way! 1 added, 0 changed, 0 destroyed, 1 failed, 2 not reached.

The next qdrantctl apply finishes the rest.
"""
    )


def test_a_report_of_an_interrupted_apply():
    made = report(
        done(Action.CREATE), done(Action.CREATE, OutcomeStatus.NOT_REACHED), interrupted=True
    )
    assert "Apply interrupted! 1 added" in text.report(made)
    late = report(done(Action.CREATE), interrupted=True)
    assert text.report(late).startswith("Apply complete!")


def test_a_report_of_nothing():
    assert text.report(report()) == "No changes. The cluster matches the manifests.\n"


def test_the_size_of_a_rebuild_is_a_line_of_its_own():
    rebuilt = field(("hnsw_config", "m"), 16, 32, effect=Effect.REBUILD)
    found = change(Action.UPDATE, "collection/a", rebuilt, disk_bytes=211945090)
    line = "# (re-indexing reads and rewrites up to 211,945,090 bytes, in each replica)"
    assert line in body(found)
    assert line.removeprefix("# (").removesuffix(")") in markdown.plan(plan(found))
    assert "rewrites" not in body(change(Action.UPDATE, "collection/a", rebuilt))


def test_a_resource_shows_its_size_and_the_usage_of_the_quota():
    storage = CollectionStorage(
        disk_bytes=211945090, ram_bytes=268, cached_bytes=46738, expected_cache_bytes=71303576
    )
    view = ResourceView(address="collection/a", points=3, status="green", live={}, storage=storage)
    assert text.resource(view).splitlines()[2] == (
        "one replica of each shard: 211,945,090 bytes on disk, 268 in memory, 46,738 cached of "
        "71,303,576 expected"
    )
    nodes = [
        NodeUsage(node="", memory_percent=None, disk_percent=73, exceeded=False),
        NodeUsage(node="12", memory_percent=4, disk_percent=91, exceeded=True),
    ]
    view = ResourceView(address="quota/cluster", live={"enabled": True}, usage=tuple(nodes))
    assert text.resource(view).splitlines()[1:3] == [
        "in use: memory unknown, disk 73%",
        "node 12: memory 4%, disk 91%; it refuses writes (507)",
    ]


def test_nouns_are_counted_as_english_counts_them():
    nouns = ("error", "alias", "snapshot policy", "access key")
    assert [count_noun(1, noun) for noun in nouns] == [f"1 {noun}" for noun in nouns]
    assert [count_noun(3, noun) for noun in nouns] == [
        "3 errors", "3 aliases", "3 snapshot policies", "3 access keys",
    ]  # fmt: skip
