"""Checks of `lifecycle`: its paths lead to fields, and its values are supported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qdrantctl.adapters.manifests.validation import FieldError
from qdrantctl.model.resource import Lifecycle
from qdrantctl.model.spec import FieldTree, Path


def check_lifecycle(
    lifecycle: Lifecycle, shape: FieldTree, environments: Sequence[str], *, holds_data: bool
) -> Iterator[FieldError]:
    """Report paths of `lifecycle` that lead to no field, and contradictions in `replacement`.

    `environments` are those of the project; none where there is no project.
    """
    yield from _check_replacement(lifecycle, holds_data=holds_data)
    source = lifecycle.replacement.get("from", {}).get("environment", "")
    if source and environments and source not in environments:
        message = f"the project has no environment {source!r}"
        place = ("lifecycle", "replacement", "from", "environment")
        yield FieldError(place, "QC072", message, f"It has {', '.join(environments)}.")
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


def _check_replacement(lifecycle: Lifecycle, *, holds_data: bool) -> Iterator[FieldError]:
    settings, where = lifecycle.replacement, ("lifecycle", "replacement")
    is_blue_green = lifecycle.replace == "blue_green"
    if is_blue_green and not holds_data:
        message = "replace: blue_green is for collections: other kinds hold no points"
        yield FieldError(("lifecycle", "replace"), "QC061", message, "Use refuse or recreate.")
    if settings and not is_blue_green:
        message = "replacement has no effect without replace: blue_green"
        yield FieldError(where, "QC061", message, "State replace: blue_green, or leave it out.")
        return
    runs_command = settings.get("fill") == "command"
    if runs_command and "command" not in settings:
        message = "fill: command needs the command that makes the vectors"
        hint = "As in command: [python, embed.py]."
        yield FieldError((*where, "fill"), "QC061", message, hint)
    for name in ("command", "text_fields"):
        if name in settings and not runs_command:
            message = f"{name} has no effect without fill: command"
            yield FieldError((*where, name), "QC061", message, "State fill: command.")
    if "from" in settings and settings.get("fill", "copy") != "copy":
        message = "points of another cluster are copied: from needs fill: copy"
        yield FieldError((*where, "from"), "QC061", message, "Leave fill out.")
