"""What generated pipelines install: every file by its hash, or a repository at a commit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from qdrantctl import __version__
from qdrantctl.adapters.artifacts.lock_files import render_lock_file
from tests.support.cli import run_cli
from tests.support.forge import BIN, ROOT, read_pipeline

LOCK = ".github/qdrantctl/requirements.txt"
COMMIT = "0123456789" * 4


def install_lines(folder) -> str:
    text = (folder / ".github/workflows/qdrantctl.yml").read_text()
    return text[text.index("- name: Install") : text.index("- name: Validate")]


def lock_entries(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and line[0] not in "# "]


def test_a_repository_at_a_commit(tmp_path):
    source = f"git+https://git.example.com/qdrantctl.git@{COMMIT}"
    assert run_cli("init", tmp_path, "--ci", "github", "--package", source).code == 0
    assert f"--no-deps --no-build-isolation \\\n            {source}\n" in install_lines(tmp_path)
    assert any(
        line.startswith("hatchling==") for line in lock_entries((tmp_path / LOCK).read_text())
    )
    run_cli("init", tmp_path, "--ci", "github")  # it is recorded
    assert source in install_lines(tmp_path)


def test_a_wheel_of_the_repository(tmp_path):
    wheel = tmp_path / "vendor" / f"qdrantctl-{__version__}-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"bytes of a wheel")
    name = f"vendor/{wheel.name}"
    assert run_cli("init", tmp_path, "--ci", "github", "--package", name).code == 0
    digest = sha256(b"bytes of a wheel").hexdigest()
    line = f"qdrantctl @ file://${{GITHUB_WORKSPACE}}/{name} \\\n    --hash=sha256:{digest}\n"
    assert line in (tmp_path / LOCK).read_text()
    assert "--no-deps" not in install_lines(tmp_path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("qdrantctl", "has neither a hash nor a commit"),
        ("git+https://git.example.com/qdrantctl@main", "has neither a hash nor a commit"),
        ("https://example.com/q.whl", "has neither a hash nor a commit"),
        ("../q.whl", "is not in the repository"),
        ("missing.whl", "the wheel missing.whl cannot be read"),
    ],
)
def test_a_package_without_a_hash_is_refused(source, message, tmp_path):
    assert run_cli("init", tmp_path).code == 0
    (tmp_path / "qdrantctl.yaml").write_text(
        "apiVersion: qdrantctl/v1\nkind: Project\nmetadata: {name: a}\n"
        'spec: {environments: {prod: {url: "https://q.example.com"}}}\n'
    )
    result = run_cli("init", tmp_path, "--ci", "github", "--package", source)
    assert result.code in (1, 64)
    assert message in result.err
    assert not (tmp_path / ".github").exists()


def test_a_package_without_pipelines(tmp_path):
    result = run_cli("init", tmp_path, "--package", "q.whl")
    assert result.code == 64
    assert "--package requires --ci" in result.err


def test_without_the_hash_of_the_registry_the_pipelines_refuse_it(tmp_path):
    nowhere = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    result = run_cli("init", tmp_path / "shop", "--ci", "github", env=nowhere)
    assert result.code == 0
    assert f"the package registry has no wheel of qdrantctl=={__version__}" in result.err
    assert f"qdrantctl=={__version__}\n" in (tmp_path / "shop" / LOCK).read_text()


def test_the_hash_of_the_registry(tmp_path):
    wheel = tmp_path / f"qdrantctl-{__version__}-py3-none-any.whl"
    subprocess.run(
        [BIN / "python", "-c", "import sys, zipfile as z, textwrap\n"
         "with z.ZipFile(sys.argv[1], 'w') as f:\n"
         "    d = f'qdrantctl-{sys.argv[2]}.dist-info/'\n"
         "    f.writestr(d + 'METADATA', f'Metadata-Version: 2.1\\nName: qdrantctl\\n"
         "Version: {sys.argv[2]}\\n')\n"
         "    f.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
         "    f.writestr(d + 'RECORD', '')\n", wheel, __version__],
        check=True,
    )  # fmt: skip
    registry = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    assert run_cli("init", tmp_path / "shop", "--ci", "github", env=registry).code == 0
    digest = sha256(wheel.read_bytes()).hexdigest()
    lock = tmp_path / "shop" / LOCK
    assert f"qdrantctl=={__version__} \\\n    --hash=sha256:{digest}\n" in lock.read_text()
    wheel.unlink()  # the lock has it, so the registry is not asked again
    result = run_cli("init", tmp_path / "shop", "--ci", "github", env=registry)
    assert (result.code, result.err) == (0, "")
    assert digest in lock.read_text()


def test_the_lock_has_what_the_program_needs():
    """Each dependency of pyproject.toml in a version that it allows, each file with its hash."""
    text = render_lock_file("", with_build_tools=True)
    locked = [Requirement(line.removesuffix(" \\")) for line in lock_entries(text)]
    entries = re.split(r"\n(?=[a-z])", "\n" + text.split("\n", 2)[2])
    assert all("--hash=sha256:" in entry for entry in entries if entry.strip())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for requirement in map(Requirement, needed):
        name = requirement.name.replace(".", "-").lower()
        versions = [str(each.specifier)[2:] for each in locked if each.name == name]
        assert versions, requirement
        assert all(requirement.specifier.contains(each) for each in versions), requirement
    assert version("qdrantctl") == __version__


@pytest.mark.slow
def test_the_install_step_installs_exactly_what_is_locked(tmp_path):
    """In a new environment, from the real registry; a file with another hash is refused."""
    vendor = tmp_path / "vendor"
    built = run_pip(BIN, "wheel", "--no-deps", "--wheel-dir", vendor, ROOT)
    if built.returncode:
        pytest.skip("the package registry cannot be reached")
    [wheel] = vendor.glob("*.whl")
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    init = ("init", ".", "--ci", "github", "--package", f"vendor/{wheel.name}")
    assert run_cli(*init, cwd=tmp_path).code == 0
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "new"], check=True)
    steps = read_pipeline(tmp_path / ".github/workflows/qdrantctl.yml")["jobs"]["check"]["steps"]
    [script] = [step["run"] for step in steps if step.get("name", "").startswith("Install")]
    lock, scripts = tmp_path / LOCK, tmp_path / "new" / "bin"
    environ = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"GITHUB_WORKSPACE": str(tmp_path), "PATH": f"{scripts}:{os.environ['PATH']}"}

    def install() -> subprocess.CompletedProcess[str]:
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        return subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)

    good = lock.read_text()
    digest = sha256(wheel.read_bytes()).hexdigest()
    lock.write_text(good.replace(digest, "0" * 64))
    refused = install()
    assert refused.returncode != 0
    assert "DO NOT MATCH THE HASHES" in refused.stderr
    lock.write_text(good)
    installed = install()
    assert installed.returncode == 0, installed.stderr
    done = subprocess.run(
        ["qdrantctl", "validate"], cwd=tmp_path, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def run_pip(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    line = [folder / "python", "-m", "pip", "--quiet", *words]
    return subprocess.run([str(word) for word in line], capture_output=True, text=True)
