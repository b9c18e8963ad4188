"""What `--help` must have: a line that stands alone, options in groups, examples that work."""

import dataclasses
import inspect
import shlex

import click
import pytest

from qdrantctl.cli.command import GROUPS, OPTIONS, OUTPUT, SERVER, Args, Command
from qdrantctl.cli.main import COMMANDS, root

SHELL = {"|", "||", "<", "source"}

HELP = ["-h", "--help"]
"""As of the program: click caches the help option of a command when it is first asked for."""


def commands(group=root, name=""):
    """Every command that is no group, with its name."""
    context = click.Context(group, help_option_names=HELP)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        full = f"{name} {word}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, full)
        else:
            yield full, command


ALL = dict(commands())


@pytest.fixture(params=ALL, ids=lambda name: name.replace(" ", "-"))
def command(request):
    return ALL[request.param]


def first_line(command):
    return (command.help or "").strip().split("\n")[0]


def options(command):
    return [
        p
        for p in command.get_params(click.Context(command, help_option_names=HELP))
        if isinstance(p, click.Option)
    ]


def test_there_are_commands():
    assert {"plan", "apply", "snapshots restore", "keys issue", "dev up"} <= ALL.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_says_of_itself(name):
    command = root.get_command(click.Context(root, help_option_names=HELP), name)
    assert COMMANDS[name] == first_line(command)


def test_a_first_line_stands_alone(command):
    line = first_line(command)
    assert line.endswith(".")
    assert 10 <= len(line) <= 72
    assert line[0].isupper()
    assert line == inspect.cleandoc(command.help).split("\n\n")[0], "a paragraph of its own"


def test_options_are_in_groups(command):
    assert isinstance(command, Command)
    groups = command.option_groups(click.Context(command, help_option_names=HELP))
    assert list(groups) == [group for group in GROUPS if group in groups]
    for option in options(command):
        group = getattr(option, "group", OPTIONS)
        assert option in groups[group]
        assert (option.name in ("environment", "url", "directory", "files")) <= (group == SERVER)
        assert (option.name in ("format", "no_color", "max_bytes")) <= (group == OUTPUT)


def test_every_option_names_its_value_and_its_effect(command):
    for option in options(command):
        assert option.help, option.name
        assert option.help.endswith("."), option.name
        needs_name = not (option.is_flag or option.count or isinstance(option.type, click.Choice))
        assert bool(option.metavar) == needs_name, option.name


def test_arguments_are_fields_of_one_value(command):
    """A parameter of click without a field would only fail when the command runs."""
    [args] = [
        value
        for value in vars(inspect.getmodule(command.callback)).values()
        if inspect.isclass(value)
        and issubclass(value, Args)
        and value.__name__ == inspect.get_annotations(command.callback)["args"]
    ]
    required = {f.name for f in dataclasses.fields(args) if f.default is dataclasses.MISSING}
    allowed = {field.name for field in dataclasses.fields(args)}
    names = {p.name for p in command.params}
    assert required <= names <= allowed


def test_examples_parse(command, tmp_path, monkeypatch):
    """Up to the shell's own words; what a value means is for the command to say."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop").mkdir()
    assert len(command.examples) >= 2
    for line, meaning in command.examples:
        assert meaning[0].isupper()
        assert meaning.endswith(".")
        words = shlex.split(line.removeprefix('eval "$(').removesuffix(')"'))
        words = words[: next((i for i, word in enumerate(words) if word in SHELL), len(words))]
        assert words[0] == "qdrantctl"
        assert command is parsed(words[1:]), line


def parsed(words):
    """The command of a command line, once its words were parsed."""
    command = root
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command, help_option_names=HELP), words.pop(0))
    command.make_context("qdrantctl", words, help_option_names=HELP)
    return command


def test_help_ends_with_the_examples(command):
    text = command.get_help(click.Context(command, info_name="it", help_option_names=HELP))
    assert "\nExamples:\n" in text
    for line, _ in command.examples:
        assert f"  $ {line}" in text
