"""Where an API key may come from; it is in no message, whatever goes wrong."""

from __future__ import annotations

import os
import stat
import sys
import time

import pytest

from qdrantctl.adapters.project import api_key
from qdrantctl.model.errors import SettingsError
from qdrantctl.model.key_source import KeySource

KEY = "k-very-secret-0123456789"
PLACE = "qdrantctl.yaml:12"


def fetch(folder, environ=None, **source):
    return api_key.fetch_key(KeySource(**source), folder, environ or {}, PLACE)


def refused(folder, environ=None, **source):
    with pytest.raises(SettingsError) as caught:
        fetch(folder, environ, **source)
    error = caught.value
    words = " ".join([error.what, error.why, error.hint])
    assert KEY not in words
    assert "secret" not in words
    assert error.__cause__ is None
    return error


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_variable(tmp_path):
    assert fetch(tmp_path, {"K": KEY}, env="K") == KEY
    error = refused(tmp_path, {"L": KEY}, env="K")
    assert "the environment variable K is not set" in error.what
    assert PLACE in error.why


def test_a_file(tmp_path):
    (tmp_path / "key").write_text(KEY + "\n")
    assert fetch(tmp_path, file="key") == KEY
    assert fetch(tmp_path / "..", file=str(tmp_path / "key")) == KEY
    assert "the API key's file none cannot be read" in refused(tmp_path, file="none").what
    assert "cannot be read" in refused(tmp_path, file=".").what


def test_a_pipe_nobody_writes_to_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "key")
    assert stat.S_ISFIFO((tmp_path / "key").stat().st_mode)
    assert "cannot be" in refused(tmp_path, file="key").what


def test_a_command(tmp_path):
    assert fetch(tmp_path, command=python(f"print('{KEY}')")) == KEY
    environ = {"A": KEY, **{k: v for k, v in os.environ.items() if k == "PATH"}}
    assert fetch(tmp_path, environ, command=python("import os; print(os.environ['A'])")) == KEY
    where = fetch(tmp_path, command=python("import os; print(os.getcwd())"))
    assert where == os.path.realpath(tmp_path)
    assert fetch(tmp_path, command=["echo", "$HOME;`id`"]) == "$HOME;`id`", "there is no shell"


def test_a_command_that_fails(tmp_path):
    error = refused(
        tmp_path, command=python(f"print('{KEY}'); import sys; sys.exit('not signed in')")
    )
    assert "failed with exit code 1" in error.what
    assert error.why == "not signed in"
    for code in (
        f"print('{KEY}'); sys.exit('{KEY}')",
        f"sys.stdout.write('{KEY}'); sys.exit('x{KEY}x')",
    ):
        error = refused(tmp_path, command=python("import sys; " + code))
        assert error.why == f"It is defined in {PLACE}."
    assert "cannot be started" in refused(tmp_path, command=["/no/such/program"]).what
    assert "null character" in refused(tmp_path, command=["a\0b"]).what


def test_commands_can_be_forbidden(tmp_path):
    made = tmp_path / "made"
    for word in ("1", "true", "yes"):
        error = refused(tmp_path, {"QDRANTCTL_NO_COMMANDS": word}, command=["touch", str(made)])
        assert "QDRANTCTL_NO_COMMANDS is set" in error.what
        assert not made.exists()
    for word in ("", "0"):
        assert fetch(tmp_path, {"QDRANTCTL_NO_COMMANDS": word}, command=["echo", KEY]) == KEY


def test_a_command_that_does_not_end(tmp_path, monkeypatch):
    monkeypatch.setattr("qdrantctl.adapters.system.commands.COMMAND_SECONDS", 0.5)
    begun = time.monotonic()
    silent = "import sys, time; sys.stdout.close(); sys.stderr.close(); time.sleep(99)"
    for code in ("import time; time.sleep(99)", "while True: print('x' * 1000)", silent):
        assert "did not end within 0.5 seconds" in refused(tmp_path, command=python(code)).what
    assert time.monotonic() - begun < 50


def test_a_command_gets_no_input(tmp_path):
    assert fetch(tmp_path, command=python("import sys; print(repr(sys.stdin.read()))")) == "''"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty"),
        ("\n", "is empty"),
        (f" {KEY}", "begins or ends with a blank"),
        (f"{KEY}\t", "begins or ends with a blank"),
        (f"{KEY}\n\n", "holds more than one line"),
        (f"{KEY}\nX-Other: 1", "holds more than one line"),
        (f"{KEY}\rx", "holds more than one line"),
        (f"{KEY}é", "holds characters that a header cannot contain"),
        (f"{KEY}\x00", "holds characters that a header cannot contain"),
        (KEY * 1000, "is longer than"),
    ],
)
def test_what_is_no_key(content, why, tmp_path):
    (tmp_path / "key").write_bytes(content.encode())
    assert f"the file key {why}" in refused(tmp_path, file="key").what
    if "\x00" not in content:
        assert (
            f"the environment variable K {why}" in refused(tmp_path, {"K": content}, env="K").what
        )


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_one_line_ending_is_taken_off(ending, tmp_path):
    (tmp_path / "key").write_bytes((KEY + ending).encode())
    assert fetch(tmp_path, file="key") == KEY
