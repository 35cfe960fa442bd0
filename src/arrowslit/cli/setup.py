"""`arrowslit setup`: the first settings and the first policy, by questions on a terminal or by options.

It finds the filter by the MX of the domain and the catalogue. Nothing is overwritten, and nothing is written that does
not load or breaks its own expectations. What it proposes only watches.
"""

from __future__ import annotations

import asyncio
import datetime
import re
import socket
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import print_findings
from arrowslit.cli.group import Examples
from arrowslit.cli.options import POLICY_NAME, SETTINGS_NAME, output_options
from arrowslit.cli.output import Output, escaped
from arrowslit.cli.setup_text import Answers, policy_text, settings_text

if TYPE_CHECKING:
    from arrowslit.documents.site import Site
    from arrowslit.networks.catalogue import Service

_SECONDS: Final = 5.0
_DOMAIN: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_SERVER: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


@click.command(
    cls=Examples,
    examples="""
arrowslit setup
arrowslit setup --domain example.org --mail-server 192.168.0.5 --yes
arrowslit setup --domain example.org --mail-server 192.168.0.5 --filter 198.51.100.0/24 --printer 192.168.0.40 --yes
""",
)
@click.option("--domain", "domains", multiple=True, help="A domain that your mail server has mailboxes of; repeat it.")
@click.option("--mail-server", metavar="HOST[:PORT]", help="Your mail server, as this machine reaches it.")
@click.option("--filter", "filter_", metavar="mx|SERVICE|ADDRESSES", help="Who filters.  [default: what the MX tells]")
@click.option("--region", default="", help="The region of the service.")
@click.option("--office", "offices", multiple=True, metavar="NETWORK", help="A network of your own; repeat it.")
@click.option("--printer", "printers", multiple=True, metavar="ADDRESS", help="What mails to outside; repeat it.")
@click.option("--branch", "branches", multiple=True, metavar="ADDRESS|NAME", help="What else sends to you; repeat it.")
@click.option("--relay-server", default="", metavar="HOST[:PORT]", help="Where mail of printers goes.")
@click.option("--listen", metavar="ADDRESS:PORT", help="Where to listen.  [default: [::]:25]")
@click.option("--name", help="What this machine is called in mail.  [default: its own name]")
@click.option("--dns-server", "servers", multiple=True, metavar="ADDRESS", help="Ask these instead of the system's.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="Where to write.  [default: here]")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@output_options
def setup(
    domains: tuple[str, ...],
    mail_server: str | None,
    filter_: str | None,
    region: str,
    offices: tuple[str, ...],
    printers: tuple[str, ...],
    branches: tuple[str, ...],
    relay_server: str,
    listen: str | None,
    name: str | None,
    servers: tuple[str, ...],
    folder: Path,
    yes: bool,
    output: Output,
) -> int:
    """Write a first arrowslit.toml and policy.toml, which only watch. Asks on a terminal for what is not given."""
    _nothing_there(folder)
    asks = sys.stdin.isatty() and not yes
    domains = domains or _words(asks, "Which domains does your mail server have mailboxes of?", "--domain")
    mail_server = mail_server or _words(asks, "Your mail server (address or name)?", "--mail-server")[0]
    found = _filter(domains[0], filter_, region, servers, asks, output)
    if asks:
        offices = offices or _optional("Networks of your own (192.168.0.0/24), or nothing?")
        printers = printers or _optional("Addresses of printers and scanners that mail to outside, or nothing?")
        branches = branches or _optional("Addresses or names of branches that send to you, or nothing?")
    answers = Answers(
        name=name or socket.gethostname().lower(),
        domains=tuple(_domain(one) for one in domains),
        mail_server=_server(mail_server, "--mail-server"),
        listen=listen or "[::]:25",
        filter_title=found.title,
        filter_lines=found.lines,
        filter_example=found.example,
        doubts=found.doubts,
        offices=tuple(_network(one, "--office") for one in offices),
        printers=tuple(_network(one, "--printer") for one in printers),
        branches=branches,
        relay_server=_server(relay_server, "--relay-server") if relay_server else "",
    )
    _write(folder, answers, output)
    _say(folder, answers, found, output)
    return ExitCode.DONE


class Filter:
    """Who filters: how the network is written, and what is to be told."""

    def __init__(
        self, title: str, lines: tuple[str, ...], example: str = "", doubts: tuple[str, ...] = (), wait_hours: int = 0
    ) -> None:
        self.title, self.lines, self.example, self.doubts, self.wait_hours = title, lines, example, doubts, wait_hours


def _nothing_there(folder: Path) -> None:
    for name in (SETTINGS_NAME, POLICY_NAME):
        if (folder / name).exists():
            message = f"{escaped(str(folder / name))} is there already, and is not overwritten"
            raise ProblemError(message, ExitCode.WRONG_INPUT, "move it away, or write elsewhere: --folder DIR")


def _words(asks: bool, question: str, option: str) -> tuple[str, ...]:
    if not asks:
        raise click.UsageError(f"say {option}, or run it on a terminal to be asked")
    return tuple(str(click.prompt(question, err=True)).replace(",", " ").split())


def _optional(question: str) -> tuple[str, ...]:
    return tuple(str(click.prompt(question, default="", show_default=False, err=True)).replace(",", " ").split())


def _domain(text: str) -> str:
    if not _DOMAIN.fullmatch(text):
        raise click.BadParameter(f'"{escaped(text)}" is no domain', param_hint="--domain")
    return text.lower()


def _server(text: str, option: str) -> str:
    if not _SERVER.fullmatch(text):
        says = f'"{escaped(text)}" is no server: write 192.168.0.5, [2001:db8::5] or mail.example.org:25'
        raise click.BadParameter(says, param_hint=option)
    return text if re.search(r"\]:[0-9]+$|^[^\[:]+:[0-9]+$", text) else f"{text}:25"


def _network(text: str, option: str) -> str:
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise click.BadParameter(f'"{escaped(text)}" is no address and no network', param_hint=option) from None
    return str(found.network_address) if found.num_addresses == 1 else str(found)


def _filter(
    domain: str, given: str | None, region: str, servers: tuple[str, ...], asks: bool, output: Output
) -> Filter:
    """From what was said, else from the MX."""
    from arrowslit.networks.catalogue import catalogue  # noqa: PLC0415

    if given is not None and given != "mx":
        if given in catalogue().services:
            return _service(catalogue().services[given], region, output)
        return _addresses(given)
    names = _mx(domain, servers)
    matches = [match for match in map(catalogue().match, names) if match is not None]
    if matches and len({match.service.id for match in matches}) == 1:
        output.note(f"the MX of {domain} is {', '.join(names)}: {matches[0].service.name}")
        return _service(matches[0].service, region or matches[0].region, output)
    said = ", ".join(names) or "not known"
    if not asks:
        message = f"the MX of {domain} is {escaped(said)}, which the catalogue does not know"
        raise ProblemError(message, ExitCode.FAILED, "say where the filter delivers from: --filter 198.51.100.0/24")
    output.note(f"the MX of {domain} is {escaped(said)}, which the catalogue does not know")
    return _addresses(" ".join(_words(True, "Addresses that your filter delivers from?", "--filter")))


def _mx(domain: str, servers: tuple[str, ...]) -> list[str]:
    from arrowslit.networks.resolver import Resolver, Unanswered  # noqa: PLC0415

    try:
        answer = asyncio.run(Resolver(servers).ask(domain, "MX", _SECONDS))
    except ValueError as error:
        raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
    texts = () if isinstance(answer, Unanswered) else answer.texts
    return sorted(text.split()[1].lower().rstrip(".") for text in texts if len(text.split()) == 2)


def _service(service: Service, region: str, output: Output) -> Filter:
    from arrowslit.networks.catalogue import catalogue  # noqa: PLC0415

    if service.ended:
        message = f"{service.name} has ended"
        raise ProblemError(message, ExitCode.FAILED, "name the filter that you have now: --filter SERVICE|ADDRESSES")
    places = list(service.places_in(region))
    if not places:
        help = f"ask its support, then: --filter 198.51.100.0/24   {service.help}".rstrip()
        message = f"the catalogue does not know where {service.name} delivers from"
        raise ProblemError(message, ExitCode.FAILED, help)
    doubts = []
    if any(place.covers != "inbound" for place in places):
        doubts.append("Some of these addresses are published for its outgoing mail: check them with its support.")
    if any(place.confidence != "documented" for place in places):
        doubts.append("Some of these addresses were not read from its own text: check them with its support.")
    for doubt in doubts:
        output.problem(f"warning: {doubt}")
    ranges = [ip_network(place.value, strict=False) for place in places if place.kind == "range"]
    lines = [f'service = "{service.id}"'] + ([f'region = "{region}"'] if region else [])
    example = str(ranges[0][1 if ranges[0].num_addresses > 2 else 0]) if ranges else ""
    return Filter(service.name.replace('"', "'"), tuple(lines), example, tuple(doubts), catalogue().wait_hours)


def _addresses(text: str) -> Filter:
    ranges = [_network(one, "--filter") for one in text.replace(",", " ").split()]
    if not ranges:
        raise click.BadParameter("no address", param_hint="--filter")
    listed = ", ".join(f'"{one}"' for one in ranges)
    first = ip_network(ranges[0], strict=False)
    example = str(first[1] if first.num_addresses > 2 else first[0])
    return Filter("the filtering service", (f"addresses = [{listed}]",), str(ip_address(example)), (), 72)


def _write(folder: Path, answers: Answers, output: Output) -> None:
    """Judge both, then write both."""
    today = datetime.datetime.now(datetime.UTC).date()
    settings, policy = settings_text(answers), policy_text(answers, today)
    site = _judged(settings, policy, today)
    print_findings(site.errors, output)
    for result in site.broken_expectations:
        # What a service delivers from is asked when the node starts; here only ranges of the catalogue are known.
        output.problem(f"error: expectation broken: {escaped(result.says)}")
    if not site.admissible:
        raise ProblemError("what came out is not right; nothing was written", ExitCode.WRONG_INPUT, "say other answers")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS_NAME).write_text(settings, "utf-8")
    (folder / POLICY_NAME).write_text(policy, "utf-8")


def _judged(settings: str, policy: str, today: datetime.date) -> Site:
    """As the node will judge it, with the catalogue's ranges in place of what it asks later."""
    import tempfile  # noqa: PLC0415

    from arrowslit.documents.site import load_site  # noqa: PLC0415
    from arrowslit.mail.address_range import address_set, parse_range  # noqa: PLC0415
    from arrowslit.networks.catalogue import catalogue  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="arrowslit-setup-") as made:
        path = Path(made) / SETTINGS_NAME
        path.write_text(settings, "utf-8")
        site = load_site(path, Path(made) / POLICY_NAME, date=today, text=policy)
        network = None if site.policy is None else site.policy.networks["filter"]
        if network is None or not network.service:
            return site
        places = catalogue().services[network.service].places_in(network.region)
        known = address_set(parse_range(place.value) for place in places if place.kind == "range")
        return load_site(path, Path(made) / POLICY_NAME, date=today, text=policy, contents={"filter": known})


def _say(folder: Path, answers: Answers, found: Filter, output: Output) -> None:
    place = folder / SETTINGS_NAME
    steps = [
        f"look at them: {folder / POLICY_NAME}, {place}",
        f"start it: arrowslit serve -c {place}",
        "let port 25 of your mail server go through it",
        "look who comes: arrowslit decision list --would-be --by-client",
        f"when the MX has pointed at the filter for {found.wait_hours or 72} hours: arrowslit doctor",
        'then write mode = "enforce" and: arrowslit policy apply --confirm-within 10m',
    ]
    if output.as_json:
        output.json(settings=str(place), policy=str(folder / POLICY_NAME), filter=answers.filter_title, next=steps)
        return
    output.data(f"wrote {escaped(str(place))} and {escaped(str(folder / POLICY_NAME))}; they only watch")
    for number, step in enumerate(steps, 1):
        output.note(f"{number}. {escaped(step)}")
