"""The records of replacements in the ledger, under `replacement/NAME` beside the collection's."""

from __future__ import annotations

from qdrantctl.adapters.qdrant.ledger import LedgerContents, require_usable_object
from qdrantctl.model.address import Address
from qdrantctl.model.errors import ClusterError
from qdrantctl.model.field_rule import Json
from qdrantctl.model.replacement import NOT_RECORDED, PAUSED, RECORD_KIND, ReplacementRecord


def record_address(collection: Address) -> Address:
    """The address of the record of a collection's replacement."""
    return Address(RECORD_KIND, collection.name)


def parse_replacements(contents: LedgerContents) -> dict[Address, ReplacementRecord]:
    """The replacements under way or kept, by the address of their collection.

    Raises ClusterError for a record that cannot be read.
    """
    records: dict[Address, ReplacementRecord] = {}
    for address, entry in contents.entries.items():
        if address.kind != RECORD_KIND:
            continue
        try:
            record = ReplacementRecord.model_validate(entry.get(RECORD_KIND))
            if record_address(record.address) != address:
                raise ValueError
            for collection in (record.old, record.new):
                require_usable_object(collection.name)
        except ValueError:
            raise ClusterError(
                f"the ledger's record {address} cannot be read",
                why="Another version of qdrantctl may have written it.",
                hint="Use the version that began the replacement, or a newer one.",
            ) from None
        records[record.address] = record.model_copy(update={PAUSED: bool(entry.get(PAUSED))})
    return records


def replacement_entry(record: ReplacementRecord) -> dict[str, Json]:
    """The ledger's entry of a replacement.

    Whether it is paused is beside the record: the operator pauses it while a run writes the record.
    """
    return {
        "owner": record.owner,
        "address": str(record_address(record.address)),
        "spec": {},
        RECORD_KIND: record.model_dump(mode="json", exclude=NOT_RECORDED),
    }
