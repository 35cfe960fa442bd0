"""Scripts for the clouds' own command lines: one text with `apply`, `check`, `undo`, in the shell of POSIX.

Addresses stand in here-documents that the shell does not look into, each under its comment; the functions `listed4` and
`listed6` write them without the comments. What `apply` replaces is kept in a folder beside, for `undo`.

`RULES` is for clouds whose rules permit and refuse, by number: a rule for each family of the list, and one behind it
for everybody else. Whoever uses it says `ours`, `set_rule`, `drop_rule` and `before_ours`. Rules are made in an
order in which nobody gets further in the meantime than before or than the policy says, and go in one in which nobody
who is listed is cut off: what refuses goes first. In mode "observe" there are none, and those of an earlier file go.
"""

from __future__ import annotations

from typing import Final

from arrowslit.targets.cloud import FAMILIES, indented, listed
from arrowslit.targets.rules import Rules

START: Final = """\
set -euf
export LC_ALL=C
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
	echo "arrowslit: $*" >&2
	exit 1
}

# Runs a command whose answer is needed; no answer is no "nothing is there".
ask() {
	"$@" >"$work/answer" || fail "no answer: nothing more is done"
}
"""


def here(name: str, lines: list[str]) -> str:
    """A function that writes these prefixes, one a line and sorted."""
    return f"{name}() {{\n\tgrep -v '^#' <<'END' | sort || :\n{indented(lines, '')}END\n}}\n"


def by_number(rules: Rules, own: str, more_names: str = "") -> str:
    """A whole script of `RULES`; `own` are the functions of the cloud, `more_names` rules that always stand."""
    lists = "\n".join(
        here(f"listed{version}", [] if rules.observes else listed(rules.connect, version)) for version in FAMILIES
    )
    mode = "observe" if rules.observes else rules.connect.mode
    return f"{START}\nmode={mode}\nalways='{more_names}'\n\n{lists}{own}{RULES}"


RULES: Final = r"""
names="$always deny-4 deny-6 allow-4 allow-6 deny-rest-4 deny-rest-6 allow-rest-4 allow-rest-6"

# The number of a rule: first come, first served.
number_of() {
	number=$first
	for one in $names; do
		[ "$one" != "$1" ] || echo "$number"
		number=$((number + 1))
	done
}

# Whom a rule is for; nobody: there is no such rule.
wanted() {
	case $mode-$1 in
	observe-*) ;;
	only_listed-allow-4 | all_except_listed-deny-4) listed4 ;;
	only_listed-allow-6 | all_except_listed-deny-6) listed6 ;;
	only_listed-deny-rest-4 | all_except_listed-allow-rest-4) echo 0.0.0.0/0 ;;
	only_listed-deny-rest-6 | all_except_listed-allow-rest-6) echo ::/0 ;;
	*-allow-probes) echo AzureLoadBalancer ;;
	esac
}

# Writes into a folder whom each rule is for now; "ours" answers with a line for each: name, sources.
remember() {
	mkdir -p "$1"
	ours
	for name in $names; do
		awk -v name="$name" '$1 == name { for (i = 2; i <= NF; i++) if ($i ~ "/|AzureLoad") print $i }' \
			"$work/answer" | sort >"$1/$name"
	done
}

same() {
	remember "$work/is"
	mkdir -p "$work/wanted"
	for name in $names; do
		wanted "$name" >"$work/wanted/$name"
	done
	diff -r "$work/is" "$work/wanted" >"$work/differs"
}

# Makes the rules be what the files of a folder say, and not what those of $work/is say.
become() {
	for name in $names; do
		if [ -s "$1/$name" ] && ! cmp -s "$work/is/$name" "$1/$name"; then
			if [ -s "$work/is/$name" ]; then verb=update; else verb=create; fi
			set_rule "$verb" "$name" "$(cat "$1/$name")"
		fi
	done
	for name in deny-rest-4 deny-rest-6 deny-4 deny-6 allow-4 allow-6 allow-rest-4 allow-rest-6 $always; do
		[ -s "$1/$name" ] || [ ! -s "$work/is/$name" ] || drop_rule "$name"
	done
}

apply() {
	if same; then
		echo "the rules are as this file says"
	else
		mkdir -p "$kept"
		for name in $names; do
			cp "$work/is/$name" "$kept"
		done
		become "$work/wanted"
	fi
	before_ours
	sed 's/^/stands before ours: /' "$work/answer"
}

check() {
	before_ours
	sed 's/^/stands before ours: /' "$work/answer"
	same || fail "the rules are not as this file says: $(cat "$work/differs")"
	echo "the rules are as this file says"
}

undo() {
	[ -d "$kept" ] || fail "there is no folder $kept: nothing is known of before"
	remember "$work/is"
	become "$kept"
}

case ${1:-} in
apply | check | undo) "$1" ;;
*) fail "say apply, check or undo" ;;
esac
"""
