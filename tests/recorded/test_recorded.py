"""Recorded answers of every version go through reader, differ and planner: the same plan as there.

`python -m tools.record_answers` makes the recordings on a real server. Where the program says the
same in other words, `UPDATE_GOLDEN=1 pytest tests/recorded` writes them anew from the same answers.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.recordings import FOLDER, read, replayed, tell, write_projects

FILES = sorted(FOLDER.glob("qdrant-[0-9]*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_plan_is_the_one_of_the_real_server(file: Path, tmp_path: Path) -> None:
    recording = read(file)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", recording.date)
    assert file.name == f"qdrant-{recording.version}.json"
    write_projects(tmp_path, recording.version)
    with replayed(recording) as server:
        told = tell(tmp_path, server.url)
    assert server.missing == [], "record the answers again: python -m tools.record_answers"
    if os.environ.get("UPDATE_GOLDEN"):
        replace(recording, told=told).write(file)
    for name, expected in read(file).told.items():
        assert told[name] == expected, name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_was_applied_leaves_nothing_to_plan(file: Path) -> None:
    told = read(file).told
    plan = told["plan_of_nothing"]["document"]
    assert {change["action"] for change in plan["changes"]} == {"noop"}
    assert told["drift"]["exit"] == 0
    effects = {
        field["effect"]
        for change in told["plan_of_changes"]["document"]["changes"]
        for field in change["fields"]
    }
    assert effects >= {"update", "rebuild", "replace"}
