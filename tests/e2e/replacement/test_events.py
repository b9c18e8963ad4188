"""`apply --format jsonl` tells the phases of a replacement, and how far each of them is."""

from __future__ import annotations

from tests.e2e.replacement.products import ADDRESS, ALIAS, COSINE, COUNT, manifest
from tests.support.events import details_of, read_events


def test_each_phase_is_an_event_and_its_points_too(project, node):
    project.states({"products": manifest(COSINE)}, ALIAS)
    told = project.run(node, "apply", "--auto-approve", "--format", "jsonl")
    assert told.code == 0, told.err
    events, report = read_events(told)
    activities = details_of("activity", events)
    phases = [text for text in activities if text.endswith("of its replacement")]
    assert phases == [
        f"{ADDRESS}: phase {phase} of its replacement"
        for phase in ("fill", "catch up", "gate", "switch", "sweep", "keep")
    ]
    amounts = {each["task"]: each for each in details_of("progress", events)}
    filled = amounts[f"{ADDRESS}: fill"]
    assert (filled["done"], filled["total"], filled["unit"]) == (COUNT, COUNT, "points")
    assert report["outcomes"][0]["status"] == "done"
