"""`qdrantctl completion`: the completion script of a shell."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
def command(shell: str) -> int:
    """Print the completion script of a shell.

    \b
    bash:  eval "$(qdrantctl completion bash)"      in ~/.bashrc
    zsh:   eval "$(qdrantctl completion zsh)"       in ~/.zshrc, after compinit
    fish:  qdrantctl completion fish | source       in ~/.config/fish/config.fish
    """  # noqa: D301  # click wants the character itself: it keeps these lines as they are
    from click.shell_completion import get_completion_class

    from qdrantctl.cli.main import root

    script = get_completion_class(shell)
    assert script is not None, "click knows the three shells"
    click.echo(script(root, {}, "qdrantctl", "_QDRANTCTL_COMPLETE").source(), nl=False)
    return 0
