"""Ranges of ids, one thread for each, which stop together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from qdrantctl.flows.replacement.passes.context import PassContext, ShardKey, StorePair
from qdrantctl.flows.replacement.passes.digest_files import (
    RangeFile,
    find_range_files,
    remove_shard_files,
)
from qdrantctl.model.errors import QdrantctlError
from qdrantctl.model.points import KeyRange, PointKey, PointStore

Outcome = TypeVar("Outcome")

THREADS = 4
SAMPLE = 1000
"""Random keys whose quartiles are the bounds; the parts then differ by some per cent. With fewer
points a collection is one range."""


class PassRun:
    """One run of a pass: what its threads share."""

    def __init__(self, context: PassContext) -> None:
        self.context = context
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._done = 0
        self._next_write = time.monotonic()

    def stop(self) -> None:
        """Have all threads raise at their next page."""
        self._stopped.set()

    def check(self) -> None:
        """Raises QdrantctlError if the caller cancelled, or another thread failed."""
        if self._stopped.is_set() or self.context.is_cancelled():
            raise QdrantctlError("interrupted")

    def sleep(self, seconds: float) -> None:
        """Wait. Raises QdrantctlError if the caller cancels, or another thread fails."""
        deadline = time.monotonic() + seconds
        self.check()
        while (remaining := deadline - time.monotonic()) > 0:
            self._stopped.wait(min(remaining, 0.1))
            self.check()

    def admit_writes(self, count: int) -> None:
        """Return when so many more points may be written. Raises QdrantctlError if cancelled."""
        self.context.wait_for_target()
        self.check()
        if self.context.rate is None:
            return
        with self._lock:
            now = time.monotonic()
            begin = max(now, self._next_write)
            self._next_write = begin + count / self.context.rate
        self.sleep(begin - now)

    def count_done(self, count: int) -> None:
        """Report that so many more points are done."""
        with self._lock:
            self._done += count
            self.context.report_progress(self._done)


def split_keys(store: PointStore) -> list[KeyRange]:
    """Ranges that together hold all ids, with about equally many points."""
    sample = store.sample_keys(SAMPLE)
    bounds: list[PointKey | None] = [None, None]
    if len(sample) >= SAMPLE // 2:
        inner = {sample[len(sample) * part // THREADS] for part in range(1, THREADS)}
        bounds[1:1] = sorted(inner)
    return [KeyRange(start, end) for start, end in pairwise(bounds)]


def plan_range_files(context: PassContext) -> list[RangeFile]:
    """The ranges of a pass: those of the digest files of the one before, or new ones.

    Raises ClusterError.
    """
    files: list[RangeFile] = []
    for shard_key in context.shard_keys:
        before = find_range_files(context.folder, context.replacement_id, shard_key)
        files += before or begin_range_files(context, shard_key)
    return files


def begin_range_files(context: PassContext, shard_key: ShardKey) -> list[RangeFile]:
    """New ranges of a shard key; digest files of other ranges are removed. Raises ClusterError."""
    remove_shard_files(context.folder, shard_key)
    pair = context.open_pair(shard_key)
    try:
        ranges = split_keys(pair.source)
    finally:
        pair.close()
    return place_range_files(context, shard_key, ranges)


def place_range_files(
    context: PassContext, shard_key: ShardKey, ranges: Sequence[KeyRange]
) -> list[RangeFile]:
    """The places of the digest files of ranges."""
    folder, name = context.folder, context.replacement_id
    return [RangeFile(folder, name, shard_key, index, keys) for index, keys in enumerate(ranges)]


@dataclass(frozen=True, slots=True)
class RangeJob:
    """One range, in the thread that works on it."""

    run: PassRun
    stores: StorePair
    place: RangeFile


def run_ranges(
    context: PassContext, places: Sequence[RangeFile], work: Callable[[RangeJob], Outcome]
) -> list[Outcome]:
    """What `work` returns for each range. The first error of a thread stops all, and is raised."""
    run = PassRun(context)

    def work_on(place: RangeFile) -> Outcome:
        run.check()
        pair = context.open_pair(place.shard_key)
        try:
            return work(RangeJob(run, pair, place))
        finally:
            pair.close()

    with ThreadPoolExecutor(THREADS, thread_name_prefix="replacement") as pool:
        try:
            futures = [pool.submit(work_on, place) for place in places]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        finally:
            run.stop()
    return [future.result() for future in futures]
