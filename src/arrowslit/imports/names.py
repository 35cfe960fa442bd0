"""Which of the given files a path in a settings file means: by its whole name, else by the longest common end."""

from __future__ import annotations

from collections.abc import Iterable

from arrowslit.imports.imported import Source


def file_of(path: str, sources: Iterable[Source]) -> Source | None:
    """The file of that path; None where no file has even the same last name."""
    wanted = path.split("/")
    best, length = None, 0
    for source in sources:
        name = source.name.replace("\\", "/").split("/")
        same = 0
        while same < min(len(name), len(wanted)) and name[-1 - same] == wanted[-1 - same]:
            same += 1
        if same > length:
            best, length = source, same
    return best
