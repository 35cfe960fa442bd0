"""Writes the reference pages from the declarations: `python -m arrowslit.documents.reference [FOLDER]`.

The pages are committed; a test holds them against what this makes. Nothing on them is written by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from arrowslit.documents import reference_formats
from arrowslit.documents.alarms import ALARMS
from arrowslit.documents.declare import declaration, default_text
from arrowslit.documents.settings import TABLES, EnforcementPoint, ListenerSettings
from arrowslit.documents.words import FINDING, GAP, REASON, Word, words
from arrowslit.mail.reply import Reply
from arrowslit.policy.replies import REPLIES
from arrowslit.policy.schema import Key, Kind, Section, sections
from arrowslit.targets.gaps import Grant
from arrowslit.targets.register import targets

_MADE = "<!-- Made by `make docs-reference` from the declarations in the code. Changes here are lost. -->"
_NESTED = {Kind.TABLE, Kind.TABLES, Kind.LIST}


def pages() -> dict[str, str]:
    """The text of every page by file name."""
    return {
        "settings.md": _settings(),
        "policy.md": _policy(),
        "findings.md": _words(
            FINDING,
            "Findings",
            "What the commands have to say about the two files. An error holds a policy up unless it is waived by "
            "name (`[[waivers]]`), a warning does not. `arrowslit help NAME` prints the same text.",
        ),
        "reasons.md": _words(
            REASON,
            "Reasons",
            "Why a decision came out as it did, as decision records, metrics and `arrowslit explain` name it.",
        ),
        "alarms.md": _alarms(),
        "targets.md": _targets(),
        "gaps.md": _words(
            GAP,
            "Gaps",
            "What a target can't express. A gap is an error of `arrowslit target compile` unless the policy waives it "
            "by name (`[[waivers]]` with `target` and `gap`); what is waived stands in the head of every text.",
        ),
        "replies.md": _replies(),
        "logs.md": _logs(),
        "imports.md": _imports(),
    }


def _page(title: str, intro: str, *sections: str) -> str:
    return "\n\n".join([_MADE, f"# {title}", intro, *sections]) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _logs() -> str:
    (title, intro, head, rows), (within, what, names, programs) = reference_formats.logs()
    return _page(title, intro, _table(head, rows), f"## {within}", what, _table(names, programs))


def _imports() -> str:
    title, intro, head, rows = reference_formats.imports()
    return _page(title, intro, _table(head, rows))


def _settings() -> str:
    intro = (
        "`arrowslit.toml`, the settings of one node. Read at start and on reload. Everything has a default except the "
        "listeners. Paths that are not absolute are relative to the file. Times are text with a unit (`ms`, `s`, `m`, "
        "`h`, `d`), sizes are numbers of octets."
    )
    parts = [_settings_table(f"[{name}]", cls) for name, cls in TABLES]
    parts.insert(1, _settings_table("[[listeners]]", ListenerSettings))
    parts.append(_settings_table("[enforcement_points.NAME]", EnforcementPoint))
    return _page("Settings of a node", intro, *parts)


def _settings_table(heading: str, cls: type[Any]) -> str:
    rows = []
    for of in fields(cls):
        made = declaration(of)
        if made is not None:
            rows.append((f"`{of.name}`", made.kind.name, default_text(of) or "**required**", made.doc))
    doc = " ".join((cls.__doc__ or "").split())
    return f"## {heading}\n\n{doc}\n\n" + _table(("Key", "Kind", "Default", "Meaning"), rows)


def _policy() -> str:
    intro = (
        "`policy.toml`, the policy of a site: who may connect, deliver and relay. Files that it names are relative to "
        "the settings file."
    )
    return _page("The policy", intro, *(_policy_section(section) for section in sections()))


def _policy_section(section: Section) -> str:
    heading = f"[{section.path}]" if section.path not in {"", "entry"} else section.path or "Top level"
    heading = f"[[{section.path}]]" if section.path in {"waivers", "expectations"} else heading
    rows = [(f"`{key.name}`", _kind(key), _default(key), key.doc) for key in section.keys]
    return f"## {heading}\n\n{section.doc}\n\n" + _table(("Key", "Kind", "Default", "Meaning"), rows)


def _kind(key: Key) -> str:
    if key.words:
        return ", ".join(f'`"{word}"`' for word in key.words)
    if key.section is not None and key.kind in _NESTED:
        return f"{key.kind.value} ({key.section.path})"
    return key.kind.value


def _default(key: Key) -> str:
    if key.required:
        return "**required**"
    return f"`{key.default}`" if key.default else ""


def _words(kind: str, title: str, intro: str) -> str:
    chosen = [word for word in words().values() if word.kind == kind]
    return _page(title, intro, *(_word(word) for word in chosen))


def _word(word: Word) -> str:
    severity = f"*{word.severity}* " if word.severity else ""
    return f"## {word.name}\n\n{severity}{word.text}"


def _targets() -> str:
    intro = (
        "What `arrowslit target compile NAME` writes, which of the policy's grants each can decide, and which "
        "[gaps](gaps.md) a policy can have there. What lies outside a target's grants is left to others."
    )
    rows = [(f"`{one.name}`", one.title, _granted(one.scope), ", ".join(sorted(one.gaps))) for one in targets()]
    return _page("Targets", intro, _table(("Name", "For", "Grants", "Possible gaps"), rows))


def _granted(scope: frozenset[Grant]) -> str:
    if not scope:
        return "none: sets up the server behind the gateway"
    return "all" if len(scope) > 1 else "connecting"


def _alarms() -> str:
    intro = (
        "What somebody must act on, as `arrowslit status`, the metric `arrowslit_alarms` and the notices by mail, "
        "webhook and syslog name it. `[alarms]` of the settings says who is told; the node's own log has all of them. "
        "The same alarm of the same subject is told at most once an hour, with how often it was raised."
    )
    return _page("Alarms", intro, *(f"## {name}\n\n{ALARMS[name].doc} *{ALARMS[name].ends.value}*" for name in ALARMS))


def _replies() -> str:
    from arrowslit.session import replies as of_session  # noqa: PLC0415 - only this page needs the two
    from arrowslit.smtp import replies as of_protocol  # noqa: PLC0415

    intro = (
        "Every reply that the gateway gives by itself. Replies of a next hop that pass through are not listed. "
        "`{client}` stands for the client address."
    )
    decided = [(f"{w.code} {w.enhanced}", w.text, reason, when) for (reason, when), w in REPLIES.items()]
    return _page(
        "Replies",
        intro,
        "## Of the policy\n\n" + _table(("Codes", "Text", "Reason", "When"), decided),
        "## Of the session\n\n" + _constants(vars(of_session)),
        "## Of the protocol\n\n" + _constants(vars(of_protocol)),
    )


def _constants(names: dict[str, Any]) -> str:
    found = [(name, _reply_of(value)) for name, value in names.items() if name.isupper() and not name.startswith("_")]
    rows = [
        (f"{one.code} {one.enhanced}".strip(), one.text, name.lower().replace("_", "-"))
        for name, one in found
        if one is not None
    ]
    return _table(("Codes", "Text", "Name"), rows)


def _reply_of(value: object) -> Reply | None:
    if isinstance(value, Reply):
        return value
    inner = getattr(value, "reply", None)
    return inner if isinstance(inner, Reply) else None


def main(folder: Path) -> None:
    """Write every page that is not as it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
