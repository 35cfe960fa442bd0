"""Postfix behind the gateway: a shell script that root runs there once, and runs again to undo it.

- Relaying: `smtpd_relay_restrictions` begins with a list of the gateway's own, whatever mynetworks and tables say.
- Checks of the client (policy services such as greylisting and SPF, DNS lists, names, HELO) are left out for the
  gateway in the other lists; all else in them stays in force, unknown recipients and senders among it.
- Limits: `smtpd_client_event_limit_exceptions`, and for everybody at the port those that Postfix knows only for all.
- `smtpd_forbid_bare_newline = reject`, the gateway taken out of its exclusions (by default those are mynetworks).
- XFORWARD or XCLIENT, as the policy says.

Never changes what another service has. Milters see the gateway as the client; Postfix can only turn them off wholly.
Sources: postconf(5), XFORWARD_README, XCLIENT_README, POSTSCREEN_README, "SMTP Smuggling" on the site of Postfix.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.targets.inner import SCOPE, TERMS, gateway, identities
from arrowslit.targets.postfix_script import NAMES
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import Body, Place, Target
from arrowslit.targets.text import SHELL

_SHELL: Final = r"""
say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
command -v postconf >/dev/null || die "postconf is not in PATH: is this the mail server?"
etc=$(postconf -h config_directory)
[ -w "$etc/main.cf" ] && [ -w "$etc/master.cf" ] || die "$etc/main.cf and master.cf can't be written: run this as root"
own=$etc/arrowslit-inner
GATEWAY='$arrowslit_inner_gateway' NOT_GATEWAY='$arrowslit_inner_not_gateway'
LISTS='relay client helo sender recipient'
FOR_ALL='smtpd_soft_error_limit=1000 smtpd_hard_error_limit=1000 smtpd_error_sleep_time=0 smtpd_junk_command_limit=1000'
set -f

ours_first() { say "check_client_access cidr:\$config_directory/arrowslit-inner/$1.cidr"; }

# Prints the value of a setting without what we have put first.
base() {
	value=$(postconf -h "$1")
	case $value in
		"$2") ;;
		"$2, "*) say "${value#"$2, "}" ;;
		*) say "$value" ;;
	esac
}

known() { postconf -d "$1" 2>/dev/null | grep -q "^$1 ="; }

# Prints a list without checks of the client's address, name and HELO.
without_client_checks() {
	skip='' before=''
	for word in $(say "$1" | tr ',' ' '); do
		[ -z "$skip" ] || { skip=''; continue; }
		case $word in
			warn_if_reject) before='warn_if_reject '; continue ;;
			check_policy_service | reject_rbl_client | reject_rhsbl_client | reject_rhsbl_reverse_client) skip=1 ;;
			reject_rhsbl_helo | sleep) skip=1 ;;
			reject_unknown_client | reject_unknown_client_hostname | reject_unknown_reverse_client_hostname) ;;
			reject_invalid_helo_hostname | reject_non_fqdn_helo_hostname | reject_unknown_helo_hostname) ;;
			reject_unauth_pipelining | reject_invalid_hostname | reject_non_fqdn_hostname | reject_unknown_hostname) ;;
			*) printf '%s%s ' "$before" "$word" ;;
		esac
		before=''
	done
}

# Prints the services of the ports: "smtp/inet", or what postscreen passes its clients to.
services() {
	postconf -M | while read -r name kind _ _ _ _ _ program _; do
		for port in $PORTS; do
			case $kind/${name##*:}/$program in
				inet/${port%:*}/smtpd | inet/${port#*:}/smtpd) say "$name/inet" ;;
				inet/${port%:*}/postscreen | inet/${port#*:}/postscreen) say smtpd/pass ;;
			esac
		done
	done | sort -u
}

# A service that has one of these of its own would not look at main.cf.
assert_plain() {
	for service in $found; do
		for name in smtpd_client_event_limit_exceptions smtpd_forbid_bare_newline smtpd_forbid_bare_newline_exclusions \
			smtpd_relay_restrictions smtpd_client_restrictions smtpd_helo_restrictions smtpd_sender_restrictions \
			smtpd_recipient_restrictions; do
			! postconf -P "$service/$name" 2>/dev/null | grep -q "$name" ||
				die "$service has a $name of its own in master.cf: move it to main.cf first; nothing was changed"
		done
	done
}

tables() {
	mkdir -p "$own"
	for list in $LISTS; do
		for address in $ADDRESSES; do say "$address arrowslit_inner_$list"; done >"$own/$list.new"
		mv -f "$own/$list.new" "$own/$list.cidr"
	done
	for address in $ADDRESSES; do say "$address permit"; done >"$own/postscreen.new"
	mv -f "$own/postscreen.new" "$own/postscreen.cidr"
}

save() {
	[ ! -f "$own/saved" ] || return 0
	{
		say "main smtpd_forbid_bare_newline $(postconf -n smtpd_forbid_bare_newline 2>/dev/null | sed 's/^[^=]*= *//')"
		for service in $found; do
			for option in $FOR_ALL; do
				name=${option%%=*}
				say "$service $name $(postconf -P "$service/$name" 2>/dev/null | sed 's/^[^=]*= *//')"
			done
		done
	} >"$own/saved.new"
	mv -f "$own/saved.new" "$own/saved"
}

# Adds one line for `postconf -e`; all of them come into force at once.
set_main() { settings="$settings$1=$2
"; }

first() {
	then=$(base "$1" "$2")
	set_main "$1" "$2${then:+, $then}"
}

collect() {
	settings='' classes=$(other_classes)
	set_main arrowslit_inner_gateway "$WORDS"
	set_main arrowslit_inner_not_gateway "$NOT_WORDS"
	set_main arrowslit_inner_relay 'permit_sasl_authenticated, reject_unauth_destination, permit'
	for list in $LISTS; do
		name=smtpd_${list}_restrictions then=$(base "$name" "$(ours_first "$list")")
		if [ "$list" != relay ]; then
			case $then in
				'') continue ;;
				*{*) warn "$name holds { }: leave out its checks of the client for the gateway by hand"; continue ;;
			esac
			set_main "arrowslit_inner_$list" "$(without_client_checks "$then")permit"
		fi
		classes="${classes:+$classes, }arrowslit_inner_$list"
		first "$name" "$(ours_first "$list")"
	done
	set_main smtpd_restriction_classes "$classes"
	first smtpd_client_event_limit_exceptions "$GATEWAY"
	if known smtpd_forbid_bare_newline; then
		set_main smtpd_forbid_bare_newline reject
		first smtpd_forbid_bare_newline_exclusions "$NOT_GATEWAY"
	else
		warn "this Postfix has no smtpd_forbid_bare_newline: update it (3.5.23, 3.6.13, 3.7.9, 3.8.4 or later)"
	fi
	first postscreen_access_list "cidr:\$config_directory/arrowslit-inner/postscreen.cidr"
	for name in $IDENTITY; do first "$name" "$GATEWAY"; done
}

other_classes() {
	postconf -h smtpd_restriction_classes |
		sed 's/arrowslit_inner_[a-z]*//g; s/[,[:space:]][,[:space:]]*/, /g; s/^, //; s/, $//'
}

put_main() {
	IFS='
'
	set -- $settings
	unset IFS
	postconf -e "$@"
}

put_services() {
	set --
	for service in $found; do
		for option in $FOR_ALL; do set -- "$@" "$service/$option"; done
	done
	postconf -P "$@"
}

reload() {
	if postfix status >/dev/null 2>&1; then
		postfix reload
	else
		say "Postfix is not running: this counts from its next start"
	fi
}

# Takes effect until fail2ban starts anew.
tell_fail2ban() {
	command -v fail2ban-client >/dev/null || return 0
	for jail in $(fail2ban-client status 2>/dev/null | sed -n 's/.*Jail list://p' | tr ',' ' '); do
		for address in $ADDRESSES; do fail2ban-client set "$jail" "$1" "$address" >/dev/null || true; done
	done
	warn "fail2ban: ignoreip of jail.local must name $ADDRESSES too, for its next start"
}

apply() {
	found=$(services)
	[ -n "$found" ] || die "master.cf has no smtpd or postscreen on port $PORTS"
	assert_plain
	tables
	save
	collect
	put_main
	put_services
	if ! postfix check; then
		undo
		die "Postfix does not take this: it was taken out again"
	fi
	reload
	tell_fail2ban addignoreip
	say "applied to: $(say $found)"
}

# Sets what was there, or takes out what is as by default.
put_back() {
	if [ "$2" = "$(postconf -dh "$1")" ]; then postconf -X "$1"; else postconf -e "$1=$2"; fi
}

undo() {
	[ -f "$own/saved" ] || die "there is nothing to undo: $own/saved is not there"
	for list in $LISTS; do
		name=smtpd_${list}_restrictions
		put_back "$name" "$(base "$name" "$(ours_first "$list")")"
	done
	for name in smtpd_client_event_limit_exceptions smtpd_authorized_xforward_hosts smtpd_authorized_xclient_hosts; do
		put_back "$name" "$(base "$name" "$GATEWAY")"
	done
	put_back postscreen_access_list \
		"$(base postscreen_access_list "cidr:\$config_directory/arrowslit-inner/postscreen.cidr")"
	if known smtpd_forbid_bare_newline; then
		name=smtpd_forbid_bare_newline_exclusions
		put_back "$name" "$(base "$name" "$NOT_GATEWAY")"
	fi
	put_back smtpd_restriction_classes "$(other_classes)"
	while read -r where name value; do
		case $where/$value in
			main/) ! known "$name" || postconf -X "$name" ;;
			main/*) postconf -e "$name=$value" ;;
			*/) postconf -P -X "$where/$name" || true ;;
			*) postconf -P "$where/$name=$value" ;;
		esac
	done <"$own/saved"
	left=$(sed -n 's/^\(arrowslit_inner_[a-z_]*\)[[:space:]]*=.*/\1/p' "$etc/main.cf")
	[ -z "$left" ] || postconf -X $left
	reload
	tell_fail2ban delignoreip
	rm -rf "$own"
	say "undone: the gateway is a client as any other again"
}

case ${1:-apply} in
	apply) apply ;;
	undo) undo ;;
	*) die "usage: sh $0 [undo]" ;;
esac
"""

_NOTES: Final = (
    "the limits of errors and of idle commands on this port are for everybody: only the gateway should reach it",
    "greylisting, SPF and DNS lists that are milters or content filters (rspamd, Amavis) are told there: the "
    "gateway is an internal address for them",
    "the audit of Arrowslit tries to relay from the gateway's address: run it afterwards",
)
_SETTINGS: Final = {"xforward": "smtpd_authorized_xforward_hosts", "xclient": "smtpd_authorized_xclient_hosts"}


def _body(rules: Rules, place: Place) -> Body:
    text = "set -eu\numask 022\nLC_ALL=C\nexport LC_ALL\n" + "".join(_names(rules, place)) + _SHELL
    check = (
        "postconf -n | grep arrowslit_inner; postconf -P | grep error_limit",
        "from the gateway, by hand: RCPT to a foreign domain gets 554, to one of yours 250",
    )
    return Body(text, ("sh FILE",), check, ("sh FILE undo",), (*_NOTES, *_identity_notes(rules)))


def _names(rules: Rules, place: Place) -> Iterator[str]:
    found = gateway(place)
    words = [f"[{one}]" if one.version == 6 else str(one) for one in found]
    yield f"ADDRESSES='{' '.join(map(str, found))}'\n"
    yield f"WORDS='{', '.join(words)}'\nNOT_WORDS='{', '.join(f'!{one}' for one in words)}'\n"
    yield f"PORTS='{' '.join(f'{port}:{NAMES.get(port, port)}' for port in place.ports)}'\n"
    yield f"IDENTITY='{' '.join(_SETTINGS[one] for one in sorted(identities(rules)) if one in _SETTINGS)}'\n"


def _identity_notes(rules: Rules) -> Iterator[str]:
    told = identities(rules)
    if not told:
        yield 'identify_client is "none": with "xforward" the log here would name the real client'
    if "proxy-v2" in told:
        yield (
            "for PROXY, give the gateway a service of its own in master.cf with -o "
            "smtpd_upstream_proxy_protocol=haproxy: such a port takes nobody else"
        )


INNER_POSTFIX: Final = Target("inner-postfix", "Postfix behind the gateway", SCOPE, TERMS, SHELL, "sh", _body)
