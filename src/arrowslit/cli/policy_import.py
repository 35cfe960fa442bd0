"""`arrowslit policy import FILE...`: the settings of another mail server or firewall as a policy that means the same.

What can't be carried over is listed by name with its line; the exit code tells that something was left.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowslit.cli.client_table import counted
from arrowslit.cli.errors import ProblemError
from arrowslit.cli.exits import ExitCode
from arrowslit.cli.findings import finding_json, print_findings
from arrowslit.cli.group import Examples
from arrowslit.cli.options import output_options
from arrowslit.cli.output import Output, escaped

if TYPE_CHECKING:
    from arrowslit.documents.site import Site
    from arrowslit.imports.imported import Imported, Kind, Left, Source

_LARGEST = 256 << 20
_SHOWN = 20


@click.command(
    cls=Examples,
    examples="""
postconf -n > main.txt; arrowslit policy import main.txt --from postfix
arrowslit policy import connectors.xml domains.xml -o policy.toml
iptables-save | arrowslit policy import -
""",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--from", "kind_name", metavar="KIND", help="What the files are.  [default: found by itself]")
@click.option("-o", "--output-file", type=click.Path(path_type=Path), help="Write it there instead of printing it.")
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@output_options
def import_(
    files: tuple[Path, ...], kind_name: str | None, output_file: Path | None, force: bool, output: Output
) -> int:
    """A policy from the settings of another mail server or firewall.

    Exit code 1 where something was left: look at each, it is named with its line.
    """
    from arrowslit.documents.site import load_site  # noqa: PLC0415
    from arrowslit.imports.document import document  # noqa: PLC0415
    from arrowslit.imports.gathering import gathered  # noqa: PLC0415
    from arrowslit.imports.imported import ImportFailedError  # noqa: PLC0415
    from arrowslit.imports.sound import sound  # noqa: PLC0415

    if output_file is not None and output_file.exists() and not force:
        raise ProblemError(f"{output_file} is there already", ExitCode.WRONG_INPUT, "another name, or: --force")
    sources = [_source(path) for path in files]
    kind = _kind(sources, kind_name)
    try:
        found = kind.read(sources)
    except ImportFailedError as error:
        raise ProblemError(escaped(str(error)), ExitCode.WRONG_INPUT) from None
    names = ", ".join(source.name for source in sources)
    text = document(found, f"{kind.title}: {names}")
    found = sound(gathered(found))  # what the format itself can't hold is a loss too
    site = load_site(None, Path(str(output_file or "imported policy")), date=_today(), text=text)
    _put(text, found, site, kind, output_file, output)
    return ExitCode.FAILED if found.left or not site.loads else ExitCode.DONE


def _source(path: Path) -> Source:
    """The text of one file; "-" is standard input."""
    from arrowslit.imports.imported import Source  # noqa: PLC0415
    from arrowslit.logs.lines import text_of  # noqa: PLC0415
    from arrowslit.traffic.reader import decoded  # noqa: PLC0415

    if str(path) == "-":
        octets = sys.stdin.buffer.read(_LARGEST + 1)
    else:
        with path.open("rb") as file:
            octets = file.read(_LARGEST + 1)
    if len(octets) > _LARGEST:
        raise ProblemError(f"{escaped(str(path))} is larger than {_LARGEST >> 20} MB", ExitCode.WRONG_INPUT)
    return Source(path.name if str(path) != "-" else "standard input", decoded(b"".join(text_of([octets]))))


def _kind(sources: Sequence[Source], name: str | None) -> Kind:
    """The kind that was named, or the one that is surest of one of the files."""
    from arrowslit.imports.register import MODULES, kind_of, kinds  # noqa: PLC0415

    if name is not None:
        if name not in MODULES:
            raise ProblemError(
                f'there is no kind "{escaped(name)}"', ExitCode.WRONG_INPUT, f"there are: {', '.join(MODULES)}"
            )
        return kind_of(name)
    sure = [(max(kind.recognise(source.text) for source in sources), kind) for kind in kinds()]
    best, kind = max(sure, key=lambda one: one[0])
    if best <= 0:
        help = f"say what it is with --from: {', '.join(MODULES)}"
        raise ProblemError("none of the files is of a kind that is known", ExitCode.WRONG_INPUT, help)
    return kind


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _put(text: str, found: Imported, site: Site, kind: Kind, output_file: Path | None, output: Output) -> None:
    if output_file is not None:
        from arrowslit.documents.atomic import write_atomically  # noqa: PLC0415

        write_atomically(output_file, text.encode(), 0o644)
    if output.as_json:
        output.json(**_json(text, found, site, kind))
        return
    if output_file is None:
        output.data(text.rstrip("\n"))
    _tell(found, site, kind, output)
    if output_file is not None:
        output.note(f"the policy is in {escaped(str(output_file))}; next: arrowslit policy lint {output_file}")


def _tell(found: Imported, site: Site, kind: Kind, output: Output) -> None:
    print_findings(site.findings, output)
    for result in site.broken_expectations:
        output.problem(f"error: expectation broken: {escaped(result.says)}")
    wider = [one for one in found.left if one.widens]
    _list("not carried over, and this lets in more than the source did", wider, output)
    _list("not carried over", [one for one in found.left if not one.widens], output)
    _list("read in the narrower of several ways", found.doubts, output)
    _list("good to know", found.remarks, output)
    grants = sum(_entries(server) for server in found.servers)
    output.note(
        f"{kind.title}: {counted(len(found.servers), 'virtual server')}, {counted(grants, 'entry', 'entries')}, "
        f"{counted(len(found.accepted_domains), 'accepted domain')}; {len(found.left)} not carried over, "
        f"{counted(len(found.doubts), 'doubt')}"
    )


def _list(head: str, told: list[Left], output: Output) -> None:
    if not told:
        return
    output.problem(f"{head}:")
    for one in told[:_SHOWN]:
        output.problem(f"  {escaped(one.origin.text)}: {escaped(one.text[:100])}")
        output.problem(f"      {escaped(one.because)}" + (f"; {escaped(one.instead)}" if one.instead else ""))
    if len(told) > _SHOWN:
        output.problem(f"  and {len(told) - _SHOWN} more; all of them stand at the top of the policy")


def _entries(server: Any) -> int:
    lists = (server.connection_control, server.relay_restrictions, server.delivery, server.skip_checks)
    return sum(len(one.only_listed) + len(one.all_except_listed) for one in lists if one is not None)


def _json(text: str, found: Imported, site: Site, kind: Kind) -> dict[str, Any]:
    def told(lefts: list[Left]) -> list[dict[str, Any]]:
        return [
            {
                "file": one.origin.file,
                "line": one.origin.line,
                "setting": one.origin.what,
                "text": one.text,
                "because": one.because,
                "instead": one.instead,
                "widens": one.widens,
            }
            for one in lefts
        ]

    return {
        "kind": kind.name,
        "policy": text,
        "left": told(found.left),
        "doubts": told(found.doubts),
        "remarks": told(found.remarks),
        "findings": [finding_json(one) for one in site.findings],
        "expectations": [{"that": one.expectation.that, "kept": one.kept} for one in site.expectations],
    }
