"""`fill: command`: a process of the user's makes the vectors of the new collection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

from qdrantctl.adapters.secrets.redact import redact
from qdrantctl.adapters.system.line_process import LineProcess, ProcessFailed, ProcessSilent
from qdrantctl.flows.replacement.command_answers import (
    AnswerError,
    CommandAnswer,
    answered_point,
    parse_answer,
    question_lines,
    vector_forms,
)
from qdrantctl.model.errors import CommandError
from qdrantctl.model.points import Point, PointKey, PointStore, RawPoint
from qdrantctl.model.replacement import ReplacementSettings
from qdrantctl.model.resource import canonical_json

COMMAND_BATCH = 128
"""Points that the command gets at once."""
MAX_UNCONVERTED = 1000
"""Points without a usable answer, after which the command is given up."""
_FIRST_TRIES = 3
"""Points that are tried one by one, and once, until the command has answered one."""
_FREE_FAILURES = 20
_POINTS_PER_FAILURE = 10
"""A failure costs a start of the process; isolating one point of a batch takes about 9 failures."""
_SHOWN_POINTS = 20
_SHOWN_LENGTH = 300


@dataclass(slots=True)
class _Attempt:
    """What the command did with some points."""

    converted: dict[PointKey, Point] = field(default_factory=dict)
    refused: dict[PointKey, str] = field(default_factory=dict)
    """Points whose answer cannot be used, and why."""
    failure: str = ""
    """Why the process failed; empty if it did not."""


def open_command_fill(
    settings: ReplacementSettings,
    spec: Mapping[str, Any],
    folder: Path,
    environ: Mapping[str, str],
    *,
    api_key: str | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> CommandFill:
    """The conversion of `fill: command`. `spec` is the canonical one of the new collection.

    The command runs in `folder`, the project's. It gets points and needs no cluster, so variables
    that hold the API key are not in its environment.
    """
    argv = settings.command or []
    process = LineProcess(
        argv,
        folder,
        {name: value for name, value in environ.items() if value != api_key},
        name=f"the fill command {' '.join(argv[:1])!r}",
        instead="Use fill: external where commands are not allowed.",
        is_cancelled=is_cancelled,
    )
    return CommandFill(process, spec, settings.text_fields, api_key)


class CommandFill:
    """Converts points through the command. Several threads share it, and so one process.

    A model takes much memory and every core, so another process would not be faster: while one
    thread waits for it, the others read and write points.

    Each answer counts by itself. Points without one are sent again, after a failure to a new
    process; where that fails as well, they are halved until single points remain. These are left
    out of the result and kept in `unconverted`.
    """

    is_identity = False

    def __init__(
        self,
        process: LineProcess,
        spec: Mapping[str, Any],
        text_fields: Sequence[str] | None,
        api_key: str | None = None,
    ) -> None:
        """`spec` is the canonical one of the new collection; `api_key` is never shown."""
        self._process = process
        self._forms = vector_forms(spec)
        self._text_fields = tuple(text_fields or ())
        self._api_key = api_key
        self._lock = Lock()
        self._answered = 0
        self._failures = 0
        self._owes_empty_line = False
        """Whether the last answer was complete without the empty line that may follow it."""
        self._unconverted: dict[PointKey, str] = {}

    @property
    def digest_fields(self) -> tuple[str, ...] | None:
        """What the digest of a source point covers: all on which the new point depends.

        With text fields the vectors depend on these, and the payload is copied, so that is the
        whole payload. Else the command may use all that it gets, vectors too.
        """
        return () if self._text_fields else None

    @property
    def unconverted(self) -> Mapping[int | str, str]:
        """Points without a usable answer, with the reason."""
        return {key.point_id: reason for key, reason in sorted(self._unconverted.items())}

    def convert(
        self, points: Sequence[RawPoint], source: PointStore, target: PointStore
    ) -> Sequence[RawPoint]:
        """The points as they are written to the target, in their order, without `unconverted`.

        Where the target has a point whose text fields are unchanged, its vectors are kept. Raises
        ClusterError; CommandError if the command is of no use, SettingsError if it is forbidden or
        cannot be started.
        """
        asked = [source.decode_point(point) for point in points]
        converted = self._reuse_vectors(asked, target)
        rest = [point for point in asked if point.key not in converted]
        for batch in self._split_batches(rest):
            converted |= self._convert_batch(batch, tries=2 if self._answered else 1)
        return [target.encode_point(converted[p.key]) for p in asked if p.key in converted]

    def warm_up(self, source: PointStore) -> None:
        """Have the process load its model, by a point that is not written. Raises as `convert`.

        A pass that must be quick needs it before: the first answer may take minutes.
        """
        points = source.fetch_points(source.sample_keys(1))
        if points and not self._answered:
            self._convert_batch([source.decode_point(points[0])], tries=1)

    def raise_unconverted(self, address: object) -> None:
        """Raises CommandError that names the points without a usable answer, if there are any."""
        if self._unconverted:
            count = len(self._unconverted)
            raise CommandError(
                f"{address}: {self._process.name} converted all points but {count:,}: "
                f"{self._list_unconverted()}",
                hint="Correct the command or these points, and apply again: all other points are "
                "written. A point without a vector is answered with null as its vector.",
            )

    def close(self) -> None:
        """Let the process end."""
        self._process.close()

    def _reuse_vectors(self, asked: Sequence[Point], target: PointStore) -> dict[PointKey, Point]:
        """Points whose vectors the target has already: only other fields have changed."""
        if not self._text_fields:
            return {}
        by_key = {point.key: point for point in asked}
        reused = {}
        for raw in target.fetch_points(list(by_key)):
            written = target.decode_point(raw)
            point = by_key[written.key]
            if self._texts_of(point) == self._texts_of(written):
                reused[point.key] = replace(point, vectors=written.vectors)
        return reused

    def _texts_of(self, point: Point) -> str:
        """The text fields; of a path into an object the whole object."""
        names = {*self._text_fields, *(re.split(r"[.\[]", name)[0] for name in self._text_fields)}
        return canonical_json({name: point.payload.get(name) for name in names})

    def _split_batches(self, points: Sequence[Point]) -> Iterator[Sequence[Point]]:
        """Batches; of one point until the command has answered, so that a broken one shows."""
        start = 0
        while start < len(points):
            end = start + (COMMAND_BATCH if self._answered else 1)
            yield points[start:end]
            start = end

    def _convert_batch(self, points: Sequence[Point], tries: int) -> dict[PointKey, Point]:
        """The points with a usable answer."""
        converted: dict[PointKey, Point] = {}
        attempt = _Attempt()
        rest = points
        for _ in range(tries):
            attempt = self._ask(rest)
            converted |= attempt.converted
            rest = [p for p in rest if p.key not in converted and p.key not in attempt.refused]
            if not rest:
                break
        if attempt.failure and len(rest) > 1:
            middle = len(rest) // 2
            for half in (rest[:middle], rest[middle:]):
                converted |= self._convert_batch(half, tries=1)
        else:
            self._refuse({p.key: attempt.failure or "it was not answered" for p in rest})
        return converted

    def _ask(self, points: Sequence[Point]) -> _Attempt:
        """Send points to the process once. Raises CommandError if that failed too often."""
        with self._lock:
            attempt, is_silent = _Attempt(), False
            try:
                self._exchange({point.key: point for point in points}, attempt)
            except (ProcessFailed, AnswerError) as error:
                attempt.failure = f"{error}{self._quote_error()}"
                is_silent = isinstance(error, ProcessSilent)
                self._owes_empty_line = False
                self._failures += 1
            self._answered += len(attempt.converted)
            most = _FREE_FAILURES + self._answered // _POINTS_PER_FAILURE
            if self._failures > most or (is_silent and not self._answered):
                times = "once" if self._failures == 1 else f"{self._failures:,} times"
                raise self._give_up(f"it failed {times}", attempt.failure)
        self._refuse(attempt.refused)
        return attempt

    def _exchange(self, waiting: dict[PointKey, Point], attempt: _Attempt) -> None:
        """Fill the attempt with answers until none is missing, or an empty line ends them."""

        def take_line(line: bytes) -> bool:
            if not line.strip():
                is_end = not self._owes_empty_line
                self._owes_empty_line = False
                return is_end
            answer = parse_answer(line)
            point = waiting.pop(answer.key, None)
            if point is None:
                raise AnswerError(
                    f"it answered the id {answer.key.point_id}, which is not in the batch or was "
                    "answered already"
                )
            self._take_answer(point, answer, attempt)
            self._owes_empty_line = not waiting
            return not waiting

        self._process.exchange(question_lines(waiting.values()), take_line)

    def _take_answer(self, point: Point, answer: CommandAnswer, attempt: _Attempt) -> None:
        try:
            attempt.converted[point.key] = answered_point(
                point, answer, self._forms, keeps_payload=bool(self._text_fields)
            )
        except AnswerError as error:
            attempt.refused[point.key] = str(error)

    def _refuse(self, points: Mapping[PointKey, str]) -> None:
        """Leave points out. Raises CommandError if they are too many, or the first of all."""
        with self._lock:
            self._unconverted |= points
            count = len(self._unconverted)
            if points and (
                count > MAX_UNCONVERTED or (count >= _FIRST_TRIES and not self._answered)
            ):
                what = f"it left {count:,} points without a usable answer"
                if not self._answered:
                    what = f"it answered none of the first {count:,} points"
                raise self._give_up(what, self._list_unconverted())

    def _give_up(self, what: str, details: str) -> CommandError:
        return CommandError(
            f"{self._process.name} is of no use: {what}",
            why=details,
            hint="Try it with a line of input: each point must be answered with a line of JSON, "
            'such as {"id": 1, "vectors": […]}, that is flushed at the empty line that follows '
            "the points.",
        )

    def _list_unconverted(self) -> str:
        """The first points without a usable answer, by reason."""
        by_reason: dict[str, list[str]] = {}
        first = sorted(self._unconverted.items())[:_SHOWN_POINTS]
        for key, reason in first:
            by_reason.setdefault(self._show(reason), []).append(str(key.point_id))
        parts = [
            f"id{'s' if len(ids) > 1 else ''} {', '.join(ids)}: {reason}"
            for reason, ids in by_reason.items()
        ]
        if more := len(self._unconverted) - len(first):
            parts.append(f"and {more:,} more")
        return "; ".join(parts)

    def _quote_error(self) -> str:
        """The last line of stderr in parentheses; empty if it wrote none."""
        lines = [line.strip() for line in self._process.last_errors.splitlines() if line.strip()]
        return f" (stderr: {self._show(lines[-1])[:_SHOWN_LENGTH]})" if lines else ""

    def _show(self, text: str) -> str:
        """A text without secrets and control characters."""
        return redact("".join(c for c in text if c.isprintable()), self._api_key)
