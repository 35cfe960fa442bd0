#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for firewall rules of a Google Cloud network
# apply: NETWORK=... TARGET_TAG=... sh FILE apply   (TARGET_TAG is the network tag of the mail servers; the rules have the numbers 100 to 107, or those from PRIORITY on: give one before every rule that permits the ports)
# check: NETWORK=... TARGET_TAG=... sh FILE check
# undo:  NETWORK=... TARGET_TAG=... sh FILE undo
# gap:   certificate-entry: The target knows no certificates: whom only such an entry lists is kept out. Waived: a test
#        default/connection_control/only_listed/certificate:mail.filter.example
# gap:   domain-entry: The target does not confirm reverse names: an entry by domain name does not count there. Waived: a test
#        default/connection_control/only_listed/domain:*.branches.example.org
# note:  what stood before is kept in the folder arrowslit-TARGET_TAG where the script is run
# note:  firewall policies of the organization, the folder and the network may decide before these rules
# note:  wide rules behind ours count no more for these ports, and may stay
# note:  health checks of a load balancer come from 35.191.0.0/16 and 130.211.0.0/22 and need an entry; a load balancer that hides the client's address makes the list useless

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

mode=only_listed
always=''

listed4() {
	grep -v '^#' <<'END' | sort || :
# default/connection_control/only_listed/network:filter  the filtering service
83.245.15.239/32
198.51.100.10/31
198.51.100.12/32
198.51.100.14/31
198.51.100.16/30
198.51.100.20/32
# default/connection_control/only_listed/network:office  printers and clients
192.168.0.0/24
# default/connection_control/only_listed/group:203.0.113.0/28
203.0.113.0/28
# default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
203.0.113.77/32
# default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
203.0.113.40/30
203.0.113.44/32
END
}

listed6() {
	grep -v '^#' <<'END' | sort || :
# default/connection_control/only_listed/network:filter  the filtering service
2001:db8:25::/48
END
}

network=${NETWORK:?say NETWORK=the name of the network}
tag=${TARGET_TAG:?say TARGET_TAG=the network tag of the mail servers}
first=${PRIORITY:-100}
kept=arrowslit-$tag

ours() {
	ask gcloud compute firewall-rules list --filter="name~^arrowslit-$tag-" --format='value(name,sourceRanges.list())'
	sed "s/^arrowslit-$tag-//; s/[,;]/ /g" "$work/answer" >"$work/rules"
	mv "$work/rules" "$work/answer"
}

set_rule() {
	ranges=$(echo "$3" | tr '\n' ',')
	case $1-$2 in
	update-*)
		gcloud compute firewall-rules update "arrowslit-$tag-$2" --source-ranges="${ranges%,}" --quiet
		return
		;;
	*-allow-*) action=ALLOW ;;
	*) action=DENY ;;
	esac
	gcloud compute firewall-rules create "arrowslit-$tag-$2" --network="$network" --direction=INGRESS \
		--priority="$(number_of "$2")" --action="$action" --rules=tcp:25 \
		--source-ranges="${ranges%,}" --target-tags="$tag" --quiet
}

drop_rule() {
	gcloud compute firewall-rules delete "arrowslit-$tag-$1" --quiet
}

before_ours() {
	ask gcloud compute firewall-rules list --format='value(name)' \
		--filter="network~/$network\$ AND direction=INGRESS AND allowed:* AND disabled=False AND priority<$first"
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
