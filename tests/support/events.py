"""The lines of `--format jsonl`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.support.cli import CommandResult

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "event.json").read_text())


def read_events(result: CommandResult) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events, which follow their schema, and the document in the last line."""
    assert result.out.endswith("\n")
    *events, document = map(json.loads, result.out.splitlines())
    for event in events:
        Draft202012Validator(SCHEMA).validate(event)
    assert "event" not in document
    return events, document


def details_of(kind: str, events: list[dict[str, Any]]) -> list[Any]:
    """What the events of one kind tell, in their order."""
    field = {"planned": "summary"}.get(kind, kind)
    return [event[field] for event in events if event["event"] == kind]
