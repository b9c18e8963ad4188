"""What the REST API takes and answers, read from the source of a qdrant-client package.

The models are generated from the server's API description. They are parsed, never executed.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from zipfile import ZipFile

ROOTS = {
    "aliases": "ChangeAliasesOperation",
    "cluster_info": "CollectionClusterInfo",
    "cluster_op": "ClusterOperations",
    "cluster_status": "ClusterStatus",
    "create": "CreateCollection",
    "index": "CreateFieldIndex",
    "info": "CollectionInfo",
    "shard_key_create": "CreateShardingKey",
    "shard_key_drop": "DropShardingKey",
    "update": "UpdateCollection",
    "vector_name_create": "VectorNameConfig",
}
"""The first word of a path, and the model that it stands for."""

ENDPOINTS = ("aliases", "beta", "collections", "distributed", "indexes", "quotas", "service")
"""Parts of the client whose requests concern collections, clusters and their settings."""

_MODELS = "qdrant_client/http/models/models.py"
_OPAQUE = frozenset({"filter", "metadata"})
"""Fields whose value is a language of its own, or the user's."""
_LANGUAGES = frozenset({"Language", "SnowballLanguage"})
"""Lists of languages, which came one by one: no table of versions has them."""


@dataclass(frozen=True)
class ClientModels:
    """The models and endpoints of one version of the client."""

    version: str
    models: dict[str, ast.ClassDef | ast.expr] = field(repr=False)
    """Classes, and aliases of unions, by name."""
    endpoints: frozenset[str]
    """`METHOD /path`, and `METHOD /path?parameter` for each parameter."""

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every path, value and endpoint: `create.vectors.<name>.size`, `…="turbo4"`."""
        paths = {
            path
            for word, model in ROOTS.items()
            if model in self.models
            for path in self._paths_below(word, ast.Name(model), ())
        }
        return frozenset(paths) | self.endpoints

    def _paths_below(
        self, path: str, annotation: ast.expr, inside: tuple[str, ...]
    ) -> Iterator[str]:
        """The paths below a place that has this type. `inside` is what recursion has entered."""
        match annotation:
            case ast.Constant(value=str(text)):
                yield from self._paths_below(path, ast.parse(text, mode="eval").body, inside)
            case ast.Name(id=name) if name in self.models and name not in (*inside, *_LANGUAGES):
                yield from self._paths_in_model(path, self.models[name], (*inside, name))
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
                yield from self._paths_below(path, inner, inside)
            case ast.Subscript(value=ast.Name(id="Optional" | "Union"), slice=inner):
                for member in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                    yield from self._paths_below(path, member, inside)
            case ast.Subscript(value=ast.Name(id="List"), slice=inner):
                yield from self._paths_below(f"{path}[]", inner, inside)
            case ast.Subscript(value=ast.Name(id="Dict"), slice=ast.Tuple(elts=[_, inner])):
                yield from self._paths_below(f"{path}.<name>", inner, inside)
            case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
                for value in inner.elts if isinstance(inner, ast.Tuple) else [inner]:
                    if isinstance(value, ast.Constant):
                        yield f"{path}={json.dumps(value.value)}"

    def _paths_in_model(
        self, path: str, model: ast.ClassDef | ast.expr, inside: tuple[str, ...]
    ) -> Iterator[str]:
        if isinstance(model, ast.expr):
            yield from self._paths_below(path, model, inside)
            return
        for line in model.body:
            match line:
                case ast.Assign(targets=[ast.Name()], value=ast.Constant(value=value)):
                    yield f"{path}={json.dumps(value)}"  # of an enumeration
                case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                    here = f"{path}.{_alias(line) or name}"
                    yield here
                    if name not in _OPAQUE:
                        yield from self._paths_below(here, annotation, inside)


def _alias(line: ast.AnnAssign) -> str:
    """The key in JSON, where it is no name in Python: `from`."""
    if isinstance(line.value, ast.Call):
        for keyword in line.value.keywords:
            if keyword.arg == "alias" and isinstance(keyword.value, ast.Constant):
                return str(keyword.value.value)
    return ""


def read_wheel(wheel: Path) -> ClientModels:
    """The models of a package file `qdrant_client-1.20.0-py3-none-any.whl`."""
    with ZipFile(wheel) as package:
        models = _definitions(package.read(_MODELS).decode())
        endpoints = frozenset(
            endpoint
            for part in ENDPOINTS
            if (name := f"qdrant_client/http/api/{part}_api.py") in package.namelist()
            for endpoint in _requests(package.read(name).decode())
        )
    return ClientModels(wheel.name.split("-")[1], models, endpoints)


def _definitions(source: str) -> dict[str, ast.ClassDef | ast.expr]:
    definitions: dict[str, ast.ClassDef | ast.expr] = {}
    for line in ast.parse(source).body:
        match line:
            case ast.ClassDef(name=name):
                definitions[name] = line
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                definitions[name] = value
    return definitions


def _requests(source: str) -> Iterator[str]:
    """The endpoints of one part of the client: each `_build_for_…` builds one request."""
    for function in ast.walk(ast.parse(source)):
        if not (isinstance(function, ast.FunctionDef) and function.name.startswith("_build_for_")):
            continue
        text = ast.unparse(function)
        method, url = re.search(r"method='(\w+)'", text), re.search(r"url='([^']+)'", text)
        if method and url:
            endpoint = f"{method[1]} {url[1]}"
            yield endpoint
            for parameter in re.findall(r"query_params\['(\w+)'\]", text):
                yield f"{endpoint}?{parameter}"
