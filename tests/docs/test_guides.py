"""Every command in the guides and the README does what the page says, on a real server."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.console import Command, File, Shell, check_flags, missing_line, steps
from tests.support.servers import Node, server_folder

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guides").glob("*.md"))]
API_KEY = "correct-horse-battery-staple"
SERVERS = {
    "none": {},
    "open": {"cluster": True},
    "tokens": {"api_key": API_KEY, "environ": {"QDRANT__SERVICE__JWT_RBAC": "true"}},
}
"""The servers that a page may ask for, by the name in its comment `<!-- server: NAME -->`."""

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)


@pytest.fixture
def shell(fresh_qdrant: Callable[..., Node]) -> Iterator[Callable[[str], Shell]]:
    """Makes the shell for the text of a page, in an empty folder."""
    with server_folder() as folder:
        home = folder / "home"
        home.mkdir()
        (home / "project").mkdir()

        def make(text: str) -> Shell:
            kept = ("LANG", "QDRANTCTL_QDRANT_BIN", "XDG_CACHE_HOME")
            cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
            environment = {name: os.environ[name] for name in kept if name in os.environ}
            environment |= {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(home),
                "XDG_CACHE_HOME": cache,
                "QDRANTCTL_ACTOR": "ada",
                "GIT_CONFIG_GLOBAL": os.devnull,
                **{f"GIT_{who}_{what}": value
                   for who in ("AUTHOR", "COMMITTER")
                   for what, value in (("NAME", "ada"), ("EMAIL", "ada@example.com"))},
            }  # fmt: skip
            name = text.partition("<!-- server: ")[2].partition(" -->")[0] or "none"
            url = ""
            if SERVERS[name]:
                url = fresh_qdrant(**SERVERS[name]).url
                environment["QDRANT_API_KEY"] = str(SERVERS[name].get("api_key", ""))
            if not environment.get("QDRANT_API_KEY"):
                environment.pop("QDRANT_API_KEY", None)
            return Shell(home / "project", environment, url)

        yield make
        for note in home.rglob(".qdrantctl"):
            Shell(note.parent, {"PATH": os.environ["PATH"], "HOME": str(home)}).run(
                Command(f"{sys.executable} -m qdrantctl dev down")
            )


@each_page
def test_the_page_does_what_it_says(page, shell):
    text = page.read_text()
    terminal = shell(text)
    for step in steps(text):
        if isinstance(step, File):
            terminal.write(step)
        elif not step.needs:
            code, output = terminal.run(step)
            assert code == step.code, f"$ {step.line}\n{output}"
            missing = missing_line([terminal.real(line) for line in step.shown], output)
            assert missing is None, f"$ {step.line}\ndoes not print\n{missing}\nbut\n{output}"


@each_page
def test_flags_of_commands_that_are_not_run_are_valid(page):
    for step in steps(page.read_text()):
        if isinstance(step, Command):
            check_flags(step.line)
