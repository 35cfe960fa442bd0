"""Reads what a next hop offers in its answer to EHLO or LHLO (RFC 5321 4.1.1.1). Unknown keywords are left out."""

from __future__ import annotations

from typing import Final

from arrowslit.mail.reply import Reply
from arrowslit.smtp.offer import Capabilities

_SIZE_DIGITS: Final = 20  # RFC 1870 3


def read_capabilities(reply: Reply) -> Capabilities:
    """The offer in `reply`; its first line is the next hop's name and greeting."""
    said = dict(map(_keyword, reply.lines[1:]))
    return Capabilities(
        pipelining="PIPELINING" in said,
        eight_bit="8BITMIME" in said,
        smtputf8="SMTPUTF8" in said,
        dsn="DSN" in said,
        chunking="CHUNKING" in said,
        starttls="STARTTLS" in said,
        size=_size(said["SIZE"]) if "SIZE" in said else None,
        auth=frozenset(said.get("AUTH", ())) | frozenset(said.get("AUTH=", ())),
        xclient=frozenset(said.get("XCLIENT", ())),
        xforward=frozenset(said.get("XFORWARD", ())),
    )


def _keyword(line: str) -> tuple[str, list[str]]:
    keyword, *words = line.upper().split() or [""]
    if keyword.startswith("AUTH="):  # written so before RFC 2554, and still met
        return "AUTH=", [keyword[5:], *words]
    return keyword, words


def _size(words: list[str]) -> int:
    digits = words[0] if words else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _SIZE_DIGITS else 0
