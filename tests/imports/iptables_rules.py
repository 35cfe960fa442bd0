"""Rule sets of iptables as scripts that load them, each with something that others have not."""

from __future__ import annotations

USUAL = "-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"


def rules(four: str, six: str = "", sets: str = "") -> str:
    """A script that loads it; each text is one for iptables-restore."""
    made = ""
    for program, text in (("ipset restore", sets), ("iptables-restore", four), ("ip6tables-restore", six)):
        if text:
            made += f"{program} <<'END'\n{text.strip()}\nEND\n"
    return made


RULES = {
    "one-filter": rules(
        f"""
*filter
:INPUT DROP [0:0]
{USUAL}-A INPUT -p icmp -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A INPUT -s 203.0.113.0/28 -p tcp -m tcp --dport 25 -m comment --comment "the filter's \\"own\\"" -j ACCEPT
-A INPUT -s 198.51.100.7 -p tcp -m multiport --dports 25,465,587 -j ACCEPT
-A INPUT ! -s 128.0.0.0/1 ! -d 192.0.2.99 -p tcp --dport 20:30 -m iprange --src-range 9.1.0.5-9.1.0.9 -j ACCEPT
COMMIT
""",
        """
*filter
:INPUT DROP [0:0]
-A INPUT -m state --state ESTABLISHED -j ACCEPT
-A INPUT -s 2001:db8:25::/48 -p tcp --syn --dport 25 -m state --state NEW -j ACCEPT
COMMIT
""",
    ),
    "chains": rules(
        """
*filter
:INPUT ACCEPT [0:0]
:MAIL - [0:0]
:LOGDROP - [0:0]
:LISTED - [0:0]
-A INPUT -p tcp -m tcp --dport 25 -j MAIL
-A MAIL -s 203.0.113.8/29 -g LOGDROP
-A MAIL -s 203.0.113.0/24 -j LISTED
-A MAIL -i wan+ -s 198.51.100.0/24 -j RETURN
-A MAIL ! -i wan0 -j ACCEPT
-A MAIL -m limit --limit 5/min -j LOG --log-prefix "mail -j ACCEPT "
-A MAIL -j LOGDROP
-A LISTED -s 203.0.113.128/25 -j RETURN
-A LISTED -j ACCEPT
-A LOGDROP -j LOG
-A LOGDROP -p tcp -j REJECT --reject-with tcp-reset
COMMIT
*mangle
-A PREROUTING -s 203.0.113.99 -j MARK --set-xmark 0x1/0xffffffff
-A PREROUTING -s 203.0.113.100 -j DROP
COMMIT
*raw
-A PREROUTING -s 198.51.100.64/26 -j DROP
COMMIT
""",
        """
*filter
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -s 2001:db8:bad::/48 -p tcp -m tcp --dport 25 -j REJECT
-A OUTPUT -d 2001:db8:bae::/48 -j DROP
COMMIT
""",
    ),
    "sets": rules(
        f"""
*filter
:INPUT DROP [0:0]
{USUAL}-A INPUT -p tcp -m set --match-set several src -m set ! --match-set bad src --dport 25 -j ACCEPT
-A INPUT -p tcp -m set --match-set ports src,dst -j ACCEPT
COMMIT
""",
        """
*filter
:INPUT DROP [0:0]
-A INPUT -m conntrack ! --ctstate NEW,INVALID -j ACCEPT
-A INPUT -p tcp --dport 25 -m set --match-set six src -j ACCEPT
COMMIT
""",
        """
create good hash:net family inet hashsize 1024 maxelem 65536
add good 203.0.113.0/24
add good 203.0.113.64/26 nomatch
add good 203.0.113.80/28
create more hash:ip family inet hashsize 1024 maxelem 65536 comment
add more 198.51.100.7 comment "a \\ b"
add more 198.51.100.8
create several list:set size 8
add several good
add several more
create bad hash:ip family inet hashsize 1024 maxelem 65536 netmask 30
add bad 203.0.113.4
create ports hash:net,port family inet hashsize 1024 maxelem 65536
add ports 192.0.2.0/28,tcp:25
add ports 192.0.2.128/28,udp:25
add ports 192.0.2.64/28,tcp:20-24
create six hash:net family inet6 hashsize 1024 maxelem 65536
add six 2001:db8:1::/64
""",
    ),
    "bitmap": rules(
        "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 25 -m set ! --match-set lan src -j DROP\nCOMMIT",
        "*filter\n:INPUT ACCEPT\n:OUTPUT DROP\n-A OUTPUT -p tcp --sport 25 -m state --state ESTABLISHED -d 2001:db8::/64 -j ACCEPT\nCOMMIT",
        "create lan bitmap:ip range 192.168.0.0/16\nadd lan 192.168.0.0-192.168.3.255\nadd lan 192.168.200.9\n",
    ),
    "open": rules(
        "*filter\n:INPUT ACCEPT\n-A INPUT -p tcp --dport 23 -j DROP\nCOMMIT", "*filter\n:INPUT ACCEPT\nCOMMIT"
    ),
    "translated to itself": rules(
        f"""
*nat
:PREROUTING ACCEPT
-A PREROUTING -p tcp -s 203.0.113.0/24 --dport 2525 -j ACCEPT
-A PREROUTING -p tcp -m addrtype --dst-type LOCAL -s 203.0.113.0/25 --dport 25 -j DNAT --to-destination :25
COMMIT
*filter
:INPUT DROP
{USUAL}-A INPUT -m conntrack --ctstate DNAT -j ACCEPT
-A INPUT -p tcp -s 203.0.113.0/26 --dport 25 -j ACCEPT
COMMIT
""",
        "*filter\n:INPUT DROP\nCOMMIT",
    ),
}
