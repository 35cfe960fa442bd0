#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for iptables and ipset on the mail server itself
# apply: sh FILE
# check: iptables -S ARROWSLIT && iptables -nvL ARROWSLIT-GATE && ipset list arrowslit-only-4
#        ip6tables -S ARROWSLIT && ip6tables -nvL ARROWSLIT-GATE && ipset list arrowslit-only-6
#        iptables -S INPUT | grep -n -e ARROWSLIT -e ACCEPT    (the jump stands before what accepts)
# undo:  sh FILE undo
# gap:   certificate-entry: The target knows no certificates: whom only such an entry lists is kept out. Waived: a test
#        default/connection_control/only_listed/certificate:mail.filter.example
# gap:   domain-entry: The target does not confirm reverse names: an entry by domain name does not count there. Waived: a test
#        default/connection_control/only_listed/domain:*.branches.example.org
# note:  it only refuses: the firewall's own rule for the port stays, and a wide one may stay as well
# note:  it is gone after a restart: run it again at boot, before the network is up
# note:  ports that are forwarded or published by containers do not pass INPUT: for those, target iptables-docker

set -eu

families=4
if [ -e /proc/net/if_inet6 ]; then families="4 6"; fi

tables() {
	family=$1
	shift
	if [ "$family" = 4 ]; then iptables -w "$@"; else ip6tables -w "$@"; fi
}

if [ "${1:-}" = undo ]; then
	for family in $families; do
		for chain in INPUT; do
			while tables "$family" -D "$chain" -j ARROWSLIT 2>/dev/null; do :; done
		done
		for chain in ARROWSLIT ARROWSLIT-GATE; do
			tables "$family" -F "$chain" 2>/dev/null || :
			tables "$family" -X "$chain" 2>/dev/null || :
		done
		for mode in only but new; do ipset -q destroy "arrowslit-$mode-$family" || :; done
	done
	exit 0
fi

for family in 4 6; do ipset -q destroy "arrowslit-new-$family" || :; done
ipset restore <<'END'
create arrowslit-new-4 hash:net family inet maxelem 65536
# default/connection_control/only_listed/network:filter  the filtering service
add arrowslit-new-4 83.245.15.239
add arrowslit-new-4 198.51.100.10/31
add arrowslit-new-4 198.51.100.12
add arrowslit-new-4 198.51.100.14/31
add arrowslit-new-4 198.51.100.16/30
add arrowslit-new-4 198.51.100.20
# default/connection_control/only_listed/network:office  printers and clients
add arrowslit-new-4 192.168.0.0/24
# default/connection_control/only_listed/group:203.0.113.0/28
add arrowslit-new-4 203.0.113.0/28
# default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
add arrowslit-new-4 203.0.113.77
# default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
add arrowslit-new-4 203.0.113.40/30
add arrowslit-new-4 203.0.113.44
create arrowslit-new-6 hash:net family inet6 maxelem 65536
# default/connection_control/only_listed/network:filter  the filtering service
add arrowslit-new-6 2001:db8:25::/48
END
for family in 4 6; do
	if ipset -q list -n "arrowslit-only-$family" >/dev/null; then
		ipset swap "arrowslit-new-$family" "arrowslit-only-$family"
		ipset destroy "arrowslit-new-$family"
	else
		ipset rename "arrowslit-new-$family" "arrowslit-only-$family"
	fi
done

iptables-restore --noflush <<'END'
*filter
:ARROWSLIT - [0:0]
:ARROWSLIT-GATE - [0:0]
-A ARROWSLIT -i wan0 -p tcp -m tcp --dport 25 -j ARROWSLIT-GATE
-A ARROWSLIT-GATE -i lo -j RETURN
-A ARROWSLIT-GATE -m set --match-set arrowslit-only-4 src -j RETURN
-A ARROWSLIT-GATE -j DROP
COMMIT
END
if [ "$families" = "4 6" ]; then
ip6tables-restore --noflush <<'END'
*filter
:ARROWSLIT - [0:0]
:ARROWSLIT-GATE - [0:0]
-A ARROWSLIT -i wan0 -p tcp -m tcp --dport 25 -j ARROWSLIT-GATE
-A ARROWSLIT-GATE -i lo -j RETURN
-A ARROWSLIT-GATE -m set --match-set arrowslit-only-6 src -j RETURN
-A ARROWSLIT-GATE -j DROP
COMMIT
END
fi

for family in $families; do
	for chain in INPUT; do
		tables "$family" -C "$chain" -j ARROWSLIT 2>/dev/null || tables "$family" -I "$chain" 1 -j ARROWSLIT
	done
done

for family in 4 6; do ipset -q destroy "arrowslit-but-$family" || :; done
