"""A mistake of the code that drives an engine, as opposed to a fault of the peer (a value: `Fault`, `Broken`)."""

from __future__ import annotations


class LocalProtocolError(Exception):
    """The caller asked an engine for something that the protocol does not allow at this point."""
