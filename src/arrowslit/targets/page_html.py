"""A page as one HTML file that loads nothing, for the screen and for paper.

Everything is written in ASCII with character references, so that no guess about an encoding changes it, and a policy of
contents forbids whatever is not the style that stands in the file. Source: the HTML standard, CSS Paged Media.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from arrowslit.targets.page import Block, Exact, Heading, Line, Named, Page, Paragraph, Points, Said, Table, pieces
from arrowslit.targets.text import Comment

HTML_PAGE: Final = Comment("<!--", "-->", opening="<!DOCTYPE html>\n")
"""How the page comments; a browser wants the kind of document before all else."""

_STYLE: Final = """\
:root { color-scheme: light dark; --line: #b5b5b5; --shade: #f1f1ee; --urgent: #9a1c00; --text: #1b1b1b; --page: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --line: #555; --shade: #2a2a2c; --urgent: #ff9d80; --text: #e8e8e6; --page: #18181a; }
}
body { margin: 0 auto; padding: 1rem; max-width: 52rem; font: 1rem/1.45 system-ui, sans-serif;
  color: var(--text); background: var(--page); overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 1.8rem 0 .5rem; padding-bottom: .2rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p, ul, ol { margin: .5rem 0; }
ul, ol { padding-left: 1.5rem; }
li { margin: .2rem 0; }
ul.boxes { list-style: none; padding-left: 1.6rem; }
ul.boxes li::before { content: ""; float: left; width: .7rem; height: .7rem; margin: .25rem 0 0 -1.5rem;
  border: 1.5px solid currentColor; }
p.urgent { border-left: .3rem solid var(--urgent); padding: .4rem .8rem; background: var(--shade); font-weight: 600; }
code { font: .9em/1.4 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere; }
p code, li code { background: var(--shade); padding: 0 .2em; border-radius: .2em; }
table { border-collapse: collapse; width: 100%; margin: .8rem 0; font-size: .95rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
td:first-child:nth-last-child(3) code, td:first-child:nth-last-child(3) ~ td code { white-space: nowrap; }
tbody th, bdi { overflow-wrap: anywhere; }
tbody th { background: var(--shade); font-weight: 400; }
@media (max-width: 32rem) {
  body { padding: .7rem; }
  table { font-size: .75rem; }
  th, td { padding: .2rem; }
}
@page { margin: 16mm 15mm; }
@media print {
  :root { color-scheme: light; --line: #888; --shade: #eee; --urgent: #000; --text: #000; --page: #fff; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2, h3, caption { break-after: avoid; }
  tr, li, p { break-inside: avoid; }
  tbody tr:first-child { break-after: avoid; }
  thead { display: table-header-group; }
}
"""


def html(page: Page) -> str:
    """The page without the kind of document, which stands before the comments."""
    body = "".join(text for block in page.blocks for text in _block(block))
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return _ascii(f"""\
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(page.title)}</title>
<style>
{_STYLE}</style>
</head>
<body>
<main>
<h1>{escape(page.title)}</h1>
{body}</main>
</body>
</html>
""")


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h{block.level}>{escape(block.text)}</h{block.level}>\n"
    elif isinstance(block, Paragraph):
        yield f"<p{' class=' + chr(34) + 'urgent' + chr(34) if block.urgent else ''}>{_line(block.line)}</p>\n"
    elif isinstance(block, Points):
        yield from _points(block)
    else:
        yield from _table(block)


def _points(points: Points) -> Iterator[str]:
    tag = "ol" if points.steps else "ul"
    yield f'<{tag} class="boxes">\n' if points.boxes else f"<{tag}>\n"
    yield from (f"<li>{_line(line)}</li>\n" for line in points.lines)
    yield f"</{tag}>\n"


def _table(table: Table) -> Iterator[str]:
    """Each group is a body of its own, with a row that says what it is about."""
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in table.head)
    yield f"<table>\n<caption>{escape(table.caption)}</caption>\n<thead>\n<tr>{heads}</tr>\n</thead>\n"
    for group in table.groups:
        about = _line(group.about) + _line(group.more)
        yield f'<tbody>\n<tr><th scope="rowgroup" colspan="{len(table.head)}">{about}</th></tr>\n'
        for row in group.rows:
            yield f"<tr>{''.join(f'<td><code>{escape(cell)}</code></td>' for cell in row)}</tr>\n"
        yield "</tbody>\n"
    yield "</table>\n"


def _line(line: Line) -> str:
    return "".join(map(_piece, pieces(line)))


def _piece(piece: str | Said | Exact | Named) -> str:
    if isinstance(piece, Said):
        return f"<bdi>{escape(piece.shown)}</bdi>"
    if isinstance(piece, Exact):
        return f"<code>{escape(piece.text)}</code>"
    if isinstance(piece, Named):
        return f"<b>{escape(piece.text)}</b>"
    return escape(piece)
