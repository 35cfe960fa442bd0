"""A parsed TOML document with the position of every key and value.

The tree is made outside the pure rooms (`documents.toml`) and handed in; this file only says what it looks like.
Lines and columns count from 1, columns in characters, ends are exclusive.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

Scalar = str | int | float | bool | datetime.date | datetime.datetime | datetime.time


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands: start (line, column) up to and without end."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Value:
    """A scalar, an array or a table, with its place."""

    data: Scalar | tuple[Value, ...] | Table
    span: Span


@dataclass(frozen=True, slots=True)
class Item:
    """A key of a table with its value; `span` is the place of the key as first written."""

    key: str
    span: Span
    value: Value


@dataclass(frozen=True, slots=True)
class Table:
    """A table in the order of writing. `span` is its header, or the braces of an inline table."""

    items: dict[str, Item]
    span: Span


@dataclass(frozen=True, slots=True)
class Document:
    """The whole file: its name as the reader knows it, its text for excerpts, and its root table."""

    name: str
    text: str
    root: Table
