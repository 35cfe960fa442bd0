#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for iptables and ipset on a host with Docker
# apply: sh FILE
# check: iptables -S ARROWSLIT && iptables -nvL ARROWSLIT-GATE && ipset list arrowslit-only-4
#        ip6tables -S ARROWSLIT && ip6tables -nvL ARROWSLIT-GATE && ipset list arrowslit-only-6
#        iptables -S INPUT | grep -n -e ARROWSLIT -e ACCEPT    (the jump stands before what accepts)
# undo:  sh FILE undo
# note:  nobody may connect: this closes the port to everybody
# note:  it only refuses: the firewall's own rule for the port stays, and a wide one may stay as well
# note:  it is gone after a restart: run it again at boot, before the network is up
# note:  only what comes in by wan0 is guarded
# note:  needs Docker's iptables backend; with its nftables backend, target nftables

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
		for chain in FORWARD DOCKER-USER; do
			while tables "$family" -D "$chain" -j ARROWSLIT-DOCKER 2>/dev/null; do :; done
		done
		for chain in ARROWSLIT ARROWSLIT-DOCKER ARROWSLIT-GATE; do
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
create arrowslit-new-6 hash:net family inet6 maxelem 65536
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
:ARROWSLIT-DOCKER - [0:0]
:ARROWSLIT-GATE - [0:0]
-A ARROWSLIT -i wan0 -p tcp -m tcp --dport 25 -j ARROWSLIT-GATE
-A ARROWSLIT-DOCKER -p tcp -i wan0 -m conntrack --ctorigdstport 25 --ctdir ORIGINAL -j ARROWSLIT-GATE
-A ARROWSLIT-GATE -i lo -j RETURN
-A ARROWSLIT-GATE -m set --match-set arrowslit-only-4 src -j RETURN
-A ARROWSLIT-GATE -j DROP
COMMIT
END
if [ "$families" = "4 6" ]; then
ip6tables-restore --noflush <<'END'
*filter
:ARROWSLIT - [0:0]
:ARROWSLIT-DOCKER - [0:0]
:ARROWSLIT-GATE - [0:0]
-A ARROWSLIT -i wan0 -p tcp -m tcp --dport 25 -j ARROWSLIT-GATE
-A ARROWSLIT-DOCKER -p tcp -i wan0 -m conntrack --ctorigdstport 25 --ctdir ORIGINAL -j ARROWSLIT-GATE
-A ARROWSLIT-GATE -i lo -j RETURN
-A ARROWSLIT-GATE -m set --match-set arrowslit-only-6 src -j RETURN
-A ARROWSLIT-GATE -j DROP
COMMIT
END
fi

for family in $families; do
	tables "$family" -n -L DOCKER-USER >/dev/null 2>&1 || tables "$family" -N DOCKER-USER
	for chain in INPUT; do
		tables "$family" -C "$chain" -j ARROWSLIT 2>/dev/null || tables "$family" -I "$chain" 1 -j ARROWSLIT
	done
	for chain in FORWARD DOCKER-USER; do
		tables "$family" -C "$chain" -j ARROWSLIT-DOCKER 2>/dev/null || tables "$family" -I "$chain" 1 -j ARROWSLIT-DOCKER
	done
done

for family in 4 6; do ipset -q destroy "arrowslit-but-$family" || :; done
