#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for an Azure network security group
# apply: RESOURCE_GROUP=... NSG=... sh FILE apply   (NSG is the group's name; the rules have the numbers 100 to 108, or those from PRIORITY on: give one before every rule that permits the ports)
# check: RESOURCE_GROUP=... NSG=... sh FILE check
# undo:  RESOURCE_GROUP=... NSG=... sh FILE undo
# note:  what stood before is kept in the folder arrowslit-NSG where the script is run
# note:  traffic passes the group of the subnet and that of the interface: either may refuse
# note:  wide rules behind ours count no more for these ports, and may stay
# note:  a gateway or load balancer that hides the client's address makes the list useless

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

mode=all_except_listed
always='allow-probes'

listed4() {
	grep -v '^#' <<'END' | sort || :
# default/connection_control/all_except_listed/group:198.51.100.0/24  known for spam
198.51.100.0/24
# default/connection_control/all_except_listed/range:203.0.113.5-203.0.113.9
203.0.113.5/32
203.0.113.6/31
203.0.113.8/31
END
}

listed6() {
	grep -v '^#' <<'END' | sort || :
# default/connection_control/all_except_listed/computer:2001:db8:bad::1
2001:db8:bad::1/128
END
}

resources=${RESOURCE_GROUP:?say RESOURCE_GROUP=the group of resources}
nsg=${NSG:?say NSG=the name of the network security group}
first=${PRIORITY:-100}
kept=arrowslit-$nsg

rules() {
	ask az network nsg rule list --resource-group "$resources" --nsg-name "$nsg" --query "$1" --output tsv
}

# Azure keeps a single source in a place of its own.
ours() {
	rules "[?starts_with(name, 'arrowslit-')].[name, join(' ', sourceAddressPrefixes || \`[]\`), sourceAddressPrefix]"
	sed 's/^arrowslit-//' "$work/answer" >"$work/rules"
	mv "$work/rules" "$work/answer"
}

set_rule() {
	case $2 in
	allow-*) access=Allow ;;
	*) access=Deny ;;
	esac
	az network nsg rule "$1" --resource-group "$resources" --nsg-name "$nsg" --name "arrowslit-$2" \
		--priority "$(number_of "$2")" --direction Inbound --access "$access" --protocol Tcp \
		--source-address-prefixes $3 --source-port-ranges '*' \
		--destination-address-prefixes '*' --destination-port-ranges 25 --output none
}

drop_rule() {
	az network nsg rule delete --resource-group "$resources" --nsg-name "$nsg" --name "arrowslit-$1" --output none
}

before_ours() {
	rules "[?direction=='Inbound' && access=='Allow' && priority<\`$first\`].name"
}

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
