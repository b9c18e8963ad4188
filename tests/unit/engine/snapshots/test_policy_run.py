"""What a run of a policy does, as steps."""

from __future__ import annotations

from dataclasses import replace

from qdrantctl.engine.snapshots.policy_run import LiveFacts, explain_run, plan_policy_run
from qdrantctl.model.step import RemoveSet, ResumeSet, TakeSet
from tests.support.snapshot_sets import DUE, FOLDER, NOW, policy_status, set_info

OTHER = "s3://backups"
FILLED = LiveFacts(filled=("products",))
TAKEN = set_info(0.1, scheduled=DUE)
BEGUN = set_info(0.1, "unfinished", scheduled=DUE)
RESUMABLE = replace(FILLED, resumable=(BEGUN.folder,))


def take(*urls: str) -> TakeSet:
    return TakeSet(collection="products", to=urls or (FOLDER,))


def resume(each, *urls: str) -> ResumeSet:
    return ResumeSet(collection="products", folder=each.folder, destinations=urls or (FOLDER,))


def remove(each, url: str = FOLDER, *, unless_finished: bool = False) -> RemoveSet:
    return RemoveSet(
        collection="products",
        folder=each.folder,
        destination=url,
        unless_finished=unless_finished,
    )


def steps(status, live: LiveFacts = FILLED):
    return plan_policy_run(status, live, NOW)


def test_what_is_due_is_taken():
    assert steps(policy_status([])) == (take(),)
    assert steps(policy_status([TAKEN])) == ()
    assert steps(policy_status({FOLDER: [TAKEN], OTHER: []})) == (take(OTHER),)
    assert steps(policy_status({FOLDER: [], OTHER: "no such bucket"})) == (take(FOLDER),)


def test_the_nodes_are_in_the_plan():
    [step] = plan_policy_run(policy_status([]), FILLED, NOW, ("http://a", "http://b"))
    assert step.nodes == ("http://a", "http://b")


def test_retention_counts_what_will_be_taken():
    old, new = set_info(3), set_info(2)
    status = policy_status([old, new])
    assert steps(status) == (take(), remove(old))
    assert steps(policy_status([old, new, TAKEN])) == (remove(old),)
    # Where the collection is empty now, the newest set with points stays.
    last = set_info(2)
    single = policy_status([last], retention={"keep_last": 1})
    assert steps(single, LiveFacts()) == (take(),)
    assert steps(single) == (take(), remove(last))


def test_what_was_begun_is_finished_and_not_taken_again():
    status = policy_status([BEGUN])
    assert steps(status, RESUMABLE) == (resume(BEGUN),)
    # Nothing is left to copy it from: another is taken, for which it gives way.
    assert steps(status) == (take(), remove(BEGUN))


def test_what_cannot_be_finished_gives_way_to_what_is_taken():
    begun = set_info(2, "unfinished")
    live = replace(FILLED, resumable=(begun.folder,))
    assert steps(policy_status([begun]), live) == (
        resume(begun),
        take(),
        remove(begun, unless_finished=True),
    )
    blind = policy_status({FOLDER: [begun], OTHER: "no such bucket"})
    assert steps(blind, live) == (resume(begun), take())


def test_copies_on_the_servers_are_removed_once_every_destination_has_the_set():
    done = replace(TAKEN, has_server_files=True)
    assert steps(policy_status([done])) == (resume(done),)
    assert steps(policy_status([done], server_copy="keep")) == ()
    assert steps(policy_status({FOLDER: [done], OTHER: "no such bucket"})) == ()
    both = policy_status({FOLDER: [done], OTHER: [BEGUN]})
    assert steps(both, RESUMABLE) == (resume(done, FOLDER, OTHER),)
    assert resume(done) not in steps(both)
    gone = replace(policy_status([done]), existing=frozenset())
    assert steps(gone) == ()


def test_sets_of_a_collection_that_is_gone_stay():
    status = replace(policy_status([set_info(3), set_info(2), TAKEN]), collections=())
    assert steps(status) == ()


def test_a_run_is_explained():
    old, new = set_info(3), set_info(2)
    status = policy_status({FOLDER: [old, new], OTHER: "no such bucket"})
    status = replace(status, restoring=("orders",))
    assert explain_run(status, steps(status)) == (
        f"collection/products due; retention removes {old.folder} from {FOLDER}; "
        f"{OTHER} cannot be seen; collection/orders is being restored"
    )
    both = policy_status({FOLDER: [BEGUN], OTHER: [BEGUN]})
    assert (
        explain_run(both, steps(both, RESUMABLE)) == "2 unfinished sets of earlier runs completed"
    )
    assert explain_run(policy_status([TAKEN]), ()) == ""
