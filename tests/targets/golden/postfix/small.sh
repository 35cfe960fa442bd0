#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for Postfix on the mail server
# apply: sh FILE
# check: postconf -P | grep arrowslit; postconf -n | grep arrowslit
#        postmap -q ADDRESS cidr:$(postconf -h arrowslit_tables)/connect.cidr
# undo:  sh FILE undo
# note:  mynetworks gives no right to connect, deliver or relay on this port any more: programs of this machine that send by 127.0.0.1:25 must be listed, or use sendmail or submission
# note:  sessions that are open when this is applied go on by the lists of before
# note:  where a proxy or Docker hides the client's address, everybody looks like one client: list none of those addresses
# note:  wide rules beside this one: permit_mynetworks, permit in tables and other inet services, see postconf -n, -P, -M
# note:  smtpd_data_restrictions of before are copied behind ours: run this again when you change them

set -eu
umask 022
LC_ALL=C
export LC_ALL
say() { printf '%s\n' "$*"; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }
command -v postconf >/dev/null || die "postconf is not in PATH: is this the mail server?"
etc=$(postconf -h config_directory)
[ -w "$etc/main.cf" ] && [ -w "$etc/master.cf" ] || die "$etc/main.cf and master.cf can't be written: run this as root"
postconf -d smtpd_relay_restrictions >/dev/null 2>&1 || die "this Postfix is older than 2.10"
own=$etc/arrowslit
DIGEST=330ab0c51d10
PORTS='25:smtp'
ALL_SERVICE_SETTINGS='smtpd_relay_restrictions smtpd_client_restrictions smtpd_data_restrictions smtpd_delay_reject plaintext_reject_code unknown_client_reject_code mynetworks message_size_limit smtpd_recipient_limit'
ACCEPTED='example.org example.net'
saved=$own/saved stage=$own/stage
kept() { :; }
unkept() { :; }
checked() { postfix check; }

# Edits and reads the copies, never the files in use.
staged() {
	postconf -c "$stage" "$@" 2>"$stage/said" || { cat "$stage/said" >&2; return 1; }
}

# Prints the services of a port: "smtp/inet", or what postscreen passes its clients to.
services() {
	postconf -M | while read -r name kind _ _ _ _ _ program _; do
		case $kind/${name##*:}/$program in
			inet/$1/smtpd | inet/$2/smtpd) say "$name/inet" ;;
			inet/$1/postscreen | inet/$2/postscreen) say smtpd/pass ;;
		esac
	done
}

# Prints "SERVICE SETTING VALUE" for what a service of the stage has of our settings; no value where it has none.
service_settings() {
	staged -P "$1" >"$stage/options" || true
	for name in $ALL_SERVICE_SETTINGS; do
		say "$1 $name $(sed -n "s|^.*/$name = *||p" "$stage/options")"
	done
}

# Fills the stage with both files as they are without our settings.
without_ours() {
	rm -rf "$stage"
	mkdir -p "$stage"
	for file in main.cf master.cf; do
		if [ -f "$saved/$file.before" ] && cmp -s "$etc/$file" "$saved/$file.after"; then
			cp -p "$saved/$file.before" "$stage/$file"
		else
			cp -p "$etc/$file" "$stage/$file"
		fi
		# postconf would write behind a last line that is not ended.
		[ -z "$(tail -c 1 "$stage/$file")" ] || say >>"$stage/$file"
	done
	strip_master
	strip_main
}

strip_master() {
	[ -f "$saved/services" ] || return 0
	for service in $(sed 's/ .*//' "$saved/services" | sort -u); do
		[ "$(staged -h -P "$service/smtpd_relay_restrictions")" = '$arrowslit_gate' ] || continue
		while read -r owner name value; do
			[ "$owner" != "$service" ] || give_back "$service" "$name" "$value"
		done <"$saved/services"
	done
}

# Words of a list may be divided by commas, and a value here must hold no spaces.
give_back() {
	if [ -z "$3" ]; then
		staged -P -X "$1/$2" || true
	else
		case $3 in
			*{*) warn "$1 had -o { $2 = $3 }: put this back into $etc/master.cf by hand"; staged -P -X "$1/$2" ;;
			*) staged -P "$1/$2=$(printf '%s' "$3" | sed 's/[,[:space:]][,[:space:]]*/,/g')" ;;
		esac
	fi
}

strip_main() {
	old=$(sed -n 's/^\(arrowslit_[a-z0-9_]*\)[[:space:]]*=.*/\1/p' "$stage/main.cf")
	[ -n "$old" ] || return 0
	left=$(staged -h smtpd_restriction_classes |
		sed 's/arrowslit_[a-z0-9_]*//g; s/[,[:space:]][,[:space:]]*/ /g; s/^ //; s/ $//')
	if [ -n "$left" ]; then
		staged -e "smtpd_restriction_classes = $left"
	else
		staged -X smtpd_restriction_classes
	fi
	staged -X $old
}

# Waits until files and folders are on the disk; an older sync knows only all of them.
to_disk() { sync "$@" 2>/dev/null || sync; }

# Renames a whole file into place; the target of a symbolic link, not the link.
install_file() {
	real=$(readlink -f "$etc/$1" || say "$etc/$1")
	cp -p "$stage/$1" "$real.arrowslit"
	to_disk "$real.arrowslit"
	mv -f "$real.arrowslit" "$real"
	to_disk "${real%/*}"
}

reload() {
	if postfix status >/dev/null 2>&1; then
		postfix reload
	else
		say "Postfix is not running: this counts from its next start"
	fi
}

undo() {
	[ -d "$saved" ] || die "there is nothing to undo: $saved is not there"
	unkept
	without_ours
	install_file master.cf
	reload
	install_file main.cf
	reload
	rm -rf "$own"
	say "undone: Postfix has the settings again that it had before"
}

write_tables() {
cat >"$1/connect.cidr" <<'END_OF_TABLE'
# default/connection_control/only_listed/network:filter  the filtering service
83.245.15.239            arrowslit_recipient
198.51.100.10/31         arrowslit_recipient
198.51.100.12            arrowslit_recipient
198.51.100.14/31         arrowslit_recipient
198.51.100.16/30         arrowslit_recipient
198.51.100.20            arrowslit_recipient
2001:db8:25::/48         arrowslit_recipient
# default/connection_control/only_listed/network:office  printers and clients
192.168.0.0/24           arrowslit_recipient
# default/connection_control/only_listed/group:203.0.113.0/28
203.0.113.0/28           arrowslit_recipient
# default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
203.0.113.77             arrowslit_recipient
# default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
203.0.113.40/30          arrowslit_recipient
203.0.113.44             arrowslit_recipient
END_OF_TABLE
cat >"$1/data-again.cidr" <<'END_OF_TABLE'
# default/connection_control/only_listed/network:filter  the filtering service
83.245.15.239            arrowslit_data_then
198.51.100.10/31         arrowslit_data_then
198.51.100.12            arrowslit_data_then
198.51.100.14/31         arrowslit_data_then
198.51.100.16/30         arrowslit_data_then
198.51.100.20            arrowslit_data_then
2001:db8:25::/48         arrowslit_data_then
# default/connection_control/only_listed/network:office  printers and clients
192.168.0.0/24           arrowslit_data_then
# default/connection_control/only_listed/group:203.0.113.0/28
203.0.113.0/28           arrowslit_data_then
# default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
203.0.113.77             arrowslit_data_then
# default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
203.0.113.40/30          arrowslit_data_then
203.0.113.44             arrowslit_data_then
END_OF_TABLE
cat >"$1/recipients.regexp" <<'END_OF_TABLE'
# routing local parts (user%domain, domain!user): only for whoever may relay
/[%!@].*@[^@]*$/  DUNNO
/@example\.net$/  arrowslit_handled
/@example\.org$/  arrowslit_handled
END_OF_TABLE
cat >"$1/relay.cidr" <<'END_OF_TABLE'
# default/relay_restrictions/only_listed/computer:192.168.0.40  scanner
192.168.0.40             permit
END_OF_TABLE
}

# Makes a class of what a service had in a list: of its own, else that of main.cf.
copy_list() {
	then=$(staged -h -P "$3/$2")
	[ -n "$then" ] || then=$(staged -h "$2")
	staged -e "$1 = ${then:+$then, }permit"
}

# Other lists of the service may refuse relaying too, behind permit_mynetworks. There our relay list counts as
# mynetworks; what mynetworks would give beyond is refused by ours all the same.
let_relay() {
	for list in client helo sender recipient; do
		said=$(staged -h -P "$1/smtpd_${list}_restrictions")
		[ -n "$said" ] || said=$(staged -h "smtpd_${list}_restrictions")
		case $said in
			*permit_mynetworks*_unauth_destination*)
				networks=$(staged -h -P "$1/mynetworks")
				[ -n "$networks" ] || networks=$(staged -h mynetworks)
				staged -e "arrowslit_mynetworks = cidr:\$arrowslit_tables/relay.cidr, $networks"
				staged -P "$1/mynetworks=\$arrowslit_mynetworks"
				return
				;;
			*_unauth_destination*)
				warn "smtpd_${list}_restrictions refuses relaying too: whoever may relay must pass it as well"
				;;
		esac
	done
}

settings() {
	copy_list arrowslit_data_then smtpd_data_restrictions $found
	staged -e "arrowslit_tables = $tables" \
		"smtpd_restriction_classes = ${old_classes:+$old_classes, }arrowslit_recipient, arrowslit_handled, arrowslit_data_then" \
		'arrowslit_data = check_client_access cidr:$arrowslit_tables/data-again.cidr, reject' \
		'arrowslit_gate = check_client_access cidr:$arrowslit_tables/connect.cidr, reject' \
		'arrowslit_recipient = check_recipient_access regexp:$arrowslit_tables/recipients.regexp, check_client_access cidr:$arrowslit_tables/relay.cidr, reject_unauth_destination, reject' \
		'arrowslit_handled = reject_unauth_destination, permit'
}

service_values() {
	let_relay "$1"
	staged -P "$1/"'smtpd_data_restrictions=$arrowslit_data' "$1/"'smtpd_relay_restrictions=$arrowslit_gate'
}

probes() {
	probe connect.cidr 83.245.15.239 'arrowslit_recipient'
	probe connect.cidr 83.245.15.240 ''
	:
}

# Asks a table before it is in use.
probe() {
	got=$(postmap -q "$2" "cidr:$tables.new/$1" || true)
	[ "$got" = "$3" ] || die "$1 says '$got' of $2 and should say '$3': nothing was changed"
	say "probe: $2 -> ${got:-not listed}"
}

apply() {
	found=$(for port in $PORTS; do services "${port%:*}" "${port#*:}"; done | sort -u)
	[ -n "$found" ] || die "master.cf has no smtpd or postscreen on port $PORTS"
	tables=$own/$DIGEST
	rm -rf "$tables.new" "$tables.old"
	mkdir -p "$tables.new"
	write_tables "$tables.new"
	probes
	[ ! -d "$tables" ] || mv "$tables" "$tables.old"
	mv "$tables.new" "$tables"
	without_ours
	mkdir -p "$saved"
	cp -p "$stage/main.cf" "$saved/main.cf.before"
	cp -p "$stage/master.cf" "$saved/master.cf.before"
	for service in $found; do
		service_settings "$service"
	done >"$saved/services.new"
	mv "$saved/services.new" "$saved/services"
	to_disk "$saved"/* "$saved" "$tables"/* "$tables" "$own"
	old_classes=$(staged -h smtpd_restriction_classes)
	settings
	for service in $found; do
		service_values "$service"
	done
	cp -p "$etc/main.cf" "$saved/main.cf.last"
	cp -p "$etc/master.cf" "$saved/master.cf.last"
	install_file main.cf
	install_file master.cf
	if ! checked; then
		cp -p "$saved/main.cf.last" "$saved/master.cf.last" "$stage/"
		mv "$stage/main.cf.last" "$stage/main.cf"
		mv "$stage/master.cf.last" "$stage/master.cf"
		install_file master.cf
		install_file main.cf
		die "Postfix does not take this: everything is as it was"
	fi
	cp -p "$etc/main.cf" "$saved/main.cf.after"
	cp -p "$etc/master.cf" "$saved/master.cf.after"
	kept
	if [ -f "$0" ]; then
		cp "$0" "$own/applied.new"
		mv -f "$own/applied.new" "$own/applied.sh"
	fi
	reload
	for folder in "$own"/*/; do
		case $folder in
			"$saved/" | "$tables/") ;;
			*) rm -rf "$folder" ;;
		esac
	done
	compare_domains
	say "applied to: $(say $found)"
}

domains() { postconf -xh mydestination virtual_mailbox_domains virtual_alias_domains relay_domains; }

# Does Postfix handle that domain, by one of its own lists?
handled() {
	for word in $(domains | tr ',' ' '); do
		word=${word#proxy:} # its server may not be running
		case $word in
			*:*) ! postmap -q "$1" "$word" >/dev/null 2>&1 || return 0 ;;
			/*) ! grep -qixF "$1" "$word" 2>/dev/null || return 0 ;;
			*)
				word=$(say "$word" | tr 'A-Z' 'a-z')
				case $1 in
					"$word" | *".${word#.}") return 0 ;;
				esac
				;;
		esac
	done
	return 1
}

accepted() {
	for name in $ACCEPTED; do
		case $name in
			\*.*) case $1 in *"${name#\*}") return 0 ;; esac ;;
			"$1") return 0 ;;
		esac
	done
	return 1
}

compare_domains() {
	set -f
	for name in $ACCEPTED; do
		handled "$(say "$name" | sed 's/^\*/any/')" ||
			warn "the policy accepts $name, and Postfix does not handle it (relay_domains, transport_maps): refused"
	done
	for word in $(domains | tr 'A-Z,' 'a-z '); do
		case $word in
			*:* | /* | localhost | localhost.*) ;;
			*) accepted "$word" || warn "Postfix handles $word, and the policy does not accept it: refused" ;;
		esac
	done
	set +f
}

case ${1:-apply} in
	apply) apply ;;
	undo) undo ;;
	*) die "usage: sh $0 [undo]" ;;
esac
