"""What the file of a snapshot shows without a server."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator

import pytest

from qdrantctl.flows.snapshots.policies.archive import archive_fault


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def chunks(content: bytes, size: int = 700) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


SEGMENT = archive({"segment.json": b"{}", "vectors": bytes(5000)})
WHOLE = {"0/segments/a.tar": SEGMENT, "0/wal/open-1": bytes(900), "config.json": b'{"params": 1}'}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        pytest.param(archive(WHOLE), "", id="sound"),
        pytest.param(b"", "the file is not a complete archive", id="empty"),
        pytest.param(bytes(range(256)) * 20, "the file is not a complete archive", id="no archive"),
        pytest.param(
            archive(WHOLE)[:3000],
            "0/segments/a.tar in the archive is not a complete archive",
            id="cut in a segment",
        ),
        pytest.param(
            archive({"config.json": b"{}", "0/wal/open-1": bytes(9000)})[:4000],
            "the file is not a complete archive",
            id="cut in another file",
        ),
        pytest.param(
            archive(WHOLE | {"0/segments/a.tar": SEGMENT[:2000]}),
            "0/segments/a.tar in the archive is not a complete archive",
            id="cut segment in a whole archive",
        ),
        pytest.param(
            archive(WHOLE | {"config.json": b'{"params": '}),
            "config.json in the archive is not JSON",
            id="cut settings",
        ),
        pytest.param(
            archive({"0/segments/a.tar": SEGMENT}),
            "the archive holds no config.json",
            id="no settings",
        ),
    ],
)
def test_the_fault_of_a_file(content, fault):
    assert archive_fault(chunks(content)) == fault
