#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for an OpenWrt router with the mail server behind it
# apply: scp FILE root@ROUTER:/tmp/arrowslit.sh && ssh root@ROUTER sh /tmp/arrowslit.sh
# check: uci show firewall | grep arrowslit
#        nft list chain inet fw4 dstnat_wan0; nft list chain inet fw4 forward_wan0
# undo:  ssh root@ROUTER sh /tmp/arrowslit.sh undo
# note:  nobody may connect: this closes the port to everybody who comes in from outside
# note:  strangers come in by the firewall zone wan0 (--interface)
# note:  a wider redirect or rule of the router's own may stay: these come before it, and undo returns to it
# note:  reflection is off: computers inside reach the server by its inner address

set -eu

[ -x /sbin/fw4 ] || { echo "this router has no fw4: OpenWrt 22.03 or later is needed" >&2; exit 1; }
if [ -n "$(uci changes firewall)" ]; then
	echo "changes to the firewall wait to be committed, see: uci changes firewall" >&2
	exit 1
fi
trap 'uci revert firewall' EXIT
uci show firewall | sed -n 's/^firewall\.\(arrowslit[a-z0-9_]*\)=.*/\1/p' | while read -r section; do
	uci delete "firewall.$section"
done

if [ "${1:-}" != undo ]; then
sed '/^#/d' <<'END' | uci batch
set firewall.arrowslit4=ipset
set firewall.arrowslit4.name='arrowslit4'
set firewall.arrowslit4.family='ipv4'
add_list firewall.arrowslit4.match='src_net'
set firewall.arrowslit6=ipset
set firewall.arrowslit6.name='arrowslit6'
set firewall.arrowslit6.family='ipv6'
add_list firewall.arrowslit6.match='src_net'
set firewall.arrowslit_forward25=redirect
set firewall.arrowslit_forward25.name='Arrowslit forward 25'
set firewall.arrowslit_forward25.target='DNAT'
set firewall.arrowslit_forward25.src='wan0'
set firewall.arrowslit_forward25.proto='tcp'
set firewall.arrowslit_forward25.src_dport='25'
set firewall.arrowslit_forward25.dest_ip='192.168.0.5'
set firewall.arrowslit_forward25.dest_port='25'
set firewall.arrowslit_forward25.ipset='arrowslit4'
set firewall.arrowslit_forward25.reflection='0'
reorder firewall.arrowslit_forward25=0
set firewall.arrowslit_accept6=rule
set firewall.arrowslit_accept6.name='Arrowslit accept IPv6'
set firewall.arrowslit_accept6.target='ACCEPT'
set firewall.arrowslit_accept6.src='wan0'
set firewall.arrowslit_accept6.dest='*'
set firewall.arrowslit_accept6.family='ipv6'
set firewall.arrowslit_accept6.proto='tcp'
set firewall.arrowslit_accept6.dest_ip='2001:db8:5::5'
set firewall.arrowslit_accept6.dest_port='25'
set firewall.arrowslit_accept6.ipset='arrowslit6'
reorder firewall.arrowslit_accept6=0
set firewall.arrowslit_drop4=rule
set firewall.arrowslit_drop4.name='Arrowslit drop IPv4'
set firewall.arrowslit_drop4.target='DROP'
set firewall.arrowslit_drop4.src='wan0'
set firewall.arrowslit_drop4.dest='*'
set firewall.arrowslit_drop4.family='ipv4'
set firewall.arrowslit_drop4.proto='tcp'
set firewall.arrowslit_drop4.dest_ip='192.168.0.5'
set firewall.arrowslit_drop4.dest_port='25'
set firewall.arrowslit_drop4.ipset='!arrowslit4'
reorder firewall.arrowslit_drop4=0
set firewall.arrowslit_drop6=rule
set firewall.arrowslit_drop6.name='Arrowslit drop IPv6'
set firewall.arrowslit_drop6.target='DROP'
set firewall.arrowslit_drop6.src='wan0'
set firewall.arrowslit_drop6.dest='*'
set firewall.arrowslit_drop6.family='ipv6'
set firewall.arrowslit_drop6.proto='tcp'
set firewall.arrowslit_drop6.dest_ip='2001:db8:5::5'
set firewall.arrowslit_drop6.dest_port='25'
set firewall.arrowslit_drop6.ipset='!arrowslit6'
reorder firewall.arrowslit_drop6=0
END
while read -r name; do
	fw4 print </dev/null | grep -qF "!fw4: $name\"" || { echo "fw4 leaves this out: $name" >&2; exit 1; }
done <<'END'
Arrowslit forward 25
Arrowslit accept IPv6
Arrowslit drop IPv4
Arrowslit drop IPv6
END
fi

fw4 check
uci commit firewall
trap - EXIT
/etc/init.d/firewall reload
