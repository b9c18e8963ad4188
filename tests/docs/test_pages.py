"""Pages are current, lead to files and headings that exist, and the README is short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from qdrantctl.cli.main import run
from tests.docs.console import check_flags
from tools import cli_reference
from tools.pages import PAGES, REFERENCE

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), *ROOT.glob("examples/*/*.md")]
README_LINES = 200


@pytest.mark.parametrize("page", PAGES)
def test_generated_parts_are_current(page):
    text = (REFERENCE / page).read_text()
    assert PAGES[page](text) == text, "run `make pages`"


def test_every_command_is_in_the_reference():
    headings = re.findall(r"^## qdrantctl (.*)$", (REFERENCE / "cli.md").read_text(), re.M)
    assert headings == [" ".join(path) for path, _ in cli_reference.walk(cli_reference.root, ())]


def test_examples_in_help_texts_have_valid_flags():
    for path, _ in cli_reference.walk(cli_reference.root, ()):
        for line in cli_reference.help_text(path).splitlines():
            if re.match(r"\s+(\$ )?qdrantctl \w", line):
                check_flags(re.sub(r"\s+# .*$|\s{3,}\S.*$", "", line.strip().removeprefix("$ ")))


def anchors(page: Path) -> set[str]:
    """The anchors that a git forge gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)(?:#([\w-]+))?\)", text):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def test_every_page_is_in_the_index():
    linked = {(DOCS / target).resolve() for target in re.findall(
        r"\]\(([^)#:\s]+)\)", (DOCS / "README.md").read_text())}  # fmt: skip
    assert {page for page in DOCS.rglob("*.md") if page != DOCS / "README.md"} <= linked


def test_the_readme_is_short_and_shows_the_manifest_that_init_writes(tmp_path, capsys):
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= README_LINES
    assert run(["init", str(tmp_path)]) == 0
    written = (tmp_path / "manifests" / "products.yaml").read_text()
    shown = re.search(r"```yaml\n(apiVersion.*?)```", text, re.S)
    assert shown
    assert list(YAML(typ="safe").load_all(shown[1])) == list(YAML(typ="safe").load_all(written))


def test_commands_that_are_only_mentioned_have_valid_flags():
    for page in sorted(DOCS.rglob("*.md")):
        for block in re.findall(r"^```(?:console|text)\n(.*?)^```", page.read_text(), re.M | re.S):
            for line in re.findall(r"^\$ (qdrantctl .*)$", block, re.M):
                if not line.endswith("\\"):
                    check_flags(re.sub(r"\s+# .*$", "", line))
