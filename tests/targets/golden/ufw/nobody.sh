#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for ufw on the mail server itself
# apply: sh FILE
# check: ufw status numbered
#        ufw show added | grep -v arrowslit    (rules of others: they come after)
# undo:  sh FILE undo
# note:  nobody may connect: this closes the port to everybody but this machine itself
# note:  published ports of Docker containers pass ufw by: for those, target iptables-docker or nftables
# note:  where a rule of others says the same as one of these, the script names it and changes nothing
# note:  rules of others stay: a wide one, such as 25/tcp or Postfix, stands behind these, and undo returns to it

set -eu
LC_ALL=C
export LC_ALL

case $(ufw status) in
*"Status: active"*) ;;
*) echo "ufw is not active: ufw enable, and run this again" >&2; exit 1 ;;
esac

lines='
'
look() { # the rules of ours that are there
	have=$lines$(ufw show added | sed -n "s/^ufw \(.*\) comment 'arrowslit'$/\1/p")$lines
}

has() { # list, rule
	case "$1" in *"$lines$2$lines"*) ;; *) return 1 ;; esac
}

remove() { # those of an action that are not in a list
	ufw show added | sed -n "s/^ufw \($1 .*\) comment 'arrowslit'$/\1/p" | while read -r rule; do
		has "$2" "$rule" || ufw delete $rule </dev/null
	done
}

family() { # of a rule; a range of ports has a colon too
	for word in $1; do
		case $word in
		*/tcp | */udp) ;;
		*:* | "(v6)") echo 6; return ;;
		esac
	done
	echo 4
}

first() { # of the rules of others in a family, its number
	ufw status numbered | while read -r line; do
		case $line in
		*"# arrowslit") ;;
		"["*)
			number=${line#?}
			if [ "$(family "${line%% # *}")" = "$1" ]; then echo ${number%%]*}; fi
			;;
		esac
	done | sed -n 1p
}

put_first() {
	look
	listed | while read -r rule; do
		has "$have" "$rule" || ufw prepend $rule comment 'arrowslit' </dev/null
	done
}

put_behind() {
	refused | while read -r rule; do
		has "$have" "$rule" && continue
		number=$(first "$(family "$rule")")
		ufw ${number:+insert $number} $rule comment 'arrowslit' </dev/null
	done
}

make_way() { # for rules of others in the very words of ours: ufw would leave them where they are, behind the refusal
	have=$lines$(ufw show added | sed -n "/ comment 'arrowslit'$/d; s/ comment '.*//; s/^ufw //p")$lines
	(listed; refused) | {
		code=0
		while read -r rule; do
			for twin in "allow ${rule#* }" "deny ${rule#* }"; do
				if has "$have" "$twin"; then
					echo "in the way, take it out and run this again: ufw delete $twin" >&2
					code=1
				fi
			done
		done
		return $code
	}
}

compare() { # by its words a rule is found again: were they others, what is new would be taken away as old
	(listed; refused) | while read -r rule; do
		has "$have" "allow ${rule#* }" || has "$have" "deny ${rule#* }" || {
			echo "ufw shows this rule in other words, so none was taken away: $rule" >&2
			exit 1
		}
	done
}

if [ "${1:-}" = undo ]; then
	remove deny ""
	remove allow ""
	exit 0
fi

of_ufw='/^#/d' # ufw that leaves IPv6 alone takes no rule for it, and lets nothing of it in
grep -qi '^IPV6=yes' /etc/default/ufw || of_ufw='/^#/d; / from [^ ]*:/d'

listed() {
	sed "$of_ufw" <<'END'
END
}

refused() {
	sed "$of_ufw" <<'END'
deny in on wan0 from 0.0.0.0/1 to any port 25 proto tcp
deny in on wan0 from 128.0.0.0/1 to any port 25 proto tcp
deny in on wan0 from ::/1 to any port 25 proto tcp
deny in on wan0 from 8000::/1 to any port 25 proto tcp
END
}

make_way
put_first
look
put_behind
look
compare
keep=$lines$(listed; refused)$lines
remove deny "$keep"
remove allow "$keep"
put_first
