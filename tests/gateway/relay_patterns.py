"""The open-relay patterns as data: the core set, the classic additions and ours, each with what is sent.

Terms: u an outside local part, D an outside domain, x an outside sender, S the server's name, I its address, L an
accepted domain. A pattern is a name, a reverse-path and a forward-path, both as written behind the colon.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pattern:
    """One try to have mail relayed."""

    name: str
    mail: str
    rcpt: str


def patterns(outside: str, server: str, address: str, accepted: str) -> list[Pattern]:
    """Every single-transaction pattern, filled in."""
    d, s, lit, local = outside, server, f"[{address}]", accepted
    core = [
        ("<>", f"<u@{d}>"),
        (f"<x@{d}>", f"<u@{d}>"),
        (f"<x@{s}>", f"<u@{d}>"),
        (f"<x@{lit}>", f"<u@{d}>"),
        (f"<x@{lit}>", f"<u%{d}@{lit}>"),
        (f"<x@{lit}>", f"<u%{d}@{s}>"),
        (f"<x@{lit}>", f'<"u@{d}">'),
        (f"<x@{lit}>", f'<"u%{d}">'),
        (f"<x@{lit}>", f"<u@{d}@{lit}>"),
        (f"<x@{lit}>", f'<"u@{d}"@{lit}>'),
        (f"<x@{lit}>", f"<u@{d}@{s}>"),
        (f"<x@{lit}>", f"<@{lit}:u@{d}>"),
        (f"<x@{lit}>", f"<@{s}:u@{d}>"),
        (f"<x@{lit}>", f"<{d}!u>"),
        (f"<x@{lit}>", f"<{d}!u@{lit}>"),
        (f"<x@{lit}>", f"<{d}!u@{s}>"),
    ]
    classic = [
        ("<x>", f"<u@{d}>"),
        (f"<x@{local}>", f"<u@{d}>"),
        ("<nobody>", f"<u@{d}>"),
        (f"<{d}!x>", f"<u@{d}>"),
        ("<x@localhost>", f"<u@{d}>"),
        (f"<x@{d}>", f"u@{d}"),
        (f"<x@{d}>", f"<u%{d}@[127.0.0.1]>"),
        (f"<x@{d}>", f"<u%{d}@localhost>"),
        (f"<x@{d}>", f"<@localhost:u@{d}>"),
        (f"<x@{d}>", f"<{d}!u@localhost>"),
        (f"<x@{d}>", f'<"u@{d}"@localhost>'),
        (f"<x@{d}>", f"<u@{d}@>"),
    ]
    ours = [
        (f"<x@{d}>", f"<@a.test,@b.test:u@{d}>"),
        (f"<x@{d}>", f"<@{s},@{local}:u@{d}>"),
        (f"<x@{d}>", f"<u@{d}.>"),
        (f"<x@{d}>", "<u@[203.0.113.200]>"),
        (f"<x@{d}>", "<u@[IPv6:2001:db8::7]>"),
        (f"<x@{d}>", f"<u%{d}%{local}@{local}>"),
        (f"<x@{d}>", f"<u%{d}@{local}>"),
        (f"<x@{d}>", f"<{d}!u@{local}>"),
        (f"<x@{d}>", f'<"u@{d}"@{local}>'),
        (f"<x@{d}>", f'<"u%{d}"@{local}>'),
        (f"<x@{d}>", f'<"{d}!u"@{local}>'),
        (f"<x@{d}>", f'<"\\"u@{d}\\""@{local}>'),
        (f"<x@{d}>", "<u@straße.test>"),
        (f"<x@{d}>", f"<u@{local}.{d}>"),
        (f"<x@{d}>", f"<u@{d}> ORCPT=rfc822;u@{local}"),
    ]
    return [
        Pattern(f"{group} {number}", mail, rcpt)
        for group, rows in (("core", core), ("classic", classic), ("ours", ours))
        for number, (mail, rcpt) in enumerate(rows, 1)
    ]
