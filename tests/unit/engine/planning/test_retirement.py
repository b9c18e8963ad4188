"""When the old collection of a replacement may be deleted. No server."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pytest

from qdrantctl.engine.planning.inputs import DraftChange
from qdrantctl.engine.planning.resumption import refuse_while_kept, with_retirement
from qdrantctl.engine.safety.context import SafetyInput
from qdrantctl.engine.safety.replacement import check_kept_collections
from qdrantctl.flows.planning.replacements import find_retirable
from qdrantctl.model.address import Address
from qdrantctl.model.change import RETIRES, Action
from qdrantctl.model.consent import Consent
from qdrantctl.model.errors import UsageError
from qdrantctl.model.kind import Context
from qdrantctl.model.replacement import CollectionRef, Phase, ReplacementRecord
from qdrantctl.model.resource import Inventory
from qdrantctl.model.server import UNKNOWN, Server
from qdrantctl.model.violation import Severity

ADDRESS = Address("collection", "products")


def kept(**changes):
    return ReplacementRecord(
        id="1",
        owner="shop/dev",
        collection="products",
        phase=Phase.KEEP,
        settings={},
        old=CollectionRef(name="products"),
        new=CollectionRef(name="products--2"),
        entry={},
        begun="2026-11-30T12:00:00+00:00",
        keep_until="2026-12-07T12:00:00+00:00",
    ).model_copy(update=changes)


def planned(live):
    """The input of a plan with a consent, after the time that the collection is kept."""
    return SimpleNamespace(
        live=live,
        retirable=frozenset({ADDRESS}),
        replacements={ADDRESS: kept()},
        consents=(Consent("replace", str(ADDRESS), "qdrantctl.yaml:9"),),
    )


def test_it_is_retired_with_consent():
    draft = with_retirement(DraftChange(ADDRESS, Action.NOOP), planned({ADDRESS: object()}))
    assert (draft.action, draft.because) == (Action.UPDATE, RETIRES)


def test_the_only_copy_stays():
    inputs = planned({})
    draft = with_retirement(DraftChange(ADDRESS, Action.CREATE), inputs)
    [refused] = refuse_while_kept({ADDRESS: draft}, inputs).values()
    assert refused.action is Action.REFUSED
    assert "products holds the only copy" in refused.because


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.KEEP])
@pytest.mark.parametrize("returning", [False, True])
def test_finish_refuses_a_replacement_that_has_not_ended(phase, returning):
    state = SimpleNamespace(replacements={ADDRESS: kept(phase=phase, returning=returning)})
    with pytest.raises(UsageError, match=f"has not ended: it is in phase {phase}"):
        find_retirable(state, None, (ADDRESS,))


@pytest.mark.parametrize("is_named", [False, True])
def test_a_protected_environment_needs_consent_in_the_project_file(is_named):
    nothing = Inventory()
    inputs = SafetyInput(
        (),
        Context(Server(UNKNOWN, ""), date(2026, 12, 8), nothing, nothing, nothing),
        {},
        protected=True,
        replacements={ADDRESS: kept()},
        retirable=frozenset({ADDRESS}),
        retire=frozenset({ADDRESS}) if is_named else frozenset(),
    )
    [problem] = check_kept_collections(inputs)
    assert problem.violation.severity is (Severity.ERROR if is_named else Severity.WARNING)
    assert problem.allowed_by == ("replace", ADDRESS)
    assert "commit {replace: collection/products" in problem.violation.hint
