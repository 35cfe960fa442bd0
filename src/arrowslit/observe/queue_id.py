"""The next hop's own name for a message, read from its final reply.

Forms that are known: Postfix "2.0.0 Ok: queued as 4ZZ1k25Xz9", Exim "OK id=1sXyZ0-000abc-1D", Exchange
"2.6.0 <message-id> [InternalId=..., Hostname=...] Queued mail for delivery", OpenSMTPD "2.0.0 1a2b3c4d Message accepted
for delivery", Sendmail "2.0.0 48A1xyz Message accepted for delivery". Anything else gives None. Never trusts the text:
an id is printable ASCII without spaces and at most 128 characters.
"""

from __future__ import annotations

from typing import Final

_LONGEST: Final = 128
_MARKS: Final = ("queued as ", "id=", "InternalId=")
_ACCEPTED: Final = " Message accepted for delivery"


def queue_id(text: str) -> str | None:
    """The queue id in the text of a 250 (with or without codes in front), or None."""
    end = text.find(_ACCEPTED)
    if end > 0:
        return _clean(text[:end].rpartition(" ")[2].removesuffix(":"))
    if "[InternalId=" in text:
        return _clean(_until(text[text.find("[InternalId=") + 12 :], ",] "))
    for mark in _MARKS:
        start = text.find(mark)
        if start >= 0 and (start == 0 or not text[start - 1].isalnum()):
            return _clean(_until(text[start + len(mark) :], " ;,)"))
    return None


def _until(text: str, ends: str) -> str:
    """`text` up to the first of the characters in `ends`."""
    return text[: min((at for end in ends if (at := text.find(end)) >= 0), default=len(text))]


def _clean(text: str) -> str | None:
    if 0 < len(text) <= _LONGEST and text.isascii() and text.isprintable() and " " not in text:
        return text
    return None
