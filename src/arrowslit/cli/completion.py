"""`arrowslit completion SHELL`: the script that lets a shell complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options
from arrowslit.cli.output import Output


@click.command(
    cls=Examples,
    examples="""
eval "$(arrowslit completion bash)"
arrowslit completion zsh > ~/.zfunc/_arrowslit
arrowslit completion fish > ~/.config/fish/completions/arrowslit.fish
""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@output_options
def completion(shell: str, output: Output) -> None:
    """Completion for your shell: print the script."""
    made = get_completion_class(shell)
    assert made is not None  # noqa: S101 - click has these three
    from arrowslit.cli.main import arrowslit  # noqa: PLC0415 - main imports this file when it is asked for

    script = made(arrowslit, {}, "arrowslit", "_ARROWSLIT_COMPLETE").source()
    if output.as_json:
        output.json(shell=shell, script=script)
    else:
        output.data(script)
