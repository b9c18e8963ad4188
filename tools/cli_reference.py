"""docs/reference/cli.md: the help of every command, as click prints it."""

from __future__ import annotations

from collections.abc import Iterator

import click

from qdrantctl.cli.main import COMMANDS, root

WIDTH = 96
HEAD = """\
# Command line

Generated from the commands by `make pages`; do not edit it manually. `qdrantctl COMMAND --help`
prints the same text. What the exit codes mean is listed in [exit-codes.md](exit-codes.md).

`-C DIR` and `-e NAME` can also come before the command: `qdrantctl -C shop -e prod plan`. If both
are given, the one after the command wins.
"""


def page(_: str) -> str:
    """The whole page. The previous text is not used."""
    parts = [HEAD, "\n", *_contents()]
    for path, _command in walk(root, ()):
        parts.append(f"\n## {' '.join(('qdrantctl', *path))}\n\n```text\n{help_text(path)}\n```\n")
    return "".join(parts)


def _contents() -> Iterator[str]:
    yield "| command | what it does |\n|---|---|\n"
    for name, line in COMMANDS.items():
        yield f"| [`{name}`](#qdrantctl-{name}) | {line} |\n"


def walk(
    group: click.Group, above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with its path, each group before its members."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from walk(command, (*above, name))


def help_text(path: tuple[str, ...]) -> str:
    """The help of one command at a fixed width, without trailing blanks."""
    context = click.Context(root, info_name="qdrantctl", **root.context_settings)
    command: click.Command = root
    for name in path:
        assert isinstance(command, click.Group)
        member = command.get_command(context, name)
        assert member is not None
        command = member
        context = click.Context(command, info_name=name, parent=context, terminal_width=WIDTH,
                                **command.context_settings)  # fmt: skip
    lines = command.get_help(context).splitlines()
    return "\n".join(line.rstrip() for line in lines)
