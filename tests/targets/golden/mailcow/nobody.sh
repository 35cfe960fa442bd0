#!/bin/sh
# Arrowslit: policy.toml, virtual server default, for the Postfix in mailcow
# apply: in the folder of mailcow: cp FILE data/hooks/postfix/arrowslit.sh && chmod +x data/hooks/postfix/arrowslit.sh
#        docker compose exec postfix-mailcow /hooks/arrowslit.sh
# check: docker compose exec postfix-mailcow postconf -c /opt/postfix/conf -P | grep arrowslit
#        grep arrowslit data/conf/postfix/extra.cf
# undo:  docker compose exec postfix-mailcow /hooks/arrowslit.sh undo
#        rm data/hooks/postfix/arrowslit.sh
# note:  nobody may connect: this refuses the mail of every client
# note:  Docker without IPv6 in its network, or with a userland proxy, shows strangers as 172.x: check in the log that clients come with their own addresses, IPv6 too, before any address of Docker is listed
# note:  mynetworks gives no right to connect, deliver or relay on this port any more: programs of this machine that send by 127.0.0.1:25 must be listed, or use sendmail or submission
# note:  sessions that are open when this is applied go on by the lists of before
# note:  where a proxy or Docker hides the client's address, everybody looks like one client: list none of those addresses
# note:  wide rules beside this one: permit_mynetworks, permit in tables and other inet services, see postconf -n, -P, -M
# note:  smtpd_data_restrictions of before are copied behind ours: run this again when you change them

MAIL_CONFIG=${MAIL_CONFIG:-/opt/postfix/conf}
export MAIL_CONFIG
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
DIGEST=6ddee3f17e88
PORTS='25:smtp'
ALL_SERVICE_SETTINGS='smtpd_relay_restrictions smtpd_client_restrictions smtpd_data_restrictions smtpd_delay_reject plaintext_reject_code unknown_client_reject_code mynetworks message_size_limit smtpd_recipient_limit'
ACCEPTED='example.org'
saved=$own/saved stage=$own/stage
kept() { :; }
unkept() { :; }
checked() { postfix check; }

BEGIN='# arrowslit: begin' END='# arrowslit: end'

# Prints a file without our block, ending in a whole line.
without_block() {
	sed "/^$BEGIN\$/,/^$END\$/d" "$1"
	[ -z "$(tail -c 1 "$1")" ] || say
}

# Puts lines at the end of a file of the bundle, in place of those of before; with no lines, only takes them out.
put_block() {
	[ -f "$1" ] || : >"$1"
	cp -p "$1" "$1.new"
	without_block "$1" >"$1.new"
	[ -z "$2" ] || printf '%s\n' "$BEGIN" "$2" "$END" >>"$1.new"
	mv -f "$1.new" "$1"
	[ -s "$1" ] || rm -f "$1"
}

# Prints our lines of main.cf.
our_settings() { sed -n '/^arrowslit_[a-z0-9_]* *=/p; /^smtpd_restriction_classes *=/p' "$etc/main.cf"; }

# Prints "SETTING=VALUE" for what a service has of us.
our_values() {
	for name in $ALL_SERVICE_SETTINGS; do
		value=$(postconf -h -P "$1/$name" 2>/dev/null)
		grep -qxF "$1 $name $value" "$saved/services" || say "$name=$value"
	done
}
kept() { put_block "$etc/extra.cf" "$(our_settings)"; }
unkept() { put_block "$etc/extra.cf" ""; }
checked() { postconf >/dev/null; }

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
cat >"$1/recipients.regexp" <<'END_OF_TABLE'
# routing local parts (user%domain, domain!user): only for whoever may relay
/[%!@].*@[^@]*$/  DUNNO
/@example\.org$/  arrowslit_handled
END_OF_TABLE
}

# Makes a class of what a service had in a list: of its own, else that of main.cf.
copy_list() {
	then=$(staged -h -P "$3/$2")
	[ -n "$then" ] || then=$(staged -h "$2")
	staged -e "$1 = ${then:+$then, }permit"
}

settings() {
	copy_list arrowslit_data_then smtpd_data_restrictions $found
	staged -e "arrowslit_tables = $tables" \
		"smtpd_restriction_classes = ${old_classes:+$old_classes, }arrowslit_recipient, arrowslit_handled, arrowslit_data_then" \
		'arrowslit_data = reject' \
		'arrowslit_gate = reject' \
		'arrowslit_recipient = check_recipient_access regexp:$arrowslit_tables/recipients.regexp, reject_unauth_destination, reject' \
		'arrowslit_handled = reject_unauth_destination, permit'
}

service_values() {
	staged -P "$1/"'smtpd_data_restrictions=$arrowslit_data' "$1/"'smtpd_relay_restrictions=$arrowslit_gate'
}

probes() {
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

compare_domains() { :; }

case ${1:-apply} in
	apply) apply ;;
	undo) undo ;;
	*) die "usage: sh $0 [undo]" ;;
esac
