"""Names of collections on the cluster and their addresses, by the ledger."""

from qdrantctl.model.address import Address
from qdrantctl.model.object_names import SAME_NAMES, list_object_names
from qdrantctl.model.replacement import Phase
from tests.support.object_names import replacement

PRODUCTS, GOODS = Address("collection", "products"), Address("collection", "goods")
MOVED = {PRODUCTS: {"object": "products--2"}}
ASIDE = "products (not the current collection of collection/products)"


def test_without_other_names_each_collection_is_called_as_its_address_says():
    entries = {PRODUCTS: {"object": "products"}, GOODS: {}, Address("access_key", "a/b/c"): {
        "object": "c"}}  # fmt: skip
    assert list_object_names(entries, {}) == SAME_NAMES
    assert SAME_NAMES.object_name(PRODUCTS) == "products"
    assert SAME_NAMES.find_address("products") == PRODUCTS
    assert SAME_NAMES.find_holder("products") is None


def test_a_replaced_collection_is_found_under_its_new_name():
    record = replacement("products", "products--2", str(PRODUCTS))
    names = list_object_names(MOVED, {PRODUCTS: record})
    assert names.object_name(PRODUCTS) == "products--2"
    assert names.find_address("products--2") == PRODUCTS
    assert names.logical_name("products--2") == "products"
    assert (names.find_address("products"), names.find_holder("products")) == (None, PRODUCTS)
    assert names.logical_name("products") == ASIDE


def test_before_the_switch_the_new_collection_is_set_aside():
    record = replacement("products", "products--2", str(PRODUCTS), Phase.FILL)
    names = list_object_names({}, {PRODUCTS: record})
    assert (names.object_name(PRODUCTS), names.find_address("products")) == ("products", PRODUCTS)
    assert names.find_address("products--2") is None
    assert names.find_holder("products--2") == PRODUCTS


def test_a_stranger_with_the_name_of_an_address_is_not_its_collection():
    names = list_object_names(MOVED, {})
    assert (names.find_address("products"), names.logical_name("products")) == (None, ASIDE)
    assert names.served_address("products") == PRODUCTS


def test_what_is_no_longer_managed_has_its_own_name():
    assert list_object_names({PRODUCTS: {**MOVED[PRODUCTS], "deleted": True}}, {}) == SAME_NAMES
