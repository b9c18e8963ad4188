"""What a plan without a server knows of aliases."""

from __future__ import annotations

from qdrantctl.flows.planning.offline_plan import with_aliases_as_facts
from qdrantctl.model.address import Address
from qdrantctl.model.resource import Inventory, Resource

VECTORS = {"vectors": {"": {"size": 4, "distance": "Dot"}}}


def test_committed_aliases_lead_to_their_collections():
    products, users = Address("collection", "products"), Address("collection", "users")
    alias = Resource(Address("alias", "products-live"), {"collection": "products"})
    committed = Inventory([Resource(products, VECTORS), Resource(users, VECTORS), alias])
    found = with_aliases_as_facts(committed)
    assert found[products].facts.aliases == ("products-live",)
    assert found[users].facts.aliases == ()
    assert found[alias.address] is alias
