"""Text that every database takes: PostgreSQL refuses NUL, and UTF-8 has no halves of surrogate pairs."""

from __future__ import annotations


def plain(text: str) -> str:
    """`text` with NUL and halves of surrogate pairs replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\0", "\ufffd")
