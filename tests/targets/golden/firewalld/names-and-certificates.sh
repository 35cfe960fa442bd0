#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for firewalld on the mail server itself
# apply: sh FILE
# check: firewall-cmd --state && firewall-cmd --info-policy=arrowslit
#        firewall-cmd --info-ipset=arrowslit-only-4 && firewall-cmd --info-ipset=arrowslit-only-6
# undo:  sh FILE undo
# gap:   certificate-entry: The target knows no certificates: whom only such an entry lists is kept out. Waived: a test
#        default/connection_control/only_listed/certificate:mail.filter.example
# gap:   domain-entry: The target does not confirm reverse names: an entry by domain name does not count there. Waived: a test
#        default/connection_control/only_listed/domain:*.branches.example.org
# note:  loading drops what was changed in firewalld at run time only: firewall-cmd --runtime-to-permanent keeps it
# note:  a service smtp in a zone may stay: it comes after this, and undo returns to it
# note:  forwarded ports and containers pass it by: for those, target nftables
# note:  all zones are guarded, not only that of wan0

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

fill arrowslit-only-4 inet <<'END'
# default/connection_control/only_listed/network:filter  the filtering service
83.245.15.239
198.51.100.10/31
198.51.100.12
198.51.100.14/31
198.51.100.16/30
198.51.100.20
# default/connection_control/only_listed/network:office  printers and clients
192.168.0.0/24
# default/connection_control/only_listed/group:203.0.113.0/28
203.0.113.0/28
# default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
203.0.113.77
# default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
203.0.113.40/30
203.0.113.44
END

fill arrowslit-only-6 inet6 <<'END'
# default/connection_control/only_listed/network:filter  the filtering service
2001:db8:25::/48
END

cat >"$folder/rules" <<'END'
rule priority="-100" family="ipv4" source ipset="arrowslit-only-4" port port="25" protocol="tcp" accept
rule priority="-100" family="ipv6" source ipset="arrowslit-only-6" port port="25" protocol="tcp" accept
rule priority="-90" port port="25" protocol="tcp" drop
END
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

for family in 4 6; do
	kept --delete-ipset="arrowslit-but-$family" 2>/dev/null || :
	kept --delete-ipset="arrowslit-but-$family-next" 2>/dev/null || :
done
firewall-cmd --check-config
firewall-cmd --reload
