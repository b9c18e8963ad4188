"""The first line of a Markdown document, by which a pipeline finds the comment it wrote before."""

from __future__ import annotations

import re


def comment_marker(command: str, project: str, environment: str) -> str:
    """An HTML comment by which a bot finds its own comment.

    `--` is not allowed in a comment. No name holds a `~`, so it takes the place of every second
    dash and the marker stays as long, and as unambiguous, as the names.
    """
    names = f"project={_comment_name(project)} environment={_comment_name(environment)}"
    return f"<!-- qdrantctl {command} {names} -->"


def _comment_name(name: str) -> str:
    word = re.sub(r"[^\w.-]", "_", name, flags=re.ASCII)
    return re.sub(r"(?<=-)-+", lambda run: "~" * len(run[0]), word)
