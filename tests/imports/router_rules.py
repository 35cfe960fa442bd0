"""Rule sets of routers, and of hosts with containers: the mail server lies behind."""

from __future__ import annotations

from tests.peers.behind import SERVER4, SERVER6

FORWARD = "type filter hook forward priority filter; policy"
DSTNAT = "type nat hook prerouting priority dstnat; policy accept;"
SIX = f"ip6 daddr {SERVER6} ip6 saddr {{ 2001:db8:25::/48, 2001:db8:26::1 }} tcp dport 25 accept"

NFT = {
    "translated for a few, forwarded for all": f"""
table ip nat {{
	chain pre {{ {DSTNAT} iifname "wan0" ip saddr {{ 203.0.113.0/28, 198.51.100.7 }} tcp dport 25 dnat to {SERVER4}:25; }}
}}
table inet filter {{
	chain input {{ type filter hook input priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; }}
	chain forward {{
		{FORWARD} drop;
		ct state established,related accept
		iifname "lan0" oifname "wan0" accept
		ct status dnat accept
		{SIX}
	}}
}}
""",
    "translated for all, forwarded for a few": f"""
table inet fw {{
	map doors {{ type inet_service : ipv4_addr . inet_service; elements = {{ 25 : {SERVER4} . 25, 587 : {SERVER4} . 587 }}; }}
	set senders {{ type ipv4_addr; flags interval; elements = {{ 203.0.113.0/24, 9.9.9.9 }}; }}
	chain pre {{ {DSTNAT} iifname "wan0" fib daddr type local dnat ip to tcp dport map @doors; }}
	chain forward {{
		{FORWARD} drop;
		ct state vmap {{ established : accept, related : accept, invalid : drop }}
		iifname "lan0" accept
		iifname . oifname vmap {{ "wan0" . "lan0" : jump inner }}
	}}
	chain inner {{
		ip daddr {SERVER4} ip saddr @senders tcp dport {{ 25, 465 }} accept
		{SIX}
		meta l4proto tcp ct original proto-dst 25 ip saddr 198.51.100.128/25 accept
	}}
}}
""",
}

DOCKER = f"""
set -e
for tables in iptables ip6tables; do
	$tables -N DOCKER-USER
	$tables -N DOCKER
	$tables -N DOCKER-ISOLATION-STAGE-1
	$tables -A FORWARD -j DOCKER-USER
	$tables -A FORWARD -j DOCKER-ISOLATION-STAGE-1
	$tables -A FORWARD -o lan0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
	$tables -A FORWARD -o lan0 -j DOCKER
	$tables -A FORWARD -i lan0 ! -o lan0 -j ACCEPT
	$tables -A FORWARD -i lan0 -o lan0 -j ACCEPT
	$tables -A DOCKER-ISOLATION-STAGE-1 -j RETURN
	$tables -P FORWARD DROP
	$tables -t nat -N DOCKER
	$tables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
	$tables -t nat -A DOCKER -i lan0 -j RETURN
done
iptables -t nat -A DOCKER ! -i lan0 -p tcp -m tcp --dport 25 -j DNAT --to-destination {SERVER4}:25
ip6tables -t nat -A DOCKER ! -i lan0 -p tcp -m tcp --dport 25 -j DNAT --to-destination [{SERVER6}]:25
iptables -A DOCKER -d {SERVER4}/32 ! -i lan0 -o lan0 -p tcp -m tcp --dport 25 -j ACCEPT
ip6tables -A DOCKER -d {SERVER6}/128 ! -i lan0 -o lan0 -p tcp -m tcp --dport 25 -j ACCEPT
iptables -t nat -A POSTROUTING -s {SERVER4}/32 ! -o lan0 -j MASQUERADE
"""
GUARD = """
iptables -I DOCKER-USER -i wan0 -p tcp -m conntrack --ctorigdstport 25 --ctdir ORIGINAL -j DROP
iptables -I DOCKER-USER -i wan0 -s 203.0.113.0/24 -j RETURN
iptables -I DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN
iptables -A INPUT -s 198.51.100.0/24 -p tcp --dport 25 -j ACCEPT
iptables -A INPUT -i lo -j ACCEPT
iptables -P INPUT DROP
ip6tables -P INPUT DROP
ip6tables -A INPUT -p ipv6-icmp -j ACCEPT
ip6tables -I DOCKER-USER ! -s 2001:db8:25::/48 -i wan0 -p tcp --dport 25 -j DROP
"""
IPTABLES = {
    "docker, guarded": DOCKER + GUARD,
    "docker, open": DOCKER,
    "port forward of a router": f"""
set -e
iptables -t nat -A PREROUTING -d 192.0.2.25/32 -i wan0 -p tcp -m tcp --dport 25 -j DNAT --to-destination {SERVER4}
iptables -P FORWARD DROP
iptables -A FORWARD -m state --state RELATED,ESTABLISHED -j ACCEPT
iptables -A FORWARD -i lan0 -j ACCEPT
iptables -A FORWARD -s 203.0.113.0/25 -d {SERVER4}/32 -p tcp -m tcp --dport 25 -j ACCEPT
iptables -A FORWARD -s 203.0.113.128/32 -d {SERVER4}/32 -m conntrack --ctstate DNAT -j ACCEPT
ip6tables -P FORWARD DROP
ip6tables -A FORWARD -i lan0 -j ACCEPT
ip6tables -A FORWARD -s 2001:db8:25::/48 -d {SERVER6}/128 -p tcp -m tcp --dport 25 -j ACCEPT
""",
}
