"""Checks of `lifecycle`: its paths lead to fields, and its values are supported."""

from __future__ import annotations

from collections.abc import Iterator

from qdrantctl.adapters.manifests.validation import FieldError
from qdrantctl.model.resource import Lifecycle
from qdrantctl.model.spec import FieldTree, Path


def check_lifecycle(lifecycle: Lifecycle, shape: FieldTree) -> Iterator[FieldError]:
    """Report paths of `lifecycle` that lead to no field, and an unsupported `replace`."""
    if lifecycle.replace == "blue_green":
        message = "replace: blue_green is not supported by this version yet"
        hint = "Use refuse, or recreate where the points can be written again."
        yield FieldError(("lifecycle", "replace"), "QC061", message, hint)
    for position, path in enumerate(lifecycle.exclusive):
        trees = list(shape.walk(path))
        if len(trees) != len(path) or trees[-1].entries is None:
            maps = ", ".join(sorted(n for n, s in shape.fields.items() if s.entries is not None))
            message = (
                f"{'.'.join(map(str, path))} is not a map whose entries can be managed exclusively"
            )
            where = ("lifecycle", "exclusive", position)
            yield FieldError(
                where, "QC060", message, f"Maps of this kind are {maps}." if maps else ""
            )
    for position, entry in enumerate(lifecycle.ignore):
        if not _leads_somewhere(shape, entry.path):
            message = f"{'.'.join(map(str, entry.path))} is not a field of this kind"
            hint = "Split at dots, or a list where a name holds dots: [payload_indexes, a.b]."
            yield FieldError(("lifecycle", "ignore", position, "path"), "QC060", message, hint)


def _leads_somewhere(shape: FieldTree, path: Path) -> bool:
    """Whether a path leads to a field; below an opaque value every path may."""
    trees = list(shape.walk(path))
    return bool(trees) and (len(trees) == len(path) or (trees[-1].is_leaf and not trees[-1].fields))
