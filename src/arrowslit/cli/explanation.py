"""How an explanation is printed: the verdict, the reply, what was looked at, what it rests on, what would permit it."""

from __future__ import annotations

import sys

from arrowslit.cli.output import Style, escaped, painted
from arrowslit.mail.mailbox import Mailbox
from arrowslit.policy import reasons
from arrowslit.policy.decision import Action, Decision, Look, Stage
from arrowslit.policy.explain import Explanation
from arrowslit.policy.facts import Facts
from arrowslit.policy.model import Policy
from arrowslit.policy.parts import ONLY_LISTED

_STAGES = {
    Stage.CONNECT: "connection",
    Stage.HELO: "HELO",
    Stage.MAIL: "MAIL",
    Stage.RECIPIENT: "RCPT",
    Stage.DATA: "DATA",
}
_STYLES = {Action.PERMIT: Style.GOOD, Action.DEFER: Style.CAUTION}
_FACTS = {
    "reverse_name": "reverse name",
    "client_name": "reverse name",
    "helo_name": "HELO name",
    "tls": "TLS",
    "certificate": "certificate",
    "authenticated_as": "signing in",
    "own_addresses": "own sender addresses",
    "reverse_path": "reverse-path",
    "recipient_listed": "recipient list",
}
_MATCHED = {True: "yes", False: "no", None: "open"}
_WIDEST = 58
"""Leaves room for label and result in 80 columns; the whole text stands in the JSON."""


def as_json(answer: Explanation) -> dict[str, object]:
    """The members of the JSON object."""
    return {
        **decision_json(answer.decision),
        "trace": [
            {"rule": look.rule, "text": look.text, "matched": look.matched, "note": look.note} for look in answer.trace
        ],
        "rests_on": list(answer.rests_on),
    }


def decision_json(decision: Decision) -> dict[str, object]:
    """A decision without its trace."""
    said = decision.reply
    reply = None if said is None else {"code": said.code, "enhanced": said.enhanced, "text": said.text}
    return {
        "action": decision.action.value,
        "stage": decision.stage.label,
        "told_at": decision.told_at.label,
        "reply": reply,
        "reason": decision.reason,
        "rule": decision.rule,
        "revision": decision.revision,
        "generation": decision.generation,
        "next_hop": decision.next_hop,
        "relay": decision.relay,
        "skip_checks": decision.skip_checks,
        "would_be": None if decision.would_be is None else decision_json(decision.would_be),
    }


def as_text(answer: Explanation, policy: Policy, facts: Facts) -> str:
    """The whole text, without a line end."""
    decision = answer.decision
    lines = [_verdict(decision, facts.virtual_server)]
    if decision.would_be is not None:
        lines.append(f"  only observed: enforced, it would be {_words(decision.would_be)}")
    if decision.reply is not None:
        lines.append(f"  {decision.reply.code} {decision.reply.enhanced} {escaped(decision.reply.text)}".rstrip())
    lines += _labelled("because", [f"{decision.reason} ({escaped(decision.rule)})"])
    lines += _labelled("looked at", _looks(answer))
    lines += _labelled("not given", [_absent(answer)] if answer.rests_on else [])
    lines += _labelled("to permit", _to_permit(decision.would_be or decision, policy, facts))
    return "\n".join(lines)


def _verdict(decision: Decision, virtual_server: str) -> str:
    word = painted(decision.action.value, _STYLES.get(decision.action, Style.BAD), sys.stdout)
    told = "" if decision.permitted or decision.told_at is decision.stage else f", told at {_STAGES[decision.told_at]}"
    revision = f"revision {decision.revision}" if decision.revision else "a draft"
    hop = f"; goes to {decision.next_hop}" if decision.next_hop is not None else ""
    return f"{word}  at {_STAGES[decision.stage]}{told}; {escaped(virtual_server)}, {revision}{escaped(hop)}"


def _words(decision: Decision) -> str:
    code = f" with {decision.reply.code}" if decision.reply is not None else ""
    return f"{decision.action.value} at {_STAGES[decision.stage]}{code}"


def _labelled(label: str, rows: list[str]) -> list[str]:
    return [f"{label if not at else '':<9}  {row}" for at, row in enumerate(rows)]


def _looks(answer: Explanation) -> list[str]:
    texts = _look_texts(answer.trace)
    width = max(map(len, texts), default=0)
    rows = zip(texts, answer.trace, strict=True)
    return [f"{text:<{width}}  {_result(look, answer.decision)}" for text, look in rows]


def _look_texts(looks: tuple[Look, ...]) -> list[str]:
    texts: list[str] = []
    number = 0
    for look in looks:
        end = look.text.endswith("end of list")
        number += not end
        text = f"{'-' if end else number} {escaped(look.text)}"
        texts.append(text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "...")
    return texts


def _result(look: Look, decision: Decision) -> str:
    word = decision.action.value if look.rule == decision.rule else _MATCHED[look.matched]
    return f"{word}  ({escaped(look.note)})" if look.note else word


def _absent(answer: Explanation) -> str:
    names = dict.fromkeys(_FACTS.get(name, name) for name in answer.rests_on)
    return ", ".join(names) + ": taken as absent"


def _to_permit(refusal: Decision, policy: Policy, facts: Facts) -> list[str]:
    """The command that would, or the line to write. Only where one would do."""
    server = policy.virtual_servers[facts.virtual_server]
    where = "" if server.name == "default" else f" --virtual-server {escaped(server.name)}"
    command = f'{facts.client_address}{where} --note "..."'
    if refusal.permitted:
        return []
    if refusal.reason == reasons.NOT_CONNECT and server.connection_control.mode == ONLY_LISTED:
        return [f"arrowslit entry add connection {command}"]
    if refusal.reason == reasons.NOT_RELAY and isinstance(facts.forward_path, Mailbox):
        add = [f"or: arrowslit entry add relay {command}"]
        accept = f'accept the domain: [accepted_domains."{escaped(facts.forward_path.domain)}"]'
        return [*([] if facts.forward_path.literal else [accept]), *add]
    return []
