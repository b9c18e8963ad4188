"""A project with access keys, run in process against a server that takes tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from qdrantctl.model.access_keys.generation import REGISTRY_COLLECTION
from tests.support.cli import CommandResult, run_cli
from tests.support.servers import API_KEY, Node

PROJECT = """\
apiVersion: qdrantctl/v1
kind: Project
metadata: {{name: {name}}}
spec:
  environments:
    dev: {{url: {{env: KEYS_URL}}, api_key: {{env: KEYS_KEY}}}}
{more}"""
COLLECTION = {"vectors": {"size": 4, "distance": "Dot"}}
READS = {"access": [{"collection": "products", "access": "r"}], "ttl": "90d"}


class Project:
    """A folder with a project that states access keys beside two collections and an alias."""

    def __init__(self, folder: Path, node: Node, name: str = "shop", more: str = "") -> None:
        self.folder, self.node, self.key = folder, node, API_KEY
        (folder / "manifests").mkdir(parents=True, exist_ok=True)
        (folder / "qdrantctl.yaml").write_text(PROJECT.format(name=name, more=more))

    def states(self, *, world: bool = True, **keys: Any) -> None:
        """These keys and no others; with `world` products, its alias, and other."""
        documents = [_document("AccessKey", name, spec) for name, spec in keys.items()]
        if world:
            documents += [
                _document("Collection", name, COLLECTION) for name in ("products", "other")
            ]
            documents.append(_document("Alias", "live", {"collection": "other"}))
        text = "\n---\n".join(json.dumps(document) for document in documents)
        (self.folder / "manifests" / "all.yaml").write_text(text + "\n")

    def run(self, *words: str, stdin: str = "", key: str = "") -> CommandResult:
        environ = {"KEYS_URL": self.node.url, "KEYS_KEY": key or self.key,
                   "QDRANTCTL_ACTOR": "tester"}  # fmt: skip
        return run_cli(*words, project=self.folder, env=environ, stdin=stdin)

    def plan(self, *flags: str, key: str = "") -> CommandResult:
        return self.run("plan", "--detailed-exitcode", "--format", "json", *flags, key=key)

    def done(self, *flags: str) -> CommandResult:
        """Apply, which must work, and leave nothing to be planned."""
        told = self.run("apply", "--auto-approve", "--format", "json", *flags)
        assert told.code == 0, told.out + told.err
        after = self.plan()
        assert after.code == 0, after.out + after.err
        return told

    def token(self, *words: str) -> str:
        """What `keys …` prints, which must work."""
        told = self.run("keys", *words)
        assert told.code == 0, told.err
        return told.out.strip()

    def listed(self, name: str) -> list[dict[str, Any]]:
        found = self.run("keys", "list", "--format", "json").document["keys"]
        return next(key["generations"] for key in found if key["name"] == name)

    def states_of(self, name: str) -> list[str]:
        return [generation["state"] for generation in self.listed(name)]


def _document(kind: str, name: str, spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "qdrantctl/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def asked(
    node: Node,
    token: str,
    method: str = "GET",
    path: str = "/collections/products",
    body: Any = None,
) -> int:
    """The status of a request with a token."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"api-key": token, "content-type": "application/json"}
    request = Request(node.url + path, data, headers, method=method)
    try:
        with urlopen(request, timeout=30) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        error.read()
        return error.code


def registry(node: Node) -> list[dict[str, Any]]:
    """The points of the registry, as they are."""
    body = {"limit": 100, "with_payload": True}
    status, answer = node.request("POST", f"/collections/{REGISTRY_COLLECTION}/points/scroll", body)
    return answer["result"]["points"] if status == 200 else []
