"""Runs the command and gives its JSON; what a server holds, to compare before and after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.cli import run_cli
from tests.support.servers import Node

Audited = Callable[..., dict[str, Any]]


@pytest.fixture
def audited(capfd) -> Audited:
    """`audited("--url", …, code=2)`: the report. stderr stays empty."""

    def call(*words: str, code: int = 2) -> dict[str, Any]:
        capfd.readouterr()
        result = run_cli("audit", *words, "--format", "json")
        assert (result.code, capfd.readouterr().err) == (code, ""), result
        return result.document

    return call


def answers(report: dict[str, Any]) -> dict[str, str]:
    """The answer of each rule; where it has several, all of them."""
    found: dict[str, set[str]] = {}
    for verdict in report["verdicts"]:
        found.setdefault(verdict["rule"], set()).add(verdict["answer"])
    return {rule: " ".join(sorted(given)) for rule, given in found.items()}


def held(node: Node) -> Any:
    """All that an audit could have changed: collections, settings, points, aliases, snapshots."""
    found: dict[str, Any] = {"aliases": node.request("GET", "/aliases")[1]["result"]}
    for entry in node.request("GET", "/collections")[1]["result"]["collections"]:
        path = f"/collections/{entry['name']}"
        body = {"limit": 5, "with_payload": True, "with_vector": True}
        found[entry["name"]] = {
            "info": {
                key: value
                for key, value in node.request("GET", path)[1]["result"].items()
                if key in ("config", "points_count", "payload_schema")
            },
            "points": node.request("POST", f"{path}/points/scroll", body)[1]["result"],
            "snapshots": node.request("GET", f"{path}/snapshots")[1]["result"],
        }
    return found
