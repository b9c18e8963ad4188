"""The picture of a plan shows what the program prints today. `make pictures` writes it again."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from qdrantctl.adapters.local_server.binary import VERSION

pytestmark = pytest.mark.server
ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
PICTURES = ("plan-light.svg", "plan-dark.svg")


@pytest.mark.since(VERSION, "pictures are drawn on the pinned package, whose version they show")
@pytest.mark.until(VERSION, "pictures are drawn on the pinned package, whose version they show")
def test_pictures_are_current(tmp_path):
    command = [sys.executable, "-m", "tools.terminal_picture", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    for picture in PICTURES:
        drawn = (tmp_path / picture).read_text()
        assert (IMAGES / picture).read_text() == drawn, "run `make pictures`"


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_load_nothing_and_show_no_path_of_a_machine(picture):
    text = (IMAGES / picture).read_text()
    assert re.findall(r"https?://[^\"<\s&]+", text) == [
        "http://www.w3.org/2000/svg",
        "http://127.0.0.1:6333",
    ]
    assert "@font-face" not in text
    assert not re.search(r"/(home|root|tmp|Users)/", text)
