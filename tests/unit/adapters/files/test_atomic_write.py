"""One writer of files: what it writes through, what it leaves, and what it says it cannot do."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
import threading
from pathlib import Path

import pytest

from qdrantctl.adapters.files import atomic_write
from qdrantctl.adapters.files.atomic_write import check_writable, replace_file, stage_file

NOBODY = 65534
OLD, NEW = b"old\r\n", b"new\n"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_new_file_has_the_rights_of_the_umask(tmp_path, umask):
    replace_file(tmp_path / "a", NEW)
    replace_file(tmp_path / "b", NEW, mode=0o600)
    assert (mode_of(tmp_path / "a"), mode_of(tmp_path / "b")) == (0o640, 0o600)
    assert names_in(tmp_path) == ["a", "b"]


def test_an_existing_file_keeps_its_rights_unless_others_are_named(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(OLD)
    path.chmod(0o664)
    replace_file(path, NEW)
    assert (path.read_bytes(), mode_of(path)) == (NEW, 0o664)
    replace_file(path, NEW, mode=0o600)
    assert mode_of(path) == 0o600


def test_a_plain_file_is_replaced_in_one_step(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(OLD)
    with path.open("rb") as reader:
        replace_file(path, NEW)
        assert reader.read() == OLD, "who has it open reads what was there, and no mixture"
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("exists", [True, False], ids=["file", "dangling"])
def test_links_stay_and_their_target_is_written(tmp_path, exists):
    (tmp_path / "shared").mkdir()
    target, link, second = tmp_path / "shared" / "a", tmp_path / "link", tmp_path / "second"
    if exists:
        target.write_bytes(OLD)
    link.symlink_to("shared/a")
    second.symlink_to("link")
    replace_file(second, NEW)
    assert second.is_symlink()
    assert link.is_symlink()
    assert target.read_bytes() == NEW
    assert names_in(tmp_path / "shared") == ["a"]


@pytest.mark.parametrize("data", [NEW, b"longer than it was before\n" * 1000])
def test_every_name_of_a_hard_link_has_the_data(tmp_path, data):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"something of middling length\n")
    os.link(path, other)
    replace_file(path, data, mode=0o600)
    assert path.samefile(other)
    assert (other.read_bytes(), mode_of(other)) == (data, 0o600)


def test_a_loop_of_links_and_a_folder_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for path, number in ((tmp_path / "a", errno.ELOOP), (tmp_path, errno.EISDIR)):
        for write in (lambda path: replace_file(path, NEW), check_writable):
            with pytest.raises(OSError, match=os.strerror(number)) as caught:
                write(path)
            assert caught.value.errno == number
    assert names_in(tmp_path) == ["a", "b"]


def test_a_pipe_is_written_and_stays_one(tmp_path):
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    data = b"x" * 300_000  # more than a pipe holds at once
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    timer = threading.Timer(0.2, reader.start)  # later than the writer
    timer.start()
    replace_file(path, data, mode=0o600)
    timer.join()
    reader.join(10)
    assert read == [data]
    assert path.is_fifo()
    assert names_in(tmp_path) == ["pipe"]


def test_a_pipe_without_a_reader_does_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic_write, "READER_SECONDS", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No process read it within") as caught:
        replace_file(tmp_path / "pipe", NEW)
    assert caught.value.errno == errno.ENXIO


def test_devices_are_written_and_stay(tmp_path):
    replace_file(Path(os.devnull), NEW, mode=0o600)
    check_writable(Path(os.devnull))
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    replace_file(link, NEW)
    assert link.is_symlink()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_device_that_takes_nothing_is_an_error(tmp_path):
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device"):
        replace_file(tmp_path / "full", NEW)
    assert (tmp_path / "full").is_symlink()


def test_what_was_given_open_is_written_where_it_is(tmp_path):
    with (tmp_path / "log").open("wb+", buffering=0) as file:
        file.write(b"before\n")
        replace_file(Path(f"/dev/fd/{file.fileno()}"), NEW)
        file.write(b"after\n")
    assert (tmp_path / "log").read_bytes() == b"before\nnew\nafter\n"
    reading, writing = os.pipe()
    replace_file(Path(f"/dev/fd/{writing}"), NEW)
    os.close(writing)
    assert os.read(reading, 100) == NEW
    os.close(reading)


@pytest.fixture
def users_folder():
    """A folder of a user who is not root, as whom the test goes on: root may write everywhere."""
    folder = Path(tempfile.mkdtemp())
    root = os.geteuid() == 0
    if root:
        os.chown(folder, NOBODY, -1)
        os.seteuid(NOBODY)
    try:
        yield folder
    finally:
        folder.chmod(0o700)
        if root:
            os.seteuid(0)
        shutil.rmtree(folder)


def test_a_file_in_a_folder_that_is_read_only_is_written_in_its_place(users_folder):
    (users_folder / "a").write_bytes(OLD)
    users_folder.chmod(0o500)
    check_writable(users_folder / "a")
    replace_file(users_folder / "a", NEW)
    for write in (lambda path: replace_file(path, NEW), check_writable):
        with pytest.raises(PermissionError):
            write(users_folder / "b")
    assert names_in(users_folder) == ["a"]
    assert (users_folder / "a").read_bytes() == NEW


def test_a_file_that_is_read_only_in_a_read_only_folder_is_an_error(users_folder):
    (users_folder / "a").write_bytes(OLD)
    (users_folder / "a").chmod(0o400)
    users_folder.chmod(0o500)
    for write in (lambda path: replace_file(path, NEW), check_writable):
        with pytest.raises(PermissionError):
            write(users_folder / "a")
    assert (users_folder / "a").read_bytes() == OLD


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of another user")
def test_another_users_file_stays_that_users(users_folder):
    os.seteuid(0)
    path = users_folder / "a"
    path.write_bytes(OLD)
    path.chmod(0o666)
    os.seteuid(NOBODY)
    replace_file(path, NEW, mode=0o600)
    assert (path.read_bytes(), path.stat().st_uid, mode_of(path)) == (NEW, 0, 0o666)
    assert names_in(users_folder) == ["a"]


@pytest.mark.parametrize(
    ("place", "step"),
    [(atomic_write.os, "fdopen"), (atomic_write.os, "fchmod"), (Path, "replace")],
    ids=["write", "rights", "rename"],
)
def test_what_fails_leaves_the_old_file_and_nothing_beside(tmp_path, monkeypatch, place, step):
    """A disk that is full at any step, as the system says it."""
    path = tmp_path / "a"
    path.write_bytes(OLD)

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(place, step, fail)
        with pytest.raises(OSError, match="No space left"):
            replace_file(path, NEW, mode=0o600)
    assert names_in(tmp_path) == ["a"]
    assert path.read_bytes() == OLD


def test_what_is_mounted_over_is_written_in_its_place(tmp_path, monkeypatch):
    """Nothing can take the place of a file that is mounted into a container by itself."""
    path = tmp_path / "a"
    path.write_bytes(OLD)
    inode = path.stat().st_ino

    def busy(*_: object) -> None:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(Path, "replace", busy)
    replace_file(path, NEW)
    assert (path.read_bytes(), path.stat().st_ino) == (NEW, inode)
    assert names_in(tmp_path) == ["a"]


def test_what_another_process_wrote_meanwhile_is_no_success(tmp_path, monkeypatch):
    path = tmp_path / "a"
    replace = Path.replace

    def replace_and_lose(self: Path, target: Path) -> None:
        replace(self, target)
        target.write_bytes(b"theirs")

    monkeypatch.setattr(Path, "replace", replace_and_lose)
    with pytest.raises(OSError, match="changed by another process"):
        replace_file(path, NEW)


def test_what_was_staged_and_not_put_in_place_is_gone(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    with pytest.raises(RuntimeError), stage_file(tmp_path / "a", NEW):
        assert len(names_in(tmp_path)) == 2
        raise RuntimeError
    assert names_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == OLD
