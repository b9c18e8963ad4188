"""Changes the spec of one manifest in the text of its file and leaves the rest unchanged."""

from __future__ import annotations

from collections.abc import Mapping

from ruamel.yaml.error import YAMLError

from qdrantctl.adapters.manifests.locate import ManifestSource
from qdrantctl.adapters.yaml.editor import CannotEdit, YamlEditor
from qdrantctl.adapters.yaml.nodes import YamlNode, compose_nodes
from qdrantctl.model.field_rule import Json
from qdrantctl.model.spec import FieldTree, Path


def edit_spec(source: ManifestSource, spec: Mapping[str, Json], shape: FieldTree) -> str:
    """The text of the source's file with `spec` as its spec, in the manifest's notation.

    Raises CannotEdit where the text cannot be edited. The caller loads the result and compares it
    with `spec`: an anchor in the text may change other places, too.
    """
    text = source.page.text
    manifest = _find_manifest(text, source)
    if manifest is None or manifest.entries is None or "spec" not in manifest.entries:
        raise CannotEdit("it was not found in the file")
    key, value = manifest.entries["spec"]
    first_key = next(iter(value.entries.values()))[0] if value.entries else key
    editor = YamlEditor(text, max(2, first_key.column - key.column) if not value.flow else 2)
    editor.change_entry(manifest, "spec", source.value["spec"], spec, shape)
    return editor.edited_text()


def rename_field(source: ManifestSource, path: Path, key: str, value: Json) -> str:
    """The text of the source's file with the field at `path` as `key: value`, in its place.

    `path` is in the manifest's notation, from its root. Raises CannotEdit. The caller reads the
    result and compares it: an anchor in the text may change other places, too.
    """
    editor = YamlEditor(source.page.text)
    editor.rename_entry(_find_section(source, path[:-1]), str(path[-1]), key, value)
    return editor.edited_text()


def remove_field(source: ManifestSource, path: Path) -> str:
    """The text of the source's file without the field at `path`. Raises CannotEdit."""
    editor = YamlEditor(source.page.text)
    editor.remove_entry(_find_section(source, path[:-1]), str(path[-1]))
    return editor.edited_text()


def _find_section(source: ManifestSource, path: Path) -> YamlNode:
    """The mapping at `path` of the manifest. Raises CannotEdit where an alias stands for it."""
    node = _find_manifest(source.page.text, source)
    for word in path:
        node = node and _child_node(node, word)
    if node is None:
        raise CannotEdit("it comes from an anchor")
    return node


def _find_manifest(text: str, source: ManifestSource) -> YamlNode | None:
    """The mapping of the manifest; None where the manifest is an alias of another node."""
    try:
        roots = compose_nodes(text)
    except YAMLError:
        return None
    result = next((r for r in roots if r.line == source.document.line and r.entries), None)
    for word in source.prefix:
        result = result and _child_node(result, word)
    return result


def _child_node(node: YamlNode, word: str | int) -> YamlNode | None:
    if isinstance(word, int):
        return node.items[word] if node.items and word < len(node.items) else None
    entry = (node.entries or {}).get(word)
    return entry[1] if entry else None
