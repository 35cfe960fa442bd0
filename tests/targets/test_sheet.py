"""The sheet shows what a policy says, and nothing that it says does anything: HTML and Markdown are read by parsers."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from arrowslit.targets.target import Place
from tests.targets.models.sheet import Reader
from tests.targets.samples import HOSTILE, POLICIES, SMALL, made

WORSE = [
    *HOSTILE,
    "<img src=x onerror=alert(1)>",
    "&lt;script&gt; &#60;script&#62; &amp;",
    '" onmouseover="alert(1)',
    "</td></tr></table><script>",
    "]]> <![CDATA[ <?php ?> <!DOCTYPE x> --!> --",
    "[link](https://example.com) ![image](https://example.com/x.png) <https://example.com>",
    "https://example.com www.example.com someone@example.com",
    "` `` ``` ~~~ | a | b | \\| \\` \\",
    "# head\n\n- list\n\n```\ncode\n```\n\n> quote\r\n<div>",
    "*bold* **bold** _it_ ~~del~~ $math$ :smile: @user #1",
    "|",
    " ",
    "",
]


class Parts(HTMLParser):
    """Elements with their attributes in order, comments, and the text between."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[object] = []
        self.said: list[str] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within = tag
        if tag == "bdi":
            self.said.append("")
        self.elements.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        if self._within == "bdi":
            self.said[-1] += data

    def handle_comment(self, data: str) -> None:
        self.elements.append("comment")

    def handle_decl(self, decl: str) -> None:
        self.elements.append(decl)

    def handle_pi(self, data: str) -> None:
        self.elements.append(f"instruction {data}")

    def unknown_decl(self, data: str) -> None:
        self.elements.append(f"unknown {data}")


@pytest.mark.parametrize("sample", ["small", "names-and-certificates"])
@pytest.mark.parametrize("word", WORSE[:-2], ids=range(len(WORSE) - 2))
def test_html_shows_a_hostile_note_as_text(word: str, sample: str) -> None:
    hostile, harmless = (Parts(made("sheet", POLICIES[sample], word=one).text) for one in (word, "harmless"))
    assert hostile.elements == harmless.elements
    seen = "".join(c if c.isprintable() else "?" for c in word)[:300]
    assert any(text.startswith(seen) for text in hostile.said)


def test_html_loads_nothing_and_does_nothing() -> None:
    text = made("sheet", SMALL, word="x").text
    assert text.isascii()
    assert text.startswith("<!DOCTYPE html>\n<!-- ")
    found = {element[0]: dict(element[1]) for element in Parts(text).elements if isinstance(element, tuple)}
    assert not found.keys() & {"script", "a", "link", "img", "iframe", "form", "base", "object", "svg", "input"}
    attributes = {name for one in found.values() for name in one}
    assert attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "scope", "colspan"}
    assert not re.search(r"url\(|@import|https?:|//", text)


def flat(tokens: list[Token]) -> list[Token]:
    return [one for token in tokens for one in (token, *flat(token.children or []))]


def read(text: str) -> list[Token]:
    return flat(MarkdownIt("commonmark").enable("table").enable("strikethrough").parse(text))


@pytest.mark.parametrize("sample", ["small", "names-and-certificates"])
@pytest.mark.parametrize("word", WORSE[:-2], ids=range(len(WORSE) - 2))
def test_markdown_shows_a_hostile_note_as_code(word: str, sample: str) -> None:
    text = made("sheet-markdown", POLICIES[sample], word=word).text
    hostile, harmless = read(text), read(made("sheet-markdown", POLICIES[sample], word="harmless").text)
    assert [(one.type, one.tag, one.attrs) for one in hostile] == [(one.type, one.tag, one.attrs) for one in harmless]
    ours = [one.content for one in hostile if one.type == "text"]
    assert ours == [one.content for one in harmless if one.type == "text"]
    assert not any(one.type in {"html_inline", "link_open", "image"} for one in hostile)
    assert not any(sign in text for sign in ("{{", "{%", "${"))


@pytest.mark.parametrize("word", [" ", "\u3000", "\ud800"])
def test_a_note_of_nothing_leaves_the_tables_whole(word: str) -> None:
    plain = made("sheet-markdown", SMALL, word="x").text
    assert [
        line.count(" | ") for line in made("sheet-markdown", SMALL, word=word).text.split("\n") if line[:1] == "|"
    ] == [line.count(" | ") for line in plain.split("\n") if line[:1] == "|"]
    assert Parts(made("sheet", SMALL, word=word).text).elements[:3] == Parts(made("sheet", SMALL).text).elements[:3]


def test_markdown_tables_are_tables() -> None:
    tokens = read(made("sheet-markdown", SMALL).text)
    assert sum(one.type == "table_open" for one in tokens) == 4
    assert not any(one.type == "text" and "|" in one.content for one in tokens)


@pytest.mark.parametrize("name", ["sheet", "sheet-markdown"])
def test_names_and_certificates_stand_on_the_page_with_what_to_do(name: str) -> None:
    compiled = made(name, POLICIES["names-and-certificates"], waive=False)
    assert not compiled.gaps
    for word in ("*.branches.example.org", "mail.filter.example", "fixed addresses"):
        assert word in compiled.text


@pytest.mark.parametrize("sample", ["nobody", "ipv6-only"])
def test_nobody_is_told_to_make_an_empty_group(sample: str) -> None:
    text = made("sheet-markdown", POLICIES[sample]).text
    assert "Over IPv4 nobody may connect" in text
    assert "Make no group" in text
    for word in ("`Arrowslit`", "one forward for each row", "## SonicWall"):
        assert word not in text


def test_every_notation_of_a_row_can_be_read() -> None:
    reader = Reader()
    reader.feed(made("sheet", SMALL).text)
    rows = reader.tables["IPv4 addresses that may connect"]
    assert ["203.0.113.0/28", "255.255.255.240", "203.0.113.15"] in rows
    assert ["203.0.113.77/32", "255.255.255.255", "203.0.113.77"] in rows
    inside = reader.tables["IPv4 addresses that may connect from inside"]
    assert [row for row in inside if row] == [["192.168.0.0/24", "255.255.255.0", "192.168.0.255"]]


def test_what_only_observes_has_no_steps() -> None:
    text = made("sheet-markdown", POLICIES["observe"]).text
    assert "Set nothing yet" in text
    assert "## SonicWall" not in text


def test_the_mail_server_is_the_next_hop_unless_another_is_named() -> None:
    text = made("sheet-markdown", SMALL, Place()).text
    assert "Mail server: IPv4 `192.168.0.5`, IPv6 ____________" in text
    assert "write the gateway's in its place" in text
    two = SMALL.replace('"smtp://192.168.0.5:25"', '["smtp://192.168.0.5:25", "smtp://192.168.0.6:25"]')
    assert "Mail server: IPv4 ____________" in made("sheet-markdown", two, Place()).text
