"""Records of replacements in the ledger: read as written, and refused if tampered with."""

import pytest

from qdrantctl.adapters.qdrant.ledger import LedgerContents
from qdrantctl.adapters.qdrant.replacement_records import parse_replacements, replacement_entry
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ClusterError
from tests.support.object_names import replacement

RECORD = replacement("products", "products--2", "collection/products")


def contents(entry):
    return LedgerContents(True, entries={Address("replacement", "products"): entry})


def test_a_record_is_read_as_it_was_written():
    read = parse_replacements(contents(replacement_entry(RECORD)))
    assert read == {Address("collection", "products"): RECORD}


@pytest.mark.parametrize(
    "changed",
    [
        {"phase": "none"},
        {"collection": "other"},
        {"old": {"name": ".."}},
        {"new": {"name": "_qdrantctl_keys"}},
    ],
)
def test_a_record_of_something_else_is_refused(changed):
    entry = replacement_entry(RECORD)
    entry["replacement"] = {**entry["replacement"], **changed}
    with pytest.raises(ClusterError, match="replacement/products cannot be read"):
        parse_replacements(contents(entry))
