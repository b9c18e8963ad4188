"""Hostile input ends with a clear error, in bounded time and memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from qdrantctl.adapters.files.source_text import SourceText
from qdrantctl.adapters.manifests import sources
from qdrantctl.adapters.yaml.documents import MAX_PROBLEMS, read_documents
from qdrantctl.model.address import Address
from qdrantctl.model.rule_catalog import RULES
from tests.support.cli import run_cli
from tests.support.manifests import HEAD, linted, loaded

pytestmark = pytest.mark.slow
MIB = 2**20
MOST_MEMORY = 400 * MIB
MOST_SECONDS = 120
"""Of the processor, however busy the machine is; what is tested takes a few."""

VALIDATE = """
import resource, sys
from qdrantctl.cli.main import run
linux = sys.platform == "linux"
if linux:  # macOS does not bound the address space
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]), int(sys.argv[2])))
code = run(["validate", "-f", sys.argv[1]])
if linux:  # where ru_maxrss of a child begins with that of its parent
    peak = next(l for l in open("/proc/self/status") if l.startswith("VmHWM"))
    peak = int(peak.split()[1]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(peak, file=sys.stderr)
sys.exit(code)
"""


def validate(folder: Path, what: str = ".") -> tuple[int, str]:
    """Exit code and output of `validate` in a process of its own, which must stay small."""
    done = subprocess.run(
        [sys.executable, "-c", VALIDATE, what, str(MOST_SECONDS)],
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert int(done.stderr.split()[-1]) < MOST_MEMORY
    return done.returncode, done.stdout


def nested(open_: str, close: str, depth: int) -> str:
    return "a: " + open_ * depth + "1" + close * depth


LAUGHS = "a0: &a0 [ha, ha]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)
MERGES = "a0: &a0 {x0: 1, y0: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}], x{n}: 1, y{n}: 1}}\n" for n in range(1, 3000)
)
TEXTS = {
    # name: text, rule
    "alias bomb": (LAUGHS, "QC009"),
    "bomb of one big value": (f"a: &a [{'x, ' * 40_000}]\nb: [{'*a, ' * 40_000}]", "QC009"),
    "bomb of long strings": (f"a: &a {'x' * 900_000}\nb: [{'*a, ' * 500}]", "QC009"),
    "bomb of keys": (f"a: &a {'x' * 900_000}\nb:\n" + "- {*a : 1}\n" * 500, "QC009"),
    "bomb of merges": (MERGES, "QC009"),
    "a circle": ("a: &a [*a]", "QC009"),
    "an anchor stated again inside": ("a: &a [&a 1, *a]", "QC009"),
    "deep lists": (nested("[", "]", 100_000), "QC010"),
    "deep mappings": (nested("{a: ", "}", 100_000), "QC010"),
    "deep and never closed": (nested("[", "", 1_000_000), "QC010"),
    "deep dashes": ("- " * 100_000 + "a", "QC010"),
    "deep blocks": ("\n".join(" " * n + "a:" for n in range(3000)), "QC010"),
    "deep below a manifest": (HEAD + "  metadata: " + "{a: " * 120 + "1" + "}" * 120, "QC010"),
    "deep in the slow parser": ("u: {u: http://x}\n" + nested("[", "", 60_000), "QC010"),
    "many values": ("[" + "1," * 510_000 + "]", "QC010"),
    "many deep values": ("[" * 98 + "[1]," * 260_000 + "]" * 98, "QC010"),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(260_000)), "QC010"),
    "many documents": ("a\n---\n" * 510_000, "QC010"),
    "many documents that are no manifests": ("a\n---\n" * 50_000, "QC030"),
    "many unknown keys": (HEAD + "".join(f"  k{n}: 1\n" for n in range(40_000)), "QC040"),
    "many odd names": ("---\n".join(HEAD.replace("products", f"a {n}") for n in range(1_500)), ""),
    "many errors": ("- 0777\n" * 500_000, "QC011"),
    "one long line": ("a: " + "x" * 9_000_000, "QC030"),
    "one long key": ("? " + "x" * 9_000_000 + "\n: 1", "QC030"),
    "a long number": ("a: " + "9" * 5_000_000, "QC011"),
    "only comments": ("#\n" * 4_000_000, ""),
    "only line ends": ("\n" * 9_000_000, ""),
    "tabs": ("a:\n" + "\t" * 1_000_000 + "b: 1", "QC005"),
    "control characters": ("a: \x00\x07", "QC005"),
    "a string that never ends": ("a: '" + "x\n" * 1_000_000, "QC005"),
    "escapes": ('a: "' + "\\x" * 1_000_000, "QC005"),
    "directives": ("%YAML 9.9\n---\na: 1", "QC005"),
    "many tags": ("%TAG !a! !\n" * 1000 + "---\na: 1", "QC005"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_text(name, tmp_path):
    text, rule = TEXTS[name]
    (tmp_path / "a.yaml").write_text(text)
    code, out = validate(tmp_path, "a.yaml")
    assert code == int(bool(rule))
    assert f"error[{rule}]: " in out if rule else "resources are valid." in out
    assert "--> a.yaml:" in out or not rule
    assert out.count("error[") <= MAX_PROBLEMS
    assert ("This file has more errors" in out) == (out.count("error[") == MAX_PROBLEMS)


BYTES = {
    "not UTF-8": (b"a: caf\xe9", "QC004", "a.yaml:1:7"),
    "UTF-16": ("a: 1".encode("utf-16"), "QC004", "It looks like UTF-16"),
    "cut in a character": ("a: é".encode()[:-1], "QC004", "a.yaml:1:4"),
    "overlong": (b"a: \xc0\xaf", "QC004", "a.yaml:1:4"),
    "a surrogate": (b"a: \xed\xa0\x80", "QC004", "a.yaml:1:4"),
    "null bytes": (b"\0" * 1000, "QC005", "a.yaml:1:1"),
    "a program": (Path(sys.executable).resolve().read_bytes()[:100_000], "QC004", "a.yaml"),
    "50 MB": (b"a: 1\n" * 10_000_000, "QC003", "Split it"),
}


@pytest.mark.parametrize("name", BYTES)
def test_bytes(name, tmp_path):
    data, rule, words = BYTES[name]
    (tmp_path / "a.yaml").write_bytes(data)
    code, out = validate(tmp_path, "a.yaml")
    assert code == 1
    assert f"error[{rule}]" in out
    assert words in out


def test_what_is_no_file(tmp_path):
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    (tmp_path / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / "loop.yaml").symlink_to("loop2.yaml")
    (tmp_path / "loop2.yaml").symlink_to("loop.yaml")
    (tmp_path / "huge.yaml").touch()
    os.truncate(tmp_path / "huge.yaml", 2**40)
    code, out = validate(tmp_path)
    assert code == 1
    found = re.findall(r"error\[(\w+)\].*\n +--> ([\w.]+):1", out)
    assert sorted(name for rule, name in found if rule == "QC001") == [
        *("dangling.yaml", "device.yaml", "fifo.yaml", "folder.yaml", "loop.yaml", "loop2.yaml")
    ]
    assert [name for rule, name in found if rule == "QC003"] == ["huge.yaml"]


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    (tmp_path / "a.yaml").write_text(HEAD)
    real = os.open

    def refuse(path, *more):
        if str(path).endswith("a.yaml"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *more)

    monkeypatch.setattr(sources.os, "open", refuse)
    [found] = loaded(tmp_path).violations
    assert found.message == "cannot be read: permission denied"
    assert found.hint


def test_folders_that_lead_to_each_other(tmp_path):
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.yaml").write_text(HEAD.replace("products", name))
        for other in "abc":
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
        (tmp_path / name / "up").symlink_to("..")
    for pattern in (".", "**/*.yaml", "*/*/*/*/*", "**/**/**"):
        found = loaded(tmp_path, pattern)
        assert {address.name for address in found.desired} == set("abc"), pattern
        assert not found.violations


def test_very_deep_folders(tmp_path):
    make = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    subprocess.run([sys.executable, "-c", make], cwd=tmp_path, check=True)
    (tmp_path / "a.yaml").write_text(HEAD)
    try:
        for pattern in (".", "**/a.yaml"):
            assert {a.name for a in loaded(tmp_path, pattern).desired} == {"products"}
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_odd_names(tmp_path):
    names = ["a b.yaml", "é.yaml", "\n.yaml", "[x].yaml", "-f.yaml", "\x1b[31m.yaml", "'.yaml"]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(HEAD.replace("products", f"c{number}"))
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_text("a: 1")
    code, out = validate(tmp_path)
    assert code == 1
    assert "QC030" in out
    assert "\x1b" not in out
    assert len(loaded(tmp_path, ".").desired) == len(names)
    assert loaded(tmp_path, "\0", "a\0b", "[", "**[", "~", "a" * 9999).violations


def test_messages_are_fit_for_a_terminal(tmp_path):
    (tmp_path / "a.yaml").write_text(
        HEAD + '  "\\e[31m\\u202e\\n": 1\n  hnsw_config: "' + "x" * 99_999 + '"\n'
    )
    code, out = validate(tmp_path, "a.yaml")
    assert code == 1
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert len(out) < 10_000


@pytest.mark.parametrize(
    "kind",
    ["documents", "keys", "items", "errors", "anchors", "resources", "twins", "template", "globs"],
)
def test_time_grows_with_the_input_and_not_with_its_square(kind, tmp_path):
    def spent(size: int) -> float:
        folder = tmp_path / str(size)
        folder.mkdir()
        name, patterns = "a.yaml", ("a.yaml",)
        match kind:
            case "documents":
                text = "a\n---\n" * size
            case "keys":
                text = "\n".join(f"k{n}: 1" for n in range(size))
            case "items":
                text = "- a\n" * size
            case "errors":
                text = "- 0777\n" * size
            case "anchors":
                text = "\n".join(f"k{n}: &a{n} 1" for n in range(size))
            case "resources":
                text = "---\n".join(HEAD.replace("products", f"c{n}") for n in range(size // 8))
            case "twins":
                text = "---\n".join([HEAD] * (size // 8))
            case "template":
                name, patterns = "a.yaml.j2", ("a.yaml.j2",)
                text = "{% for n in range(" + str(size) + ") %}- {{ n }}\n{% endfor %}"
            case "globs":
                text = ""
                for n in range(size // 40):
                    (folder / f"f{n}.yaml").write_text("# none\n")
                patterns = ("*.yaml", "f*.yaml", "*")
        (folder / name).write_text(text)
        begun = time.process_time()
        linted(loaded(folder, *patterns))
        return time.process_time() - begun

    spent(100)
    small, large = spent(8_000), spent(64_000)
    assert large < 8 * max(small, 0.05) * 4, "8 times as much takes 8 times as long; 64 is square"


def test_a_manifest_that_changes_while_it_is_read(tmp_path):
    """Whoever reads sees the old text, the new one, or a clear error."""
    file = tmp_path / "a.yaml"
    texts = [
        HEAD.replace("products", name) + "# " + "x" * 200_000 + "\n" for name in ("old", "new")
    ]
    file.write_text(texts[0])
    done = threading.Event()
    broken: list[BaseException] = []

    def scribble() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            try:
                match turn % 5:
                    case 0:
                        file.unlink(missing_ok=True)
                    case 1:
                        file.write_text(texts[turn % 2][: turn * 37 % 300])
                    case 2:
                        other = tmp_path / "b.tmp"
                        other.write_text(texts[turn % 2])
                        other.replace(file)
                    case 3:
                        file.write_bytes(b"\xff" * (turn % 50))
                    case 4:
                        file.write_text(texts[turn % 2])
            except OSError as error:
                broken.append(error)
                return

    hand = threading.Thread(target=scribble)
    hand.start()
    seen: set[str] = set()
    try:
        for _ in range(300):
            found = loaded(tmp_path, ".")
            seen |= {address.name for address in found.desired} or {
                violation.rule for violation in found.violations
            }
    finally:
        done.set()
        hand.join()
    assert not broken
    assert seen - {"old", "new"} <= RULES.keys()
    assert seen & {"old", "new"}


def test_a_change_between_two_reads_is_noticed(tmp_path, monkeypatch):
    """Half of the old text and half of the new one could make a valid manifest."""
    file = tmp_path / "a.yaml"
    file.write_text(HEAD + "#" * 100)
    real = os.read

    def slow(number, most):
        part = real(number, min(most, len(HEAD)))
        if file.stat().st_size < 2 * len(HEAD) + 100:
            file.write_text(HEAD + "#" * 200)
        return part

    monkeypatch.setattr(sources.os, "read", slow)
    [found] = loaded(tmp_path).violations
    assert found.rule == "QC001"
    assert "it was changed while it was read" in found.message


def test_a_manifest_that_grows_while_it_is_read(tmp_path, monkeypatch):
    """What was measured is not what is there a moment later; the bound holds all the same."""
    (tmp_path / "a.yaml").write_text(HEAD)
    monkeypatch.setattr(sources.os, "read", lambda _, most: b"#" * min(most, 1_000_000))
    [found] = loaded(tmp_path).violations
    assert found.rule == "QC003"


def test_standard_input_of_50_mb(tmp_path):
    [found] = loaded(tmp_path, "-", stdin=b"#" * 50_000_000).violations
    assert (found.rule, found.origin.file) == ("QC003", "<stdin>")


def test_many_files_take_no_longer_than_reading_them_three_times(tmp_path):
    """Against ruamel's C loader alone; in this process, so that busy machines do not matter."""
    folder = tmp_path / "manifests"
    folder.mkdir()
    more = "  hnsw_config: {m: 32}\n  payload_indexes:\n    brand: keyword\n"
    for n in range(500):
        (folder / f"c{n}.yaml").write_text(HEAD.replace("products", f"c{n}") + more)
    run_cli("validate", "-C", str(tmp_path), "-f", "manifests/c1.yaml")  # imports
    begun = time.process_time()
    for file in sorted(folder.iterdir()):
        YAML(typ="safe", pure=False).load(file.read_text())
    alone = time.process_time() - begun
    begun = time.process_time()
    assert run_cli("validate", "-f", "manifests", project=tmp_path).code == 0
    assert time.process_time() - begun < 3 * alone


def test_places_of_a_large_page_are_found_quickly():
    documents, _ = read_documents(
        SourceText("a.yaml", "\n".join(f"- k{n}: 1" for n in range(50_000)))
    )
    begun = time.process_time()
    for n in range(50_000):
        assert documents[0].position_of((n, f"k{n}")) == (n + 1, 3 + len(f"k{n}") + 2)
    assert time.process_time() - begun < 30


def test_addresses_are_not_mixed_up(tmp_path):
    (tmp_path / "a.yaml").write_text(HEAD.replace("products", "'7'"))
    assert list(loaded(tmp_path).desired) == [Address("collection", "7")]
