"""Which files are meant: each once, folders as all files in them, and what can't be looked at as a problem.

Links are followed; a folder that leads back into itself is gone through once. A pipe or a device in a folder is no
log, and is passed over; one that was named is a problem.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from arrowslit.traffic.tally import Problem

_Identity = tuple[int, int]


def files(paths: Iterable[Path], problems: list[Problem]) -> Iterator[Path]:
    """The regular files among and below `paths`, each once, those of a folder in the order of their names."""
    seen: set[_Identity] = set()
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            problems.append(_cannot(path, error))
            continue
        if stat.S_ISDIR(found.st_mode):
            if _is_new(found, seen):
                yield from _below(path, seen, problems)
        elif not stat.S_ISREG(found.st_mode):
            problems.append(Problem(str(path), 0, "it is a pipe or a device, and no file"))
        elif _is_new(found, seen):
            yield path


def _below(top: Path, seen: set[_Identity], problems: list[Problem]) -> Iterator[Path]:
    empty = True
    for folder, folders, names in os.walk(top, onerror=lambda error: problems.append(_closed(error)), followlinks=True):
        entered = [name for name in sorted(folders) if _enters(Path(folder, name), seen)]
        empty = empty and len(entered) == len(folders)
        folders[:] = entered
        for name in sorted(names):
            path = Path(folder, name)
            try:
                found = path.stat()
            except OSError as error:
                problems.append(_cannot(path, error))
                continue
            if stat.S_ISREG(found.st_mode):
                empty = False
                if _is_new(found, seen):
                    yield path
    if empty:
        problems.append(Problem(str(top), 0, "there is no file in this folder"))


def _enters(path: Path, seen: set[_Identity]) -> bool:
    """True where a folder was not gone through before; one that can't be looked at is told by whoever opens it."""
    try:
        return _is_new(path.stat(), seen)
    except OSError:
        return True


def _is_new(found: os.stat_result, seen: set[_Identity]) -> bool:
    identity = (found.st_dev, found.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _cannot(path: Path, error: OSError) -> Problem:
    return Problem(str(path), 0, f"can't be opened: {error.strerror}")


def _closed(error: OSError) -> Problem:
    return Problem(str(error.filename), 0, f"this folder can't be looked into: {error.strerror}")
