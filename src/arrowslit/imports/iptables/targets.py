"""What becomes of a packet: the targets of iptables as verdicts. A target that is none is a chain of that name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.imports.firewall.rules import ACCEPT, DROP, GOTO, JUMP, NEXT, RETURN, TRANSLATE, UNKNOWN, Verdict
from arrowslit.imports.firewall.values import address_span, is_loopback, port
from arrowslit.imports.iptables.rule_words import RuleWords

_PASSING: Final = frozenset(
    {
        *("LOG", "NFLOG", "ULOG", "XLOG", "TRACE", "AUDIT", "MARK", "CONNMARK", "HMARK", "SECMARK", "CONNSECMARK"),
        *("TCPMSS", "TCPOPTSTRIP", "TOS", "DSCP", "ECN", "TTL", "HL", "CLASSIFY", "CHECKSUM", "SET", "TEE"),
        *("RATEEST", "IDLETIMER", "LED", "ACCOUNT", "MASQUERADE", "SNAT", "SAME", "CT"),
    }
)
_PLAIN: Final = {
    "": NEXT,
    "ACCEPT": ACCEPT,
    "RETURN": RETURN,
    **dict.fromkeys(("DROP", "REJECT", "TARPIT", "DELUDE", "CHAOS"), DROP),
    **dict.fromkeys(_PASSING, NEXT),
}
_STRANGE: Final = {
    **dict.fromkeys(("QUEUE", "NFQUEUE"), "a program decides"),
    **dict.fromkeys(("NETMAP", "CLUSTERIP", "MIRROR", "DNPT", "SNPT"), "where it is led to can't be told"),
    **dict.fromkeys(("TPROXY", "SYNPROXY"), "a proxy takes it"),
    "NOTRACK": "its connections are not tracked from there on",
}


def read_target(rule: RuleWords, *, goto: bool) -> None:
    """Takes the target's name and its options."""
    rule.target, rule.goto = rule.next(), goto
    rule.options = dict(_options(rule))


def _options(rule: RuleWords) -> Iterator[tuple[str, list[str]]]:
    name, values = "", list[str]()
    while rule.left and rule.peek() not in {"-m", "--match"}:
        word = rule.next()
        if word.startswith("--"):
            yield name, values
            name, values = word, []
        else:
            values.append(word)
    yield name, values


def verdict_of(rule: RuleWords) -> Verdict:
    """The verdict. Raises ValueError where it leads to one of several places."""
    target = "NOTRACK" if rule.target == "CT" and "--notrack" in rule.options else rule.target
    if target in _PLAIN:
        return Verdict(_PLAIN[target])
    if target in _STRANGE:
        return Verdict(UNKNOWN, why=_STRANGE[target])
    if target == "REDIRECT":
        return Verdict(TRANSLATE, port=_port("".join(rule.options.get("--to-ports", ()))), here=True)
    if target == "DNAT":
        return _translation("".join(rule.options.get("--to-destination", ())), rule.version)
    return Verdict(GOTO if rule.goto else JUMP, chain=target)


def _port(text: str) -> int | None:
    if not text:
        return None
    if "-" in text:
        raise ValueError(f"it leads to one of the ports {text}")
    return port(text)


def _translation(text: str, version: int) -> Verdict:
    """`ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`, `:PORT`."""
    if text.startswith("["):
        address, _, behind = text[1:].partition("]")
        behind = behind.removeprefix(":")
    elif version == 6 and not text.startswith(":"):
        address, behind = text, ""
    else:
        address, _, behind = text.partition(":")
    to_port = _port(behind.partition("/")[0])
    if not address:
        return Verdict(TRANSLATE, port=to_port)
    first, last = address_span(address, version)
    if first != last:
        raise ValueError(f"it leads to one of the addresses {address}")
    return Verdict(TRANSLATE, address=first, port=to_port, here=is_loopback(first, version))
