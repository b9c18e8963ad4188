"""The names of collections on the cluster, where they differ from those of their addresses.

`collection/products` keeps its address when its collection is replaced: the new one is called
`products--8` on the cluster, as the ledger's entry of the address says (`object`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field

from qdrantctl.model.address import Address
from qdrantctl.model.field_rule import Json
from qdrantctl.model.frozen import frozen
from qdrantctl.model.replacement import ReplacementRecord

_COLLECTION_KIND = "collection"


@frozen
class ObjectNames:
    """Translates addresses of collections to names on the cluster, and back."""

    by_address: Mapping[Address, str] = field(default_factory=dict)
    """The names of those collections that are not called as their addresses say."""
    holders: Mapping[str, Address] = field(default_factory=dict)
    """The same by name; and collections of replacements that are not the current one of their
    address: the new one before the switch, the kept old one after it."""

    @classmethod
    def of(
        cls, current: Mapping[Address, str], set_aside: Mapping[str, Address] | None = None
    ) -> ObjectNames:
        """The names of the current collections, and collections that are set aside, by name."""
        by_address = {a: name for a, name in current.items() if name != a.name}
        return cls(by_address, {**(set_aside or {}), **{n: a for a, n in by_address.items()}})

    def object_name(self, address: Address) -> str:
        """The name on the cluster of the collection of an address."""
        return self.by_address.get(address, address.name)

    def find_holder(self, name: str) -> Address | None:
        """The address that a collection of this name serves; None if it is its own.

        It is the current collection of the address, or set aside for it.
        """
        return self.holders.get(name)

    def list_other_names(self, collections: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """All names on the cluster of those collections that have others than their own.

        While a replacement stands these are the new name and the old one.
        """
        serving = self.by_address.keys() | self.holders.values()
        return {
            name: tuple(sorted({self.object_name(address), *self._aside(address)}))
            for name in collections
            if (address := Address(_COLLECTION_KIND, name)) in serving
        }

    def _aside(self, address: Address) -> Iterable[str]:
        return (name for name, holder in self.holders.items() if holder == address)

    def served_address(self, name: str) -> Address:
        """The address that a collection of this name serves or served: of its snapshots, too."""
        return self.holders.get(name, Address(_COLLECTION_KIND, name))

    def find_address(self, name: str) -> Address | None:
        """The address of the collection of this name on the cluster; None without one.

        A collection that is set aside has none, nor one whose name is the address of another one.
        """
        address = self.served_address(name)
        return address if self.object_name(address) == name else None

    def logical_name(self, name: str) -> str:
        """The name in the address of a collection on the cluster.

        For one without an address a text that is no name, since it holds a slash.
        """
        if address := self.find_address(name):
            return address.name
        return f"{name} (not the current collection of {self.served_address(name)})"


def list_object_names(
    entries: Mapping[Address, Mapping[str, Json]],
    replacements: Mapping[Address, ReplacementRecord],
) -> ObjectNames:
    """The names in the ledger's entries and in its replacements, by address of the collection."""
    current = {
        address: str(entry.get("object") or address.name)
        for address, entry in entries.items()
        if address.kind == _COLLECTION_KIND and not entry.get("deleted")
    }
    set_aside = {
        collection.name: address
        for address, record in replacements.items()
        for collection in (record.old, record.new)
        if collection.name != current.get(address, address.name)
    }
    return ObjectNames.of(current, set_aside)


SAME_NAMES = ObjectNames()
"""Every collection is called as its address says."""
