"""The lock file of generated pipelines: what they install, each file by its hash."""

from __future__ import annotations

from pathlib import Path

_LOCKS = Path(__file__).parent / "templates" / "locks"
_HEAD = """\
# What the pipelines install, by hash. Written by `qdrantctl init --ci`, which updates it after an
# update of qdrantctl. pip refuses every file with another hash.
"""


def render_lock_file(own_lines: str, *, with_build_tools: bool) -> str:
    """The lock file: qdrantctl itself (`own_lines`), and everything that it needs.

    `with_build_tools` adds what builds qdrantctl from a repository.
    """
    text = _HEAD + own_lines + (_LOCKS / "requirements.txt").read_text()
    return text + (_LOCKS / "build.txt").read_text() if with_build_tools else text
