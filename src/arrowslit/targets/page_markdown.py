"""A page in Markdown, for wikis and tickets: CommonMark with the tables of GitHub Flavored Markdown.

What a policy says stands in code spans, in which no dialect reads marks, links or tags; signs that end a span or a cell
of a table, or that templates of site generators look for, are replaced by others that look alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.page import Block, Exact, Heading, Line, Named, Page, Paragraph, Points, Said, Table, pieces
from arrowslit.targets.text import Comment

MARKDOWN_PAGE: Final = Comment("<!--", "-->")
"""How the page comments: a comment of HTML is one here too."""

_LOOK_ALIKE: Final = str.maketrans({"`": "'", "|": "/", "\\": "/", "{": "(", "}": ")"})


def markdown(page: Page) -> str:
    """The whole page."""
    blocks = (_block(block) for block in page.blocks)
    return f"# {page.title}\n\n" + "\n".join(blocks)


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}\n"
    if isinstance(block, Paragraph):
        return f"> **Note:** {_line(block.line)}\n" if block.urgent else f"{_line(block.line)}\n"
    if isinstance(block, Points):
        return "".join(_points(block))
    return "".join(_table(block))


def _points(points: Points) -> Iterator[str]:
    for number, line in enumerate(points.lines, 1):
        mark = f"{number}." if points.steps else "- [ ]" if points.boxes else "-"
        yield f"{mark} {_line(line)}\n"


def _table(table: Table) -> Iterator[str]:
    heads = (*table.head, table.of)
    yield f"**{table.caption}**\n\n"
    yield f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}\n"
    for group in table.groups:
        about, more = _line(group.about), _line(group.more)
        for number, row in enumerate(group.rows):
            yield f"| {' | '.join(f'`{cell}`' for cell in row)} | {about}{'' if number else more} |\n"


def _line(line: Line) -> str:
    return "".join(map(_piece, pieces(line)))


def _piece(piece: str | Said | Exact | Named) -> str:
    if isinstance(piece, Said):
        shown = piece.shown.translate(_LOOK_ALIKE).strip()
        return f"`{shown}`" if shown else ""
    if isinstance(piece, Exact):
        return f"`{piece.text}`"
    if isinstance(piece, Named):
        return f"**{piece.text}**"
    return piece
