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
# note:  nobody may connect: a rule that has this as its source lets nobody in; another rule that permits the port still does
# note:  each other rule on wan0, and each floating rule, that permits the port or everything has to be narrowed, too
# note:  open connections have states that go on: reset those of the mail server (States, Actions)
# note:  nothing takes a wrong rule back by itself: keep another way to the firewall open, and note the old sources

set -eu
: "${OPNSENSE:?where its web interface is, such as https://192.168.0.1}"
: "${OPNSENSE_NETRC:?a file: machine HOST login KEY password SECRET}"

content=
add() { content="${content:+$content\\n}$1"; }


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
