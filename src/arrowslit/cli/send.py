"""`arrowslit send`: one test message by SMTP, to see what a gateway answers. For tests, not for mail that matters.

Never retries and keeps nothing. Whatever the server says is escaped before it is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options
from arrowslit.cli.output import Output, Style, escaped, painted
from arrowslit.documents.endpoint import Endpoint, parse_endpoint
from arrowslit.mail.address import parse_address

if TYPE_CHECKING:
    from arrowslit.cli.dialogue import Step


def _endpoint(_ctx: click.Context, _parameter: click.Parameter, given: str) -> Endpoint:
    try:
        return parse_endpoint(given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _source(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> str | None:
    try:
        return None if given is None else str(parse_address(given))
    except ValueError:
        raise click.BadParameter(f'"{escaped(given or "")}" is no address') from None


@click.command(
    cls=Examples,
    examples="""
arrowslit send --server 127.0.0.1:2525 --to bob@example.org
arrowslit send --server 127.0.0.1:2525 --to bob@example.org --source 127.0.0.2
arrowslit send --server 127.0.0.1:2525 --from ann@example.net --to bob@example.org --tls
""",
)
@click.option("--server", required=True, callback=_endpoint, metavar="ADDRESS:PORT", help="Where to connect to.")
@click.option("--to", "recipients", required=True, multiple=True, help="A recipient; may be given more than once.")
@click.option("--from", "reverse_path", default="", help="The reverse-path.  [default: the null one, <>]")
@click.option("--source", callback=_source, metavar="ADDRESS", help="The address to connect from.")
@click.option("--helo", default="test.invalid", show_default=True, help="The name to say in EHLO.")
@click.option("--tls", is_flag=True, help="Use STARTTLS; the certificate is not checked.")
@click.option("--subject", default="A test", show_default=True, help="The subject.")
@click.option("--body", default="Sent by arrowslit send.", show_default=True, help="The text.")
@output_options
def send(
    server: Endpoint,
    recipients: tuple[str, ...],
    reverse_path: str,
    source: str | None,
    helo: str,
    tls: bool,
    subject: str,
    body: str,
    output: Output,
) -> int:
    """Send a test message and show the replies.

    Exit code 3 where the server refuses it, 5 where nobody answers.
    """
    from arrowslit.cli.dialogue import Message, send_message  # noqa: PLC0415 - smtplib and email take 40 ms

    message = Message(reverse_path, recipients, subject, body)
    try:
        steps = send_message(server, message, source, helo, tls=tls)
    except ValueError as error:
        raise ProblemError(str(error), ExitCode.WRONG_INPUT) from None
    except OSError as error:
        what = error.strerror or str(error)
        raise ProblemError(f"{server.text}: {escaped(what)}", ExitCode.NODE_UNREACHABLE) from None
    taken = steps[-1].taken
    if output.as_json:
        output.json(accepted=taken, steps=[{"said": s.said, "code": s.code, "reply": s.reply} for s in steps])
    else:
        _print(steps, taken, output)
    return ExitCode.DONE if taken else ExitCode.ANSWER_IS_NO


def _print(steps: list[Step], taken: bool, output: Output) -> None:
    import sys  # noqa: PLC0415

    for step in steps:
        output.note(f"{escaped(step.said)}\n  {step.code} {escaped(step.reply)}")
    last = steps[-1]
    verdict = painted("accepted", Style.GOOD, sys.stdout) if taken else painted("refused", Style.BAD, sys.stdout)
    output.data(f"{verdict}  {last.code} {escaped(last.reply)}")
