"""`qdrantctl completion`: the completion script of a shell."""

from __future__ import annotations

from dataclasses import dataclass

import click

from qdrantctl.cli.command import Args, define_command


@dataclass(frozen=True, kw_only=True)
class CompletionArgs(Args):
    """The arguments of `completion`."""

    shell: str


@define_command(
    CompletionArgs,
    examples=(
        ('eval "$(qdrantctl completion bash)"', "For bash, in ~/.bashrc."),
        ('eval "$(qdrantctl completion zsh)"', "For zsh, in ~/.zshrc after compinit."),
        ("qdrantctl completion fish | source", "For fish, in ~/.config/fish/config.fish."),
    ),
)
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(args: CompletionArgs) -> int:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class

    from qdrantctl.cli.main import root

    script = get_completion_class(args.shell)
    assert script is not None, "click knows the three shells"
    click.echo(script(root, {}, "qdrantctl", "_QDRANTCTL_COMPLETE").source(), nl=False)
    return 0
