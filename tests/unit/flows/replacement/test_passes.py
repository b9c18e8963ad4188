"""Single passes: what they read from digest files, and what they do without them."""

from __future__ import annotations

import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from qdrantctl.engine.replacement.decisions import UNREAD
from qdrantctl.engine.replacement.join import pack_key
from qdrantctl.flows.replacement.passes import ranges
from qdrantctl.flows.replacement.passes.carry_over import carry_over_keys
from qdrantctl.flows.replacement.passes.catch_up import catch_up
from qdrantctl.flows.replacement.passes.context import PassContext, ServerConversion, StorePair
from qdrantctl.flows.replacement.passes.digest_files import (
    DigestWriter,
    RangeFile,
    find_range_files,
    remove_digest_files,
)
from qdrantctl.flows.replacement.passes.fill import fill_collection
from qdrantctl.flows.replacement.passes.ranges import PassRun
from qdrantctl.flows.replacement.passes.sweep import sweep
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.points import KeyRange, Point, PointKey
from tests.support.memory_points import MemoryCollection, MemoryStore

KEYS = [PointKey(False, number) for number in range(10)]


class Sides:
    """Both collections, and a context of their passes."""

    def __init__(self, folder: Path, **words: Any) -> None:
        self.source, self.target = MemoryCollection(), MemoryCollection()
        self.store: Callable[[MemoryCollection], MemoryStore] = MemoryStore
        conversion = ServerConversion(is_identity=words.pop("is_identity", True))
        self.context = PassContext(
            "r1", self.open_pair, conversion, "live", folder / "digests", **words
        )
        for key in KEYS:
            self.source.upsert(key, {"n": key.value})

    def open_pair(self, _shard_key: Any) -> StorePair:
        return StorePair(MemoryStore(self.source), self.store(self.target))


@pytest.fixture
def sides(tmp_path: Path) -> Sides:
    filled = Sides(tmp_path)
    fill_collection(filled.context, {})
    assert catch_up(filled.context) == 0
    return filled


def test_files_are_private_and_removed_at_the_end(sides):
    folder = sides.context.folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    remove_digest_files(folder)
    assert not folder.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:-33],
        lambda data: data + b"\0" * 33,
        lambda data: b"x" + data[1:],
        lambda data: data.replace(b'"r1"', b'"r2"'),
        lambda data: data.replace(b'"start": null', b'"start":    1'),
    ],
)
def test_files_that_are_cut_or_foreign_do_not_count(sides, damage):
    folder = sides.context.folder
    (file,) = folder.iterdir()
    assert find_range_files(folder, "r1", None)
    file.write_bytes(damage(file.read_bytes()))
    assert not find_range_files(folder, "r1", None)


def test_a_resumed_file_has_no_records_after_the_cursor(tmp_path):
    place = RangeFile(tmp_path / "digests", "r1", None, 0, KeyRange())
    digests = [bytes([key.value]) * 8 + UNREAD for key in KEYS]
    with DigestWriter(place) as writer:
        writer.append_records([pack_key(key) for key in KEYS], digests)
    for after, expected in ((KEYS[3], 4), (KEYS[9], 0), (PointKey(True, 1), 0)):
        with DigestWriter(place, after=after) as writer:
            assert writer.is_resumed is bool(expected)
            writer.commit()
        assert sum(len(page.keys) for page in place.read_pages()) == expected
        place.path.rename(place.partial_path)


def test_a_pass_over_ids_after_a_killed_one_brings_nothing_back(sides):
    class Dying(MemoryStore):
        def upsert_points(self, points: Sequence[Point], *, insert_only: bool = False) -> None:
            super().upsert_points(points, insert_only=insert_only)
            raise ConnectionError

    late = PointKey(True, 5)
    sides.source.upsert(late, {"n": 1})
    sides.store = Dying
    with pytest.raises(ConnectionError):
        carry_over_keys(sides.context)
    assert late in sides.target.points
    sides.source.delete(late)
    sides.store = MemoryStore
    assert carry_over_keys(sides.context) == 1
    assert late not in sides.target.points


def test_without_digest_files_a_sweep_lists_every_difference_and_writes_nothing(sides):
    remove_digest_files(sides.context.folder)
    sides.source.upsert(KEYS[0], {"n": "old"})
    sides.target.upsert(KEYS[1], {"n": "new"})
    sides.source.delete(KEYS[2])
    sides.target.delete(KEYS[3])
    before = dict(sides.target.points)
    result = sweep(sides.context)
    assert (result.differences, result.carried) == (4, 0)
    assert result.conflicts == tuple(KEYS[:4])
    assert sides.target.points == before
    sides.source.upsert(KEYS[4], {"n": "later"})
    result = sweep(sides.context)
    assert (result.differences, result.carried) == (1, 0)
    assert result.conflicts == tuple(KEYS[:5])
    assert sweep(sides.context).differences == 0


def test_a_sweep_lists_what_changed_on_both_sides_and_carries_over_the_rest(sides):
    sides.source.upsert(KEYS[0], {"n": "carried"})
    sides.source.delete(KEYS[1])
    for side in (sides.source, sides.target):
        side.upsert(KEYS[2], {"n": "equal"})
    sides.source.upsert(KEYS[3], {"n": "old"})
    sides.target.upsert(KEYS[3], {"n": "new"})
    sides.source.upsert(KEYS[4], {"n": "old"})
    sides.target.delete(KEYS[4])
    sides.target.delete(KEYS[5])
    result = sweep(sides.context)
    assert (result.differences, result.carried) == (5, 2)
    assert result.conflicts == (KEYS[3], KEYS[4])
    payloads = {key: point[0]["n"] for key, point in sides.target.points.items()}
    assert payloads == {KEYS[0]: "carried", KEYS[2]: "equal", KEYS[3]: "new"} | {
        key: key.value for key in KEYS[6:]
    }
    assert sweep(sides.context).differences == 0


def test_points_without_a_record_are_converted_again(tmp_path):
    sides = Sides(tmp_path, is_identity=False)
    fill_collection(sides.context, {})
    assert catch_up(sides.context) == 0
    remove_digest_files(sides.context.folder)
    assert catch_up(sides.context) == len(KEYS)
    assert catch_up(sides.context) == 0


def test_a_range_for_each_quarter_of_the_points(tmp_path, monkeypatch):
    monkeypatch.setattr(ranges, "SAMPLE", 8)
    sides = Sides(tmp_path)
    assert fill_collection(sides.context, {}) == len(KEYS)
    assert catch_up(sides.context) == 0
    places = find_range_files(sides.context.folder, "r1", None)
    assert len(places) == ranges.THREADS
    assert sides.target.points == sides.source.points


def test_the_first_error_of_a_thread_ends_the_pass(sides):
    def fail() -> None:
        raise ConnectionError

    sides.store = lambda collection: MemoryStore(collection, on_call=fail)
    with pytest.raises(ConnectionError):
        catch_up(sides.context)


def test_all_threads_share_the_rate(tmp_path, monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr(PassRun, "sleep", lambda _, seconds: pauses.append(seconds))
    run = PassRun(Sides(tmp_path, rate=100).context)
    for _ in range(3):
        run.admit_writes(50)
    assert pauses == pytest.approx([0.0, 0.5, 1.0], abs=0.1)


def test_a_cancelled_pass_is_interrupted(tmp_path):
    sides = Sides(tmp_path, is_cancelled=lambda: True)
    with pytest.raises(QdrantctlError, match="interrupted"):
        fill_collection(sides.context, {})
    assert not sides.target.points
