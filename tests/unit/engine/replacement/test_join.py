"""Pages of several sides are joined at equal keys, whatever their pages are."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from qdrantctl.engine.replacement.join import KeyedPage, align_pages, pack_key, unpack_key
from qdrantctl.model.points import PointKey

KEYS = st.builds(PointKey, st.just(False), st.integers(0, 2**64 - 1)) | st.builds(
    PointKey, st.just(True), st.integers(0, 2**128 - 1)
)
SIDE = st.tuples(st.dictionaries(st.integers(0, 40), st.binary(max_size=1)), st.integers(1, 7))


@given(KEYS, KEYS)
def test_encoded_keys_are_in_the_order_of_the_keys(first, second):
    assert unpack_key(pack_key(first)) == first
    assert len(pack_key(first)) == 17
    assert (pack_key(first) < pack_key(second)) == (first < second)


def _pages(points: dict[int, bytes], size: int) -> Iterator[KeyedPage]:
    keys = sorted(points)
    for begin in range(0, len(keys), size):
        page = keys[begin : begin + size]
        yield KeyedPage([bytes([key]) for key in page], [points[key] for key in page], page)
    yield KeyedPage([])


@given(st.lists(SIDE, min_size=1, max_size=3))
def test_every_point_comes_once_and_in_one_chunk_with_its_equals(sides):
    chunks = list(align_pages(*(_pages(points, size) for points, size in sides)))
    last = b""
    for chunk in chunks:
        keys = [key for page in chunk for key in page.keys]
        assert keys
        assert min(keys) > last or not last
        last = max(keys)
    for number, (points, _) in enumerate(sides):
        joined = [
            (key, digest, point)
            for chunk in chunks
            for key, digest, point in zip(*chunk[number], strict=True)
        ]
        assert joined == [(bytes([key]), points[key], key) for key in sorted(points)]
