#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for OPNsense
# apply: System > Configuration > Backups: download; note the sources of the rules below
#        System > Access > Users: an API key of a user with the right Firewall: Alias: Edit; put it into a netrc file
#        OPNSENSE=https://192.168.0.1 OPNSENSE_NETRC=FILE-WITH-KEY CURL_CA_BUNDLE=ITS-CERTIFICATE sh FILE
#        Firewall > NAT > Destination NAT (before 26.1: Port Forward), the rule for port 25: Source arrowslit, Invert off; save
#        Firewall > Rules > wan0, the rule that permits port 25 to the mail server: Source arrowslit, Invert off
#        the same in the rule that permits it to the mail server's IPv6 address, if there is one; then Apply changes
# check: Firewall > Diagnostics > Aliases: arrowslit
#        on its console: pfctl -t arrowslit -T show
# undo:  Firewall > NAT > Destination NAT (before 26.1: Port Forward) and Firewall > Rules: the source of before (any), Invert off; Apply changes
#        Firewall > Aliases: delete arrowslit, once no rule has it
#        or System > Configuration > History: restore
# gap:   certificate-entry: The target knows no certificates: whom only such an entry lists is kept out. Waived: a test
#        default/connection_control/only_listed/certificate:mail.filter.example
# gap:   domain-entry: The target does not confirm reverse names: an entry by domain name does not count there. Waived: a test
#        default/connection_control/only_listed/domain:*.branches.example.org
# note:  each other rule on wan0, and each floating rule, that permits the port or everything has to be narrowed, too
# note:  open connections have states that go on: reset those of the mail server (States, Actions)
# note:  nothing takes a wrong rule back by itself: keep another way to the firewall open, and note the old sources

set -eu
: "${OPNSENSE:?where its web interface is, such as https://192.168.0.1}"
: "${OPNSENSE_NETRC:?a file: machine HOST login KEY password SECRET}"

content=
add() { content="${content:+$content\\n}$1"; }

# default/connection_control/only_listed/network:filter  the filtering service
add 83.245.15.239/32
add 198.51.100.10/31
add 198.51.100.12/32
add 198.51.100.14/31
add 198.51.100.16/30
add 198.51.100.20/32
# default/connection_control/only_listed/network:office  printers and clients
add 192.168.0.0/24
# default/connection_control/only_listed/group:203.0.113.0/28
add 203.0.113.0/28
# default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
add 203.0.113.77/32
# default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
add 203.0.113.40/30
add 203.0.113.44/32
# default/connection_control/only_listed/network:filter  the filtering service
add 2001:db8:25::/48

post() {
	curl -fsS --netrc-file "$OPNSENSE_NETRC" -H 'Content-Type: application/json' \
		--data-binary @- "$OPNSENSE/api/firewall/alias/$1"
}
alias='{"enabled":"1","name":"arrowslit","type":"network","content":"%s"}'
answer=$(printf "{\"data\":{\"aliases\":{\"alias\":{\"arrowslit\":$alias}}}}" "$content" | post import)
case $answer in
*'"status":"ok"'* | *'"status": "ok"'*) ;;
*) printf 'refused: %s\n' "$answer" >&2 && exit 1 ;;
esac
printf '{}' | post reconfigure
