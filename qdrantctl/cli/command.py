"""Commands with typed arguments, options in groups, and examples in their help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
Example = tuple[str, str]
"""A command line that works, and a sentence that describes it."""

OPTIONS, PLANNING, CONSENT, SERVER, OUTPUT = "Options", "Planning", "Consent", "Server", "Output"
GROUPS = (OPTIONS, PLANNING, CONSENT, SERVER, OUTPUT)
"""Groups of options, in the order in which help shows them."""


FOLDER = click.Path(file_okay=False, exists=True, path_type=Path)
BEFORE_COMMAND = {"directory": ("-C", "--directory"), "environment": ("-e", "--env")}
"""Options that may come before the command as well, by the name of their value."""


@dataclass(frozen=True, kw_only=True)
class Args:
    """The arguments of a command. Each field holds the value of one click parameter."""

    def check(self) -> None:
        """Raise UsageError for arguments that contradict each other."""


A = TypeVar("A", bound=Args)


class GroupedOption(click.Option):
    """An option with the group in which help shows it."""

    def __init__(self, *names: Any, group: str = OPTIONS, **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.group = group

    def consume_value(
        self, ctx: click.Context, opts: Mapping[str, Any]
    ) -> tuple[Any, ParameterSource]:
        """The value after the command; else the one that was given before it."""
        value, source = super().consume_value(ctx, opts)
        earlier = _value_before_command(ctx, self.name)
        if earlier is not None and source is not ParameterSource.COMMANDLINE:
            return earlier, ParameterSource.COMMANDLINE
        return value, source


class Command(click.Command):
    """A command whose help shows its options in groups, and examples."""

    def __init__(self, *names: Any, examples: Sequence[Example] = (), **attributes: Any) -> None:
        super().__init__(*names, **attributes)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Options before the command must be options of the command."""
        own = {parameter.name for parameter in self.get_params(ctx)}
        for name, words in BEFORE_COMMAND.items():
            if name not in own and _value_before_command(ctx, name) is not None:
                raise click.UsageError(f"'{ctx.info_name}' has no option {words[0]}", ctx)
        return super().parse_args(ctx, args)

    def option_groups(self, ctx: click.Context) -> dict[str, list[click.Parameter]]:
        """The options by group, in the order of help. Groups without options are omitted."""
        groups: dict[str, list[click.Parameter]] = {group: [] for group in GROUPS}
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "option":
                groups[getattr(parameter, "group", OPTIONS)].append(parameter)
        return {group: options for group, options in groups.items() if options}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each group of options as a section."""
        for group, options in self.option_groups(ctx).items():
            with formatter.section(group):
                formatter.write_dl([line for o in options if (line := o.get_help_record(ctx))])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the examples: a description, and below it the command line."""
        if not self.examples:
            return
        with formatter.section("Examples"):
            for position, (line, meaning) in enumerate(self.examples):
                if position:
                    formatter.write_paragraph()
                formatter.write_text(meaning)
                formatter.write(f"{'':>{formatter.current_indent}}$ {line}\n")


def _value_before_command(ctx: click.Context, name: str | None) -> Any:
    """The value of an option that came before the command; None where it did not."""
    return ctx.find_root().params.get(name) if name in BEFORE_COMMAND and ctx.parent else None


def option(*names: str, group: str = OPTIONS, **attributes: Any) -> Decorator:
    """An option of a command, in a group of its help."""
    return click.option(*names, cls=GroupedOption, group=group, **attributes)


def add_options(*options: Decorator) -> Decorator:
    """All these options, in this order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for add in reversed(options):
            function = add(function)
        return function

    return decorate


def define_command(
    args: type[A],
    *,
    examples: Sequence[Example],
    name: str | None = None,
    parent: click.Group | None = None,
) -> Callable[[Callable[[A], int]], Command]:
    """Turn a function that takes its arguments as one value into a command.

    The options of click are added below this decorator; their names are the fields of `args`.
    """
    register: Any = parent.command if parent else click.command

    def decorate(function: Callable[[A], int]) -> Command:
        @wraps(function)
        def callback(**values: Any) -> int:
            parsed = args(**values)
            parsed.check()
            return function(parsed)

        command: Command = register(name, cls=Command, examples=examples)(callback)
        return command

    return decorate
