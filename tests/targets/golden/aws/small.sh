#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for an AWS security group
# apply: SECURITY_GROUP=sg-... sh FILE apply
#        SECURITY_GROUP=sg-... sh FILE close   (then the rules that open these ports alone to everybody go)
# check: SECURITY_GROUP=sg-... sh FILE check
# undo:  SECURITY_GROUP=sg-... sh FILE undo
# note:  what stood before is kept in the folder arrowslit-sg-... where the script is run
# note:  all security groups of an interface add up: a rule for the port in any other one lets strangers in
# note:  the quota of 60 rules can be raised (Service Quotas, Inbound or outbound rules per security group)
# note:  a load balancer that hides the client's address makes the list useless; one that checks the port needs an entry
# note:  a list's size (MaxEntries), which the quota counts, only grows here
# note:  who is connected already stays connected

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

mode=enforce
group=${SECURITY_GROUP:?say which group with SECURITY_GROUP=sg-...}
ports='25'
kept=arrowslit-$group
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

# The id of the prefix list of a family, or nothing.
list_of() {
	ask aws ec2 describe-managed-prefix-lists --filters "Name=prefix-list-name,Values=arrowslit-$group-ipv$1" \
		--query 'PrefixLists[].PrefixListId' --output text
	grep -v '^None$' "$work/answer" || :
}

of_list() {
	ask aws ec2 describe-managed-prefix-lists --prefix-list-ids "$1" --query "PrefixLists[0].$2" --output text
	cat "$work/answer"
}

settled() {
	tries=60
	while :; do
		state=$(of_list "$1" State) || exit 1
		case $state in
		*-complete) return ;;
		*-failed) fail "$1: $state: $(of_list "$1" StateMessage)" ;;
		esac
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || fail "$1 stays $state"
		sleep 2
	done
}

entries_of() {
	ask aws ec2 get-managed-prefix-list-entries --prefix-list-id "$1" --query 'Entries[].Cidr' --output text
	tr -s '\t ' '\n' <"$work/answer" | grep / | sort || :
}

# The ids of the rules that let in what stands in a list, on a port.
rules_of() {
	ask aws ec2 describe-security-group-rules --filters "Name=group-id,Values=$group" --output text --query \
		"SecurityGroupRules[?IsEgress==\`false\` && PrefixListId=='$1' && FromPort==\`$2\`].SecurityGroupRuleId"
	cat "$work/answer"
}

# Every rule but ours that lets somebody in on a port: id, first and last port, source.
others_on() {
	own4=$(list_of 4) || exit 1
	own6=$(list_of 6) || exit 1
	ask aws ec2 describe-security-group-rules --filters "Name=group-id,Values=$group" --output text --query \
		"SecurityGroupRules[?IsEgress==\`false\` && (IpProtocol=='-1' ||
			(IpProtocol=='tcp' && FromPort<=\`$1\` && ToPort>=\`$1\`))].[SecurityGroupRuleId, FromPort, ToPort,
			CidrIpv4 || CidrIpv6 || PrefixListId || ReferencedGroupInfo.GroupId]"
	awk -v a="$own4" -v b="$own6" '$4 != "" && $4 != a && $4 != b' "$work/answer"
}

# What a family's rules let in now: nothing where a port has none.
admitted() {
	list=$(list_of "$1") || exit 1
	[ -n "$list" ] || return 0
	for port in $ports; do
		found=$(rules_of "$list" "$port") || exit 1
		[ -n "$found" ] || return 0
	done
	entries_of "$list"
}

# Makes a list have what stands in $work/wanted. Up to 100 additions and removals are one step; with more of them
# everything new comes before anything goes.
fill() {
	entries_of "$1" >"$work/is"
	comm -13 "$work/is" "$work/wanted" >"$work/new"
	comm -23 "$work/is" "$work/wanted" >"$work/old"
	size=$(wc -l <"$work/wanted")
	if [ "$(wc -l <"$work/new")" -gt 100 ] || [ "$(wc -l <"$work/old")" -gt 100 ]; then
		size=$(($(wc -l <"$work/is") + $(wc -l <"$work/new")))
	fi
	if [ "$size" -gt "$(of_list "$1" MaxEntries)" ]; then
		aws ec2 modify-managed-prefix-list --prefix-list-id "$1" --prefix-list-name "arrowslit-$group-ipv$2" \
			--max-entries $((size)) >"$work/said"
		settled "$1"
	fi
	while [ -s "$work/new" ] || [ -s "$work/old" ]; do
		head -n 100 "$work/new" | sed 's/^/Cidr=/' >"$work/add"
		sed 1,100d "$work/new" >"$work/rest"
		mv "$work/rest" "$work/new"
		: >"$work/remove"
		if [ ! -s "$work/new" ]; then
			head -n 100 "$work/old" | sed 's/^/Cidr=/' >"$work/remove"
			sed 1,100d "$work/old" >"$work/rest"
			mv "$work/rest" "$work/old"
		fi
		add=$(cat "$work/add") remove=$(cat "$work/remove")
		aws ec2 modify-managed-prefix-list --prefix-list-id "$1" --prefix-list-name "arrowslit-$group-ipv$2" \
			--current-version "$(of_list "$1" Version)" \
			${add:+--add-entries $add} ${remove:+--remove-entries $remove} >"$work/said"
		settled "$1"
	done
}

# Lets in what stands in $work/wanted, and nobody else of that family by a rule of ours.
put() {
	list=$(list_of "$1") || exit 1
	if [ ! -s "$work/wanted" ]; then
		[ -n "$list" ] || return 0
		for port in $ports; do
			found=$(rules_of "$list" "$port") || exit 1
			for rule in $found; do
				aws ec2 revoke-security-group-ingress --group-id "$group" --security-group-rule-ids "$rule" \
					>"$work/said"
			done
		done
		return 0
	fi
	if [ -z "$list" ]; then
		list=$(aws ec2 create-managed-prefix-list --prefix-list-name "arrowslit-$group-ipv$1" \
			--address-family "IPv$1" --max-entries $(($(wc -l <"$work/wanted"))) \
			--query PrefixList.PrefixListId --output text)
		settled "$list"
	fi
	fill "$list" "$1"
	for port in $ports; do
		found=$(rules_of "$list" "$port") || exit 1
		[ -z "$found" ] || continue
		aws ec2 authorize-security-group-ingress --group-id "$group" --ip-permissions \
			"IpProtocol=tcp,FromPort=$port,ToPort=$port,PrefixListIds=[{PrefixListId=$list,Description=Arrowslit}]" \
			>"$work/said"
	done
}

same() {
	for family in 4 6; do
		admitted "$family" >"$work/now$family"
		"listed$family" >"$work/shall$family"
		cmp -s "$work/now$family" "$work/shall$family" || return 1
	done
}

# Opens again what was closed here.
reopen() {
	[ -e "$kept/closed" ] || return 0
	while read -r port ranges; do
		aws ec2 authorize-security-group-ingress --group-id "$group" \
			--ip-permissions "IpProtocol=tcp,FromPort=$port,ToPort=$port,$ranges" >"$work/said"
	done <"$kept/closed"
	rm "$kept/closed"
}

# In observe mode our own rules stay if they are there: they only let in, and others may count on them.
apply() {
	if [ "$mode" = observe ]; then
		reopen
		echo "the mode is observe: nothing was set, nobody is refused by this"
	elif same; then
		echo "the group is as this file says"
	else
		mkdir -p "$kept"
		for family in 4 6; do
			admitted "$family" >"$kept/before$family"
		done
		for family in 4 6; do
			"listed$family" >"$work/wanted"
			put "$family"
		done
	fi
	for port in $ports; do
		others_on "$port" >"$work/others"
		sed "s/^/also open on $port: /" "$work/others"
	done
}

close() {
	[ "$mode" = enforce ] || fail "the mode is $mode: nothing is closed"
	same || fail "apply first: the group is not as this file says"
	mkdir -p "$kept"
	aws ec2 describe-security-group-rules --filters "Name=group-id,Values=$group" --output json >"$kept/rules.json"
	for port in $ports; do
		others_on "$port" >"$work/others"
		while read -r rule first last source; do
			[ "$first-$last" = "$port-$port" ] || continue
			case $source in
			0.0.0.0/0) echo "$port IpRanges=[{CidrIp=$source}]" >>"$kept/closed" ;;
			::/0) echo "$port Ipv6Ranges=[{CidrIpv6=$source}]" >>"$kept/closed" ;;
			*) continue ;;
			esac
			aws ec2 revoke-security-group-ingress --group-id "$group" --security-group-rule-ids "$rule" >"$work/said"
			echo "closed: $rule $source $port"
		done <"$work/others"
	done
	check
}

check() {
	for port in $ports; do
		others_on "$port" >"$work/others"
		sed "s/^/also open on $port: /" "$work/others"
	done
	echo "security groups on the same interfaces, which add up:"
	aws ec2 describe-network-interfaces --filters "Name=group-id,Values=$group" \
		--query 'NetworkInterfaces[].Groups[].GroupId' --output text | tr -s '\t ' '\n' | sort -u
	if [ "$mode" = observe ]; then
		[ ! -e "$kept/closed" ] || fail "what was closed is still closed: apply opens it again"
		return 0
	fi
	same || fail "the group is not as this file says"
	echo "the group is as this file says"
}

# Opens again first what was closed, then takes our lists back.
undo() {
	[ -d "$kept" ] || fail "there is no folder $kept: nothing is known of before"
	reopen
	for family in 4 6; do
		cp "$kept/before$family" "$work/wanted"
		put "$family"
	done
}

case ${1:-} in
apply | close | check | undo) "$1" ;;
*) fail "say apply, close, check or undo" ;;
esac
