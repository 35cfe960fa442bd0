"""firewalld, the firewall of RHEL, Fedora and SUSE: sets of networks, and a policy before all zones.

Grants: connecting to the host itself, in whatever zone a packet arrives; ports that firewalld or Docker forward pass
such a policy by. The text is a shell script of firewall-cmd. It changes the permanent configuration only, sets before
the rules that name them (a rule that names no set puts the daemon out of service), checks it, and has it loaded at
once. Each mode of a list has sets of its own. In mode "observe" the log says who would be refused, ten a minute at
most. It never touches a zone. It needs firewalld 0.9 or later, and stops at once with an older one.

Sources: firewall-cmd(1), sections Policy Options and IPSet Options; firewalld.policy(5); firewalld.richlanguage(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.gaps import GAPS, Gap, Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH, SHELL, about, prefixes

MOST: Final = 1_048_576
"""The size of a set is given once, when it is made."""

_HALVES: Final = {"0.0.0.0/0": ("0.0.0.0/1", "128.0.0.0/1"), "::/0": ("::/1", "8000::/1")}

_OTHER: Final = {"only": "but", "but": "only"}

_START: Final = """\
set -eu

kept() { firewall-cmd --permanent "$@"; }

firewall-cmd --quiet --state || { echo "firewalld is not running" >&2; exit 1; }

if [ "${1:-}" = undo ]; then
	kept --delete-policy=arrowslit 2>/dev/null || :
	for set in only-4 only-6 but-4 but-6; do
		kept --delete-ipset="arrowslit-$set" 2>/dev/null || :
		kept --delete-ipset="arrowslit-$set-next" 2>/dev/null || :
	done
	firewall-cmd --reload
	exit 0
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

new_set() { # of a family
	kept --info-ipset="$1" >/dev/null 2>&1 ||
		kept --new-ipset="$1" --type=hash:net --option=family="$2" --option=maxelem=1048576
}

rules_with() { # a set, the rules that name it
	kept --policy=arrowslit --list-rich-rules 2>/dev/null | grep -F 'ipset="'"$1"'"' || :
}

# Entries that overlap are refused, so in a set the old go before the new come. Meanwhile another set with all that is
# new counts beside it: where it is named by a rule, it is whole, also after this was cut off.
cover() {
	rules_with "$1" >"$folder/named"
	[ -s "$folder/named" ] || return 0
	[ -z "$(rules_with "$1-next")" ] || return 0
	kept --delete-ipset="$1-next" 2>/dev/null || :
	new_set "$1-next" "$2"
	if [ -s "$folder/new" ]; then kept --ipset="$1-next" --add-entries-from-file="$folder/new"; fi
	sed 's/ipset="'"$1"'"/ipset="'"$1-next"'"/' "$folder/named" >"$folder/beside"
	while read -r rule; do kept --policy=arrowslit --add-rich-rule="$rule"; done <"$folder/beside"
}

uncover() {
	rules_with "$1-next" >"$folder/beside"
	while read -r rule; do kept --policy=arrowslit --remove-rich-rule="$rule"; done <"$folder/beside"
	kept --delete-ipset="$1-next" 2>/dev/null || :
}

fill() { # a set of a family; what is to be in it is read
	new_set "$1" "$2"
	sed '/^#/d' >"$folder/new"
	kept --ipset="$1" --get-entries >"$folder/old"
	grep -vxFf "$folder/new" "$folder/old" >"$folder/gone" || :
	grep -vxFf "$folder/old" "$folder/new" >"$folder/more" || :
	if [ -s "$folder/gone" ]; then
		cover "$1" "$2"
		kept --ipset="$1" --remove-entries-from-file="$folder/gone"
	fi
	if [ -s "$folder/more" ]; then kept --ipset="$1" --add-entries-from-file="$folder/more"; fi
	uncover "$1"
}
"""

_END: Final = """\
kept --info-policy=arrowslit >/dev/null 2>&1 || kept --new-policy=arrowslit
kept --policy=arrowslit --query-ingress-zone=ANY || kept --policy=arrowslit --add-ingress-zone=ANY
kept --policy=arrowslit --query-egress-zone=HOST || kept --policy=arrowslit --add-egress-zone=HOST
kept --policy=arrowslit --set-priority=-14000
kept --policy=arrowslit --list-rich-rules >"$folder/old"
grep -vxFf "$folder/old" "$folder/rules" >"$folder/more" || :
# The refusal of all others goes before what it makes exceptions of.
grep -vxFf "$folder/rules" "$folder/old" | sed -n '1!G; h; $p' >"$folder/gone" || :
while read -r rule; do kept --policy=arrowslit --add-rich-rule="$rule"; done <"$folder/more"
while read -r rule; do kept --policy=arrowslit --remove-rich-rule="$rule"; done <"$folder/gone"
while read -r rule; do kept --policy=arrowslit --query-rich-rule="$rule"; done <"$folder/rules"
"""


def mode_of(rules: Rules) -> str:
    """What the names of the sets say of the list's mode."""
    return "only" if rules.connect.only_listed else "but"


def script(mode: str, sets: Mapping[int, Iterable[str]], rules: Iterable[str]) -> str:
    """What makes these all of ours: the lines of the sets of both families, and rich rules. With "undo" none stay."""
    filled = "".join(_filled(f"arrowslit-{mode}-{version}", version, lines) for version, lines in sets.items())
    return f"""{_START}
{filled}cat >"$folder/rules" <<'END'
{_lines(rules)}END
{_END}
for family in 4 6; do
	kept --delete-ipset="arrowslit-{_OTHER[mode]}-$family" 2>/dev/null || :
	kept --delete-ipset="arrowslit-{_OTHER[mode]}-$family-next" 2>/dev/null || :
done
firewall-cmd --check-config
firewall-cmd --reload
"""


def _write(rules: Rules, place: Place) -> Body:
    mode = mode_of(rules)
    most = max(sum(1 for source in rules.connect.sources for _ in prefixes(source.addresses, v)) for v in (4, 6))
    return Body(
        script(mode, {version: members(rules, version) for version in (4, 6)}, rich_rules(rules, place)),
        apply=("sh FILE",),
        check=(
            "firewall-cmd --state && firewall-cmd --info-policy=arrowslit",
            f"firewall-cmd --info-ipset=arrowslit-{mode}-4 && firewall-cmd --info-ipset=arrowslit-{mode}-6",
        ),
        undo=("sh FILE undo",),
        notes=tuple(_notes(rules, place)),
        gaps=(Gap(Term.SIZE.value, GAPS[Term.SIZE.value]),) if most > MOST else (),
    )


def _notes(rules: Rules, place: Place) -> Iterator[str]:
    yield "loading drops what was changed in firewalld at run time only: firewall-cmd --runtime-to-permanent keeps it"
    yield "a service smtp in a zone may stay: it comes after this, and undo returns to it"
    yield "forwarded ports and containers pass it by: for those, target nftables"
    if place.interface:
        yield f"all zones are guarded, not only that of {place.interface}"
    if not rules.connect.only_listed:
        yield "whoever is not listed gets in by a zone, such as: firewall-cmd --permanent --add-service=smtp"


def _filled(name: str, version: int, lines: Iterable[str]) -> str:
    return f"fill {name} {'inet' if version == 4 else 'inet6'} <<'END'\n{_lines(lines)}END\n\n"


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def members(rules: Rules, version: int) -> Iterator[str]:
    """What is in the set of a family, a line each, below comments that say where it comes from."""
    for source in rules.connect.sources:
        own = [half for one in prefixes(source.addresses, version) for half in _HALVES.get(one, (one,))]
        if own:
            yield HASH.line(about(source)).rstrip()
            yield from own


def rich_rules(rules: Rules, place: Place) -> Iterator[str]:
    """In the very words in which firewalld lists them, so that they are found again. A lower priority comes first."""
    refuse, mode = "drop", mode_of(rules)
    if rules.server.mode == OBSERVE:
        refuse = 'log prefix="arrowslit would refuse " level="info" limit value="10/m"'
    for port in sorted(place.ports):
        asked = f'port port="{port}" protocol="tcp"'
        verdict = "accept" if rules.connect.only_listed else refuse
        for version in (4, 6):
            source = f'family="ipv{version}" source ipset="arrowslit-{mode}-{version}"'
            yield f'rule priority="-100" {source} {asked} {verdict}'
        if rules.connect.only_listed:
            yield f'rule priority="-90" {asked} {refuse}'


FIREWALLD: Final = Target(
    "firewalld",
    "firewalld on the mail server itself",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    SHELL,
    "sh",
    _write,
    frozenset({Term.SIZE.value}),
)
