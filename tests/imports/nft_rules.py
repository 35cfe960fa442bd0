"""Rule sets of nftables, each with something that others have not."""

from __future__ import annotations

INPUT = "type filter hook input priority filter; policy"
USUAL = 'ct state vmap { established : accept, related : accept, invalid : drop }\n\t\tiifname "lo" accept\n'


RULES = {
    "one-filter": f"""
table inet filter {{
	chain input {{
		{INPUT} drop;
		{USUAL}
		tcp dport 22 accept
		ip saddr 203.0.113.0/28 tcp dport 25 accept comment "the filter"
		ip6 saddr 2001:db8:25::/48 tcp dport smtp accept
	}}
}}
""",
    "sets-and-jumps": f"""
table inet filter {{
	set trusted4 {{ type ipv4_addr; flags interval; auto-merge; elements = {{ 192.0.2.0/27, 198.51.100.10-198.51.100.20, 198.51.100.13 comment "x" }}; }}
	set trusted6 {{ type ipv6_addr; flags interval; elements = {{ 2001:db8:1::/64, 2001:db8:2::7-2001:db8:2::9 }}; }}
	chain refuse {{ counter log prefix "no: " reject with icmpx admin-prohibited; }}
	chain mail {{
		ip saddr {{ 198.51.100.12, 198.51.100.15 }} goto refuse
		ip saddr @trusted4 return
		ip6 saddr @trusted6 return
		ip saddr != 10.0.0.0/8 meta nfproto ipv4 jump refuse
		meta nfproto ipv6 drop
	}}
	chain input {{
		{INPUT} accept;
		tcp dport {{ 25, 465, 587 }} jump mail
	}}
}}
""",
    "all-but-some": f"""
table inet filter {{
	set bad {{ type ipv4_addr; flags interval; elements = {{ 198.51.100.0/24, 203.0.113.7 }}; }}
	chain input {{
		{INPUT} accept;
		ip saddr @bad drop
		ip6 saddr 2001:db8:bad::/48 tcp dport 25 reject with tcp reset
	}}
}}
""",
    "maps": f"""
table inet filter {{
	map fate {{ type ipv4_addr : verdict; flags interval; elements = {{ 203.0.113.0/25 : jump good, 203.0.113.128/25 : drop }}; }}
	map pairs {{ type inet_service . ipv4_addr : verdict; flags interval; elements = {{ 25 . 198.51.100.0/29 : accept, 20-30 . 198.51.100.64/27 : accept, 587 . 9.0.0.0/8 : accept }}; }}
	chain good {{
		ip saddr & 255.255.255.240 == 203.0.113.16 return
		accept
	}}
	chain input {{
		{INPUT} drop;
		tcp dport vmap {{ 22 : accept, 25-26 : jump good2 }}
	}}
	chain good2 {{
		ip saddr vmap @fate
		tcp dport . ip saddr vmap @pairs
		ip saddr . tcp dport {{ 192.0.2.128/25 . 25, 192.0.2.1-192.0.2.9 . 1-1000 }} accept
		ip6 saddr vmap {{ 2001:db8::/32 : accept, * : drop }}
	}}
}}
""",
    "two-tables": f"""
table ip early {{
	chain pre {{ type filter hook prerouting priority raw; policy accept; ip saddr 203.0.113.64-203.0.113.99 drop; }}
}}
table inet filter {{
	chain input {{
		{INPUT} drop;
		ct state established,related accept
		ip saddr 203.0.113.0/24 tcp flags & (fin | syn | rst | ack) == syn ct state new tcp dport 25 accept
		ip saddr < 2.0.0.0 tcp dport 25 accept
		ip6 saddr > 2001:db8:ff:: ip6 saddr <= 2001:db8:ff::9 tcp dport 25 accept
	}}
}}
table ip6 late {{
	chain out {{ type filter hook output priority filter; policy accept; ip6 daddr 2001:db8:ff::3 drop; }}
	chain in {{ type filter hook input priority 10; policy accept; ip6 saddr 2001:db8:ff::4 ct state new drop; }}
}}
""",
    "nothing": "",
    "ipv4-only-table": f"""
table ip filter {{
	chain input {{ {INPUT} drop; ct state established accept; ip saddr {{ 192.0.2.9, 198.51.100.0/30 }} accept; }}
}}
""",
    "interface": f"""
table inet filter {{
	chain input {{
		{INPUT} drop;
		iifname "lo" accept
		iifname "lan*" accept
		iifname "wan0" ip saddr 203.0.113.0/24 tcp dport 25 accept
		iifname != "wan0" tcp dport 25 ip saddr 198.51.100.1 drop
		iif wan0 ip6 saddr 2001:db8::/126 tcp dport != 22 accept
		fib daddr type local ip saddr 192.0.2.7 tcp sport 1024-65535 accept
	}}
}}
""",
    "destination": f"""
table inet filter {{
	chain input {{
		{INPUT} drop;
		ip daddr 192.0.2.25 ip saddr 203.0.113.0/24 tcp dport 25 accept
		ip daddr != 192.0.2.25 ip saddr 198.51.100.0/24 tcp dport 25 accept
		ip6 daddr 2001:db8:ffff::/64 ip6 saddr 2001:db8:9::/48 tcp dport 25 accept
	}}
}}
""",
    "ingress": """
table netdev early {
	chain wan { type filter hook ingress device "wan0" priority 0; policy accept; ip saddr 203.0.113.128/25 drop; }
}
table inet filter {
	chain input { type filter hook input priority filter; policy drop; ct state established accept; ip saddr 203.0.113.0/24 tcp dport 25 accept; }
}
""",
    "redirected": f"""
table inet nat {{
	chain pre {{
		type nat hook prerouting priority dstnat; policy accept;
		ip saddr 203.0.113.0/24 tcp dport 25 redirect to :2525
		ip6 saddr 2001:db8::/32 tcp dport 25 redirect to :2525
	}}
}}
table inet filter {{
	chain input {{
		{INPUT} drop;
		ct state established accept
		ip saddr {{ 203.0.113.0/26, 198.51.100.0/24 }} tcp dport 2525 accept
		ip6 saddr 2001:db8:0:1::/64 ct status dnat accept
	}}
}}
""",
}
