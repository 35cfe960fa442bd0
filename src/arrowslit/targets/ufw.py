"""ufw, the firewall of Ubuntu servers: a rule for each listed network, and the rest refused behind them.

Grants: connecting to the host itself; published ports of Docker pass ufw by. The text is a shell script of ufw's own
commands, so that `ufw status` shows what it did. In ufw the first rule that matches decides: what is listed is put
first, and behind it, before all rules of others, two halves of the Internet are refused. A refusal of "anywhere" would
not do: ufw takes it for the same rule as a wide `allow 25/tcp`, and inserts nothing or overwrites that one. For the
same reason a rule of others in the very words of ours is in the way; the script then says so and does nothing. What is
to stay is there before anything is taken away, and refusals go first, so that a repeated or changed list opens nothing
and cuts nobody off. In mode "observe" it has no rules: ufw can't count. It never removes a rule without its own
comment. It needs ufw 0.36 or later (`prepend`), and stops at once with an older one.

Sources: ufw(8), sections Rule syntax and Remote management; ufw-framework(8).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.observed import observed_or
from arrowslit.targets.outer import outer_interface
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH, SHELL, about, prefixes

MOST: Final = 1000
"""Every rule is a command of its own that has all rules loaded anew: 165 take 40 seconds, and it grows faster."""

HALVES: Final = {4: ("0.0.0.0/1", "128.0.0.0/1"), 6: ("::/1", "8000::/1")}
_ALL: Final = {"0.0.0.0/0": HALVES[4], "::/0": HALVES[6]}

_SCRIPT: Final = """\
set -eu
LC_ALL=C
export LC_ALL

case $(ufw status) in
*"Status: active"*) ;;
*) echo "ufw is not active: ufw enable, and run this again" >&2; exit 1 ;;
esac

lines='
'
look() { # the rules of ours that are there
	have=$lines$(ufw show added | sed -n "s/^ufw \\(.*\\) comment 'arrowslit'$/\\1/p")$lines
}

has() { # list, rule
	case "$1" in *"$lines$2$lines"*) ;; *) return 1 ;; esac
}

remove() { # those of an action that are not in a list
	ufw show added | sed -n "s/^ufw \\($1 .*\\) comment 'arrowslit'$/\\1/p" | while read -r rule; do
		has "$2" "$rule" || ufw delete $rule </dev/null
	done
}

family() { # of a rule; a range of ports has a colon too
	for word in $1; do
		case $word in
		*/tcp | */udp) ;;
		*:* | "(v6)") echo 6; return ;;
		esac
	done
	echo 4
}

first() { # of the rules of others in a family, its number
	ufw status numbered | while read -r line; do
		case $line in
		*"# arrowslit") ;;
		"["*)
			number=${line#?}
			if [ "$(family "${line%% # *}")" = "$1" ]; then echo ${number%%]*}; fi
			;;
		esac
	done | sed -n 1p
}

put_first() {
	look
	listed | while read -r rule; do
		has "$have" "$rule" || ufw prepend $rule comment 'arrowslit' </dev/null
	done
}

put_behind() {
	refused | while read -r rule; do
		has "$have" "$rule" && continue
		number=$(first "$(family "$rule")")
		ufw ${number:+insert $number} $rule comment 'arrowslit' </dev/null
	done
}

make_way() { # for rules of others in the very words of ours: ufw would leave them where they are, behind the refusal
	have=$lines$(ufw show added | sed -n "/ comment 'arrowslit'$/d; s/ comment '.*//; s/^ufw //p")$lines
	(listed; refused) | {
		code=0
		while read -r rule; do
			for twin in "allow ${rule#* }" "deny ${rule#* }"; do
				if has "$have" "$twin"; then
					echo "in the way, take it out and run this again: ufw delete $twin" >&2
					code=1
				fi
			done
		done
		return $code
	}
}

compare() { # by its words a rule is found again: were they others, what is new would be taken away as old
	(listed; refused) | while read -r rule; do
		has "$have" "allow ${rule#* }" || has "$have" "deny ${rule#* }" || {
			echo "ufw shows this rule in other words, so none was taken away: $rule" >&2
			exit 1
		}
	done
}

if [ "${1:-}" = undo ]; then
	remove deny ""
	remove allow ""
	exit 0
fi

of_ufw='/^#/d' # ufw that leaves IPv6 alone takes no rule for it, and lets nothing of it in
grep -qi '^IPV6=yes' /etc/default/ufw || of_ufw='/^#/d; / from [^ ]*:/d'
"""

_STEPS: Final = """
make_way
put_first
look
put_behind
look
compare
keep=$lines$(listed; refused)$lines
remove deny "$keep"
remove allow "$keep"
put_first
"""


def script(first: Iterable[str], behind: Iterable[str]) -> str:
    """What makes these all the rules of ours, a line each, the first before the others. With "undo" it removes all."""
    return f"""{_SCRIPT}
{_function("listed", first)}
{_function("refused", behind)}{_STEPS}"""


def lines_of(rules: Rules, place: Place) -> tuple[list[str], list[str]]:
    """What `script` takes for these rules, comments among them."""
    if rules.observes:
        return [], []
    listed = list(_listed(rules))
    known = {one for _, own in listed for one in own}
    return list(_lines(rules, place, listed)), list(_behind(rules, place, known))


def _write(rules: Rules, place: Place) -> Body:
    known = {one for _, own in _listed(rules) for one in own}
    return Body(
        script(*lines_of(rules, place)),
        apply=("sh FILE",),
        check=("ufw status numbered", "ufw show added | grep -v arrowslit    (rules of others: they come after)"),
        undo=("sh FILE undo",),
        notes=tuple(_notes(rules)),
        gaps=(Gap(Term.SIZE.value, GAPS[Term.SIZE.value]),) if len(known) > MOST else (),
    )


def _notes(rules: Rules) -> Iterator[str]:
    yield "published ports of Docker containers pass ufw by: for those, target iptables-docker or nftables"
    yield "where a rule of others says the same as one of these, the script names it and changes nothing"
    behind = "rules of others stay: a wide one, such as 25/tcp or Postfix, stands behind these, and undo returns to it"
    yield from observed_or(rules, behind)
    if not rules.connect.only_listed and not rules.observes:
        yield "whoever is not listed gets in by a rule of ufw's own, such as: ufw allow 25/tcp"


def _listed(rules: Rules) -> Iterator[tuple[str, list[str]]]:
    """What a comment says of each source, and its prefixes of both families."""
    for source in rules.connect.sources:
        own = [one for version in (4, 6) for one in prefixes(source.addresses, version)]
        yield about(source), [half for one in own for half in _ALL.get(one, (one,))]


def _lines(rules: Rules, place: Place, listed: list[tuple[str, list[str]]]) -> Iterator[str]:
    action = "allow" if rules.connect.only_listed else "deny"
    for said, own in listed:
        if own:
            yield HASH.line(said)
            yield from (f"{_rule(action, one, place)}\n" for one in own)


def _rule(action: str, prefix: str, place: Place) -> str:
    """A rule in the very words in which ufw shows it, so that it is found again."""
    name = outer_interface(place)
    ports = ",".join(map(str, sorted(place.ports)))
    return f"{action} {f'in on {name} ' if name else ''}from {prefix} to any port {ports} proto tcp"


def _behind(rules: Rules, place: Place, listed: set[str]) -> Iterator[str]:
    """Everybody else, in halves; a half that is listed as a whole is no rule of its own to ufw, and needs none."""
    if rules.connect.only_listed:
        halves = [half for version in (4, 6) for half in HALVES[version] if half not in listed]
        yield from (f"{_rule('deny', half, place)}\n" for half in halves)


def _function(name: str, lines: Iterable[str]) -> str:
    return f"""\
{name}() {{
	sed "$of_ufw" <<'END'
{"".join(lines)}END
}}
"""


UFW: Final = Target(
    "ufw",
    "ufw on the mail server itself",
    CONNECT,
    frozenset({Term.IPV6}),
    SHELL,
    "sh",
    _write,
    frozenset({Term.SIZE.value}),
)
