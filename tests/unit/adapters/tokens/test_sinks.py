"""Tokens in files of other people: one value is written, and each other byte stays."""

from __future__ import annotations

import os
import threading

import pytest

from qdrantctl.adapters.tokens.sinks import write_to_sink

DOTENV = {"dotenv": {"path": ".env", "name": "KEY"}}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"KEY=token\n"),
        (b"A=1\nKEY=old\nB=2\n", b"A=1\nKEY=token\nB=2\n"),
        (b"A=1\r\nKEY=old\r\nB=2\r\n", b"A=1\r\nKEY=token\r\nB=2\r\n"),
        (b"A=1\r\n", b"A=1\r\nKEY=token\r\n"),
        (b"A=1", b"A=1\nKEY=token\n"),
        (b"A=1\nKEY=old", b"A=1\nKEY=token"),
        (b"KEY=\n", b"KEY=token\n"),
        (b"  export  KEY='old'\n", b"  export  KEY=token\n"),
        (b'KEY="old" # rotated\t\n', b"KEY=token # rotated\t\n"),
        (b"KEY=one\nA=1\nKEY=two\n", b"KEY=token\nA=1\nKEY=token\n"),
        (b"\xef\xbb\xbfKEY=old\n", b"\xef\xbb\xbfKEY=token\n"),
        (b"A=x\x0cy\x00\x1b[0m\xff\nB=p\xe2\x80\xa8q\x85\rr\nKEY=o\n",
         b"A=x\x0cy\x00\x1b[0m\xff\nB=p\xe2\x80\xa8q\x85\rr\nKEY=token\n"),
        (b"# KEY=no\nMY_KEY=no\nKEYS=no\n\n\n", b"# KEY=no\nMY_KEY=no\nKEYS=no\n\n\nKEY=token\n"),
        (b'A="first\nKEY=no\n\\"last"\nKEY=old\n', b'A="first\nKEY=no\n\\"last"\nKEY=token\n'),
        (b"A='\nKEY=no\n'\n", b"A='\nKEY=no\n'\nKEY=token\n"),
        (b'KEY="two\nlines"\nB=2\n', b"KEY=token\nB=2\n"),
        (b"A=don't\nKEY=old\nB=won't\n", b"A=don't\nKEY=token\nB=won't\n"),
    ],
)  # fmt: skip
def test_a_dotenv_file_has_one_new_value(tmp_path, before, after):
    (tmp_path / ".env").write_bytes(before)
    for _ in range(2):
        assert write_to_sink("token", DOTENV, tmp_path, {}) == "KEY in .env"
        assert (tmp_path / ".env").read_bytes() == after


@pytest.mark.parametrize("sink", [DOTENV, {"file": ".env"}], ids=["dotenv", "file"])
def test_a_token_goes_where_a_link_leads(tmp_path, sink):
    (tmp_path / "shared").write_bytes(b"A=1\n")
    (tmp_path / ".env").symlink_to("shared")
    write_to_sink("token", sink, tmp_path, {})
    assert (tmp_path / ".env").is_symlink()
    assert b"token\n" in (tmp_path / "shared").read_bytes()


@pytest.mark.parametrize("sink", [DOTENV, {"file": ".env"}], ids=["dotenv", "file"])
def test_a_token_goes_into_a_pipe(tmp_path, sink):
    path, read = tmp_path / ".env", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    write_to_sink("token", sink, tmp_path, {})
    reader.join(10)
    assert read in ([b"token\n"], [b"KEY=token\n"])
    assert path.is_fifo()
