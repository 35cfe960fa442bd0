"""Files of PowerShell objects in whichever form they were written: CLIXML, JSON, CSV, Format-List.

The form is found by its shape, not by the name of the file. A file that is not whole is refused as a whole: what was
lost might have been what takes a right away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from arrowslit.imports.clixml import is_clixml, read_clixml
from arrowslit.imports.imported import Imported, ImportFailedError, Source
from arrowslit.imports.powershell_json import is_json, read_json
from arrowslit.imports.powershell_text import is_csv, is_format_list, read_csv, read_format_list
from arrowslit.imports.things import Thing, ThingsError, is_cut

Reader = Callable[[str, str], list[Thing]]
FORMS: Final[tuple[tuple[Callable[[str], bool], Reader], ...]] = (
    (is_clixml, read_clixml),
    (is_json, read_json),
    (is_csv, read_csv),
    (is_format_list, read_format_list),
)


def things_of(sources: Sequence[Source], how: str) -> list[Thing]:
    """All objects of the files; `how` is the command that exports them rightly. Raises ImportFailedError."""
    return [thing for source in sources for thing in _things(source, how)]


def _things(source: Source, how: str) -> list[Thing]:
    reader = next((read for fits, read in FORMS if fits(source.text)), None)
    if reader is None:
        raise ImportFailedError(f"{source.name} is no CLIXML, JSON, CSV or list of PowerShell; export it with: {how}")
    try:
        return reader(source.text, source.name)
    except ThingsError as error:
        place = f"{source.name}:{error.line}" if error.line else source.name
        raise ImportFailedError(f"{place}: {error}; export it again with: {how}") from None


def only(things: Iterable[Thing], known: Sequence[Callable[[Thing], bool]], how: str) -> None:
    """Refuses an object that is of no known kind, since it may be the first half of one. Raises ImportFailedError."""
    for thing in things:
        if not any(is_known(thing) for is_known in known):
            names = ", ".join(list(thing.properties)[:5])
            says = f"an object with {names[:100]} is none that is read here: take it out, or is the file cut?"
            raise ImportFailedError(f"{thing.origin().text}: {says} Export it with: {how}")


def doubt_ends(things: Sequence[Thing], what: str, found: Imported) -> None:
    """Says it where a form can't show that its last objects are missing."""
    if things and not all(thing.ends for thing in things):
        says = (
            "a text in lines does not show whether its end is missing, and a missing one may be what refuses somebody"
        )
        found.doubt(things[-1].origin(), f"{len(things)} {what}", says, "count them at the server, or export CLIXML")


def demand(thing: Thing, what: str, names: Iterable[str], how: str) -> None:
    """Refuses a thing that lacks one of these properties, or has one that was cut off. Raises ImportFailedError."""
    for name in names:
        place = thing.origin().text
        if not thing.has(name):
            raise ImportFailedError(f"{place}: {what} comes without {name}. Export it with: {how}")
        if is_cut(thing.get(name)):
            raise ImportFailedError(f"{place}: {name} of {what} is not whole. Export it with: {how}")
