"""`arrowslit help WORD`: what a finding or the reason of a decision means."""

from __future__ import annotations

import textwrap
from difflib import get_close_matches

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options
from arrowslit.cli.output import Output, escaped

_WIDTH = 80


@click.command(
    name="help",
    cls=Examples,
    examples="""
arrowslit help relay-open
arrowslit help may-not-relay
arrowslit help
""",
)
@click.argument("word", required=False)
@output_options
def help_(word: str | None, output: Output) -> None:
    """What a finding, a reason or an alarm means.

    Without WORD: all of them by name.
    """
    from arrowslit.documents.words import words  # noqa: PLC0415

    known = words()
    if word is None:
        chosen = list(known.values())
    elif word in known:
        chosen = [known[word]]
    else:
        near = get_close_matches(word, known, 1)
        help = f'did you mean "{near[0]}"?' if near else 'names of all: "arrowslit help"'
        raise ProblemError(
            f'neither a finding nor a reason nor an alarm: "{escaped(word)}"', ExitCode.WRONG_INPUT, help
        )
    if output.as_json:
        output.json(words=[{"name": w.name, "kind": w.kind, "text": w.text} for w in chosen])
    elif word is None:
        for one in chosen:
            output.data(f"{one.name:<28} {one.kind}")
    else:
        output.data(f"{chosen[0].name}: {chosen[0].kind}\n")
        output.data(textwrap.fill(chosen[0].text, _WIDTH))
