"""Addresses (`collection/products`), and the names that must never be sent to a server."""

from __future__ import annotations

from typing import NamedTuple

OWN_PREFIX = "_qdrantctl"
"""Names that begin with this are reserved for qdrantctl: ledger, leases and key registry."""

_FORBIDDEN = frozenset('<>:"/\\|?*\0\x1f')
_MAX_BYTES = 255


class Address(NamedTuple):
    """The kind and name of a resource. `str()` and `parse()` are inverse."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Parse `collection/products`. Raises ValueError with the reason."""
        kind, slash, name = text.partition("/")
        if not slash or not kind or not name:
            raise ValueError(
                f"{text!r} is not an address; write KIND/NAME, as in collection/products"
            )
        return cls(kind, name)

    def qualified(self, owner: str) -> Address:
        """The address that is unique among all owners: `access_key/shop/prod/analytics`."""
        return Address(self.kind, f"{owner}/{self.name}")


def is_path_segment(name: str) -> bool:
    """Whether a name consists of dots alone. No request is ever sent for such a name."""
    return bool(name) and not name.strip(".")


def unsendable_reason(name: str) -> str:
    """Why a collection or alias name must never be sent to Qdrant; empty if it may."""
    if not name:
        return "a name cannot be empty"
    if is_path_segment(name):
        return f"{name!r} is a path segment, not a name, and is never sent to a server"
    if bad := sorted(set(name) & _FORBIDDEN):
        return "Qdrant forbids " + " ".join(repr(char) for char in bad) + " in names"
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    if size > _MAX_BYTES:
        return f"the name is {size} bytes long, Qdrant accepts at most {_MAX_BYTES}"
    return ""
