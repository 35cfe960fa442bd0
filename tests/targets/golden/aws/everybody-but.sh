#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for an AWS security group
# apply: SECURITY_GROUP=sg-... sh FILE apply
#        SECURITY_GROUP=sg-... sh FILE close   (then the rules that open these ports alone to everybody go)
# check: SECURITY_GROUP=sg-... sh FILE check
# undo:  SECURITY_GROUP=sg-... sh FILE undo
# gap:   too-many-ranges: There are more ranges than the target takes. 128 are needed, 60 are possible: a security group's 60 rules of a family count a prefix list by its size, once for each port. Waived: a test
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
# not: default/connection_control/all_except_listed/group:198.51.100.0/24  known for spam
# not: default/connection_control/all_except_listed/range:203.0.113.5-203.0.113.9
0.0.0.0/1
128.0.0.0/2
192.0.0.0/6
196.0.0.0/7
198.0.0.0/11
198.32.0.0/12
198.48.0.0/15
198.50.0.0/16
198.51.0.0/18
198.51.64.0/19
198.51.96.0/22
198.51.101.0/24
198.51.102.0/23
198.51.104.0/21
198.51.112.0/20
198.51.128.0/17
198.52.0.0/14
198.56.0.0/13
198.64.0.0/10
198.128.0.0/9
199.0.0.0/8
200.0.0.0/7
202.0.0.0/8
203.0.0.0/18
203.0.64.0/19
203.0.96.0/20
203.0.112.0/24
203.0.113.0/30
203.0.113.4/32
203.0.113.10/31
203.0.113.12/30
203.0.113.16/28
203.0.113.32/27
203.0.113.64/26
203.0.113.128/25
203.0.114.0/23
203.0.116.0/22
203.0.120.0/21
203.0.128.0/17
203.1.0.0/16
203.2.0.0/15
203.4.0.0/14
203.8.0.0/13
203.16.0.0/12
203.32.0.0/11
203.64.0.0/10
203.128.0.0/9
204.0.0.0/6
208.0.0.0/4
224.0.0.0/3
END
}

listed6() {
	grep -v '^#' <<'END' | sort || :
# not: default/connection_control/all_except_listed/computer:2001:db8:bad::1
::/3
2000::/16
2001::/21
2001:800::/22
2001:c00::/24
2001:d00::/25
2001:d80::/27
2001:da0::/28
2001:db0::/29
2001:db8::/37
2001:db8:800::/39
2001:db8:a00::/40
2001:db8:b00::/41
2001:db8:b80::/43
2001:db8:ba0::/45
2001:db8:ba8::/46
2001:db8:bac::/48
2001:db8:bad::/128
2001:db8:bad::2/127
2001:db8:bad::4/126
2001:db8:bad::8/125
2001:db8:bad::10/124
2001:db8:bad::20/123
2001:db8:bad::40/122
2001:db8:bad::80/121
2001:db8:bad::100/120
2001:db8:bad::200/119
2001:db8:bad::400/118
2001:db8:bad::800/117
2001:db8:bad::1000/116
2001:db8:bad::2000/115
2001:db8:bad::4000/114
2001:db8:bad::8000/113
2001:db8:bad::1:0/112
2001:db8:bad::2:0/111
2001:db8:bad::4:0/110
2001:db8:bad::8:0/109
2001:db8:bad::10:0/108
2001:db8:bad::20:0/107
2001:db8:bad::40:0/106
2001:db8:bad::80:0/105
2001:db8:bad::100:0/104
2001:db8:bad::200:0/103
2001:db8:bad::400:0/102
2001:db8:bad::800:0/101
2001:db8:bad::1000:0/100
2001:db8:bad::2000:0/99
2001:db8:bad::4000:0/98
2001:db8:bad::8000:0/97
2001:db8:bad::1:0:0/96
2001:db8:bad::2:0:0/95
2001:db8:bad::4:0:0/94
2001:db8:bad::8:0:0/93
2001:db8:bad::10:0:0/92
2001:db8:bad::20:0:0/91
2001:db8:bad::40:0:0/90
2001:db8:bad::80:0:0/89
2001:db8:bad::100:0:0/88
2001:db8:bad::200:0:0/87
2001:db8:bad::400:0:0/86
2001:db8:bad::800:0:0/85
2001:db8:bad::1000:0:0/84
2001:db8:bad::2000:0:0/83
2001:db8:bad::4000:0:0/82
2001:db8:bad::8000:0:0/81
2001:db8:bad:0:1::/80
2001:db8:bad:0:2::/79
2001:db8:bad:0:4::/78
2001:db8:bad:0:8::/77
2001:db8:bad:0:10::/76
2001:db8:bad:0:20::/75
2001:db8:bad:0:40::/74
2001:db8:bad:0:80::/73
2001:db8:bad:0:100::/72
2001:db8:bad:0:200::/71
2001:db8:bad:0:400::/70
2001:db8:bad:0:800::/69
2001:db8:bad:0:1000::/68
2001:db8:bad:0:2000::/67
2001:db8:bad:0:4000::/66
2001:db8:bad:0:8000::/65
2001:db8:bad:1::/64
2001:db8:bad:2::/63
2001:db8:bad:4::/62
2001:db8:bad:8::/61
2001:db8:bad:10::/60
2001:db8:bad:20::/59
2001:db8:bad:40::/58
2001:db8:bad:80::/57
2001:db8:bad:100::/56
2001:db8:bad:200::/55
2001:db8:bad:400::/54
2001:db8:bad:800::/53
2001:db8:bad:1000::/52
2001:db8:bad:2000::/51
2001:db8:bad:4000::/50
2001:db8:bad:8000::/49
2001:db8:bae::/47
2001:db8:bb0::/44
2001:db8:bc0::/42
2001:db8:c00::/38
2001:db8:1000::/36
2001:db8:2000::/35
2001:db8:4000::/34
2001:db8:8000::/33
2001:db9::/32
2001:dba::/31
2001:dbc::/30
2001:dc0::/26
2001:e00::/23
2001:1000::/20
2001:2000::/19
2001:4000::/18
2001:8000::/17
2002::/15
2004::/14
2008::/13
2010::/12
2020::/11
2040::/10
2080::/9
2100::/8
2200::/7
2400::/6
2800::/5
3000::/4
4000::/2
8000::/1
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
