"""What a fill command may do wrong, with real processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from qdrantctl.adapters.system.line_process import LineProcess
from qdrantctl.flows.replacement.command_fill import COMMAND_BATCH, CommandFill, open_command_fill
from qdrantctl.model.errors import CommandError, QdrantctlError, SettingsError
from qdrantctl.model.points import Point, PointKey
from qdrantctl.model.polling import poll
from qdrantctl.model.replacement import ReplacementSettings

pytestmark = pytest.mark.slow

UUID = "0b6b4fbc-52a4-4ee5-9f2b-8e7d1ae3c001"
SPEC = {"vectors": {"": {"size": 2, "distance": "Dot"}}}
IN_BATCHES = """
import json, os, sys
with open("starts", "a") as file: file.write("x")
batch = []
for line in sys.stdin:
    if line.strip():
        batch.append(json.loads(line))
        continue
    for point in reversed(batch):
        text = point["payload"]["text"]
        DO
        print(json.dumps({"id": point["id"], "vectors": [len(text), 0.5]}))
    print(flush=True)
    batch = []
"""
LINE_BY_LINE = """
import json, sys
for line in sys.stdin:
    if line.strip():
        point = json.loads(line)
        print(json.dumps({"id": point["id"], "vectors": [1, 2]}), flush=True)
"""


@dataclass
class PointList:
    """A store whose raw points are points."""

    points: dict[PointKey, Point] = field(default_factory=dict)

    def decode_point(self, point: Point) -> Point:
        return point

    def encode_point(self, point: Point) -> Point:
        return point

    def fetch_points(self, keys: Sequence[PointKey]) -> Sequence[Point]:
        return [self.points[key] for key in sorted(keys) if key in self.points]


def points(count: int, **texts: str) -> list[Point]:
    """Points 1 to `count`; `p7="x"` is the text of point 7, "ok" that of the others."""
    return [
        Point(PointKey(False, i), {"text": texts.get(f"p{i}", "ok"), "n": i}, {"": [0.0, 1.0]})
        for i in range(1, count + 1)
    ]


@pytest.fixture
def open_fill(tmp_path: Path) -> Iterator[Callable[..., CommandFill]]:
    opened = []

    def make(script: str, silence: float = 30, spec=SPEC, text_fields=None, **words) -> CommandFill:
        (tmp_path / "embed.py").write_text(script)
        process = LineProcess(
            [sys.executable, "embed.py"], tmp_path, os.environ,
            name="the fill command", instead="", silence=silence, **words,
        )  # fmt: skip
        opened.append(CommandFill(process, spec, text_fields, api_key="k" * 20))
        return opened[-1]

    yield make
    for fill in opened:
        fill.close()


def convert(fill: CommandFill, asked: Sequence[Point], target: PointList | None = None):
    return fill.convert(asked, PointList(), target or PointList())


@pytest.mark.parametrize("script", [IN_BATCHES.replace("DO", ""), LINE_BY_LINE])
def test_points_keep_their_order_and_payload(open_fill, script):
    fill = open_fill(script)
    asked = [*points(2 * COMMAND_BATCH + 40), Point(PointKey.parse(UUID), {"text": "é\n"}, {})]
    with ThreadPoolExecutor(2) as pool:  # two ranges share the process
        for result in pool.map(lambda _: convert(fill, asked), range(2)):
            assert [(p.key, p.payload) for p in result] == [(p.key, p.payload) for p in asked]
            assert all(len(p.vectors[""]) == 2 for p in result)
    assert not fill.unconverted


def test_a_large_batch_blocks_neither_side(open_fill):
    fill = open_fill(LINE_BY_LINE.replace('"vectors"', '"payload": point["payload"], "vectors"'))
    asked = points(COMMAND_BATCH, **{f"p{i}": "x" * 20_000 for i in range(COMMAND_BATCH)})
    assert convert(fill, asked)[1].payload == asked[1].payload


@pytest.mark.parametrize(
    ("fault", "reason", "starts"),
    [
        ("if text == 'bad': sys.exit('no text: api_key=' + 'k' * 20)",
         "it exited with code 1 before all points were answered (stderr: no text: api_key=(hidden)",
         9),
        ("if text == 'bad': os.kill(os.getpid(), 9)",
         "it was ended by the signal SIGKILL", 9),
        ("if text == 'bad': print('Loading model')",
         "it wrote a line that is no answer: 'Loading model'", 9),
        ("if text == 'bad': print(json.dumps({'id': 7777, 'vectors': [1, 2]}))",
         "it answered the id 7777, which is not in the batch", 9),
        ("if text == 'bad': continue", "it was not answered", 1),
        ("if text == 'bad': print(json.dumps({'id': point['id'], 'vectors': [1]})); continue",
         "the unnamed vector has 1 numbers, the collection has 2", 1),
        ("if text == 'bad': print('{\"id\": 37, \"vectors\": {\"a\": [1]}}'); continue",
         "the answer lacks the unnamed vector and has the vector 'a', which the collection lacks",
         1),
    ],
)  # fmt: skip
def test_a_poison_point_is_named_and_the_others_are_converted(
    open_fill, tmp_path, fault, reason, starts
):
    fill = open_fill(IN_BATCHES.replace("DO", fault))
    result = convert(fill, points(100, p37="bad"))
    assert [p.key.value for p in result] == [i for i in range(1, 101) if i != 37]
    assert list(fill.unconverted) == [37]
    assert reason in fill.unconverted[37]
    assert len((tmp_path / "starts").read_text()) <= starts
    with pytest.raises(CommandError, match="all points but 1: id 37: ") as caught:
        fill.raise_unconverted("collection/products")
    assert "k" * 20 not in str(caught.value)


def test_a_silent_process_is_ended_with_its_children(open_fill, tmp_path):
    script = "import subprocess, time\nchild = subprocess.Popen(['sleep', '60'])\n"
    script += "open('child', 'w').write(str(child.pid))\ntime.sleep(60)"
    with pytest.raises(CommandError) as caught:
        convert(open_fill(script, silence=1.5), points(3))
    assert "neither read nor answered for 1.5 seconds" in caught.value.why
    child = int((tmp_path / "child").read_text())
    assert poll(lambda: has_ended(child), timeout=5)


def has_ended(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def test_a_command_that_never_works_is_given_up_soon(open_fill, tmp_path):
    fill = open_fill("open('starts', 'a').write('x')\nimport no_such_model")
    with pytest.raises(CommandError) as caught:
        convert(fill, points(1000))
    assert "No module named 'no_such_model'" in caught.value.line
    assert len((tmp_path / "starts").read_text()) == 3


def test_unchanged_texts_keep_the_vectors_of_the_target(open_fill):
    fill = open_fill(LINE_BY_LINE, text_fields=["text"])
    asked = points(3)
    assert fill.digest_fields == ()
    written = [
        Point(p.key, {"text": "ok" if p.key.value < 3 else "old"}, {"": [9, 9]}) for p in asked
    ]
    result = convert(fill, asked, PointList({p.key: p for p in written}))
    assert [p.vectors[""] for p in result] == [[9, 9], [9, 9], [1, 2]]
    assert [p.payload for p in result] == [p.payload for p in asked]


def test_every_form_of_vector_is_checked(open_fill):
    spec = {
        "vectors": {
            "text": {"size": 2},
            "colbert": {"size": 2, "multivector_config": {"comparator": "max_sim"}},
        },
        "sparse_vectors": {"bm25": {}},
    }
    good = '{"text": [1, 2], "colbert": [[1, 2], [3, 4]], "bm25": {"indices": [1], "values": [2]}}'
    (fine,) = convert(open_fill(LINE_BY_LINE.replace("[1, 2]", good), spec=spec), points(1))
    assert fine.vectors["colbert"] == [[1, 2], [3, 4]]
    null = LINE_BY_LINE.replace("[1, 2]", good.replace("[[1, 2], [3, 4]]", "None"))
    (partial,) = convert(open_fill(null, spec=spec), points(1))
    assert partial.vectors.keys() == {"text", "bm25"}
    for old, new, flaw in (
        ("[3, 4]", "[3]", "the vector 'colbert' has 1 numbers"),
        ('"indices": [1]', '"indices": [1, 1]', "the vector 'bm25' has 2 indices and 1 values"),
        ("[1, 2]", "[1, float('nan')]", "the vector 'text' is no list of numbers"),
    ):
        fill = open_fill(LINE_BY_LINE.replace("[1, 2]", good.replace(old, new, 1)), spec=spec)
        assert not convert(fill, points(1))
        assert flaw in fill.unconverted[1]


def test_commands_can_be_forbidden_and_cancelled(open_fill, tmp_path):
    settings = ReplacementSettings(fill="command", command=["true"])
    fill = open_command_fill(settings, SPEC, tmp_path, {"QDRANTCTL_NO_COMMANDS": "1"})
    with pytest.raises(SettingsError, match="QDRANTCTL_NO_COMMANDS is set"):
        convert(fill, points(1))
    late = time.monotonic() + 0.5
    fill = open_fill("import time; time.sleep(60)", is_cancelled=lambda: time.monotonic() > late)
    with pytest.raises(QdrantctlError, match="interrupted"):
        convert(fill, points(1))


def test_the_api_key_is_not_in_the_environment(tmp_path):
    script = LINE_BY_LINE.replace(
        '"vectors"', '"payload": {"seen": sorted(os.environ)}, "vectors"'
    ).replace("import json", "import os, json")
    settings = ReplacementSettings(fill="command", command=[sys.executable, "-c", script])
    environ = {"PROD_KEY": "s3cret-key", "OTHER": "1", "PATH": os.environ["PATH"]}
    fill = open_command_fill(settings, SPEC, tmp_path, environ, api_key="s3cret-key")
    (point,) = convert(fill, points(1))
    assert "OTHER" in point.payload["seen"]
    assert "PROD_KEY" not in point.payload["seen"]
    fill.close()
