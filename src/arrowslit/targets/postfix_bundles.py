r"""Bundles with a Postfix inside, whose files are made anew: mailcow, docker-mailserver, Zimbra, Mail-in-a-Box.

Grants and terms are those of `postfix`, and so is the script, run beside their Postfix; what differs is where a bundle
keeps settings. What is known of each, from its own sources and documentation:

- mailcow: postfix.sh cuts main.cf at "Overrides" at each start of the container and puts data/conf/postfix/extra.cf
  behind; master.cf in the same folder stays; docker-entrypoint.sh runs data/hooks/postfix/* before. Port 25 is
  postscreen. No part of extra.cf can be for port 25 alone, so the service is set in master.cf, and the script is a hook
  that does so again after an update has replaced it.
- docker-mailserver: at a start, each line of config/postfix-master.cf goes through `postconf -P`, then
  config/postfix-main.cf is put behind main.cf and `postconf -n` makes one of both, without settings that nothing
  refers to ("Override the Default Configs"). Its client and recipient restrictions refuse relaying behind mynetworks.
- Zimbra: zmconfigd makes master.cf from master.cf.in whenever a setting changes, and gives main.cf those settings that
  LDAP has, no others; so ours stay in main.cf, and the service's go into the template too. An upgrade lays both anew.
- Mail-in-a-Box: setup/mail-postfix.sh edits single settings of main.cf and the submission services of master.cf, at
  each update. Nothing of ours is among them. It has no hooks.

Never asks Docker or LDAP for anything, never touches what a bundle keeps elsewhere.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from arrowslit.targets.postfix_lists import MORE_GAPS, TERMS
from arrowslit.targets.postfix_script import Home, body
from arrowslit.targets.target import ALL, Target
from arrowslit.targets.text import SHELL

_HIDDEN: Final = (
    "Docker without IPv6 in its network, or with a userland proxy, shows strangers as 172.x: check in the log that "
    "clients come with their own addresses, IPv6 too, before any address of Docker is listed"
)

_MAILCOW: Final = Home(
    apply=(
        "in the folder of mailcow: cp FILE data/hooks/postfix/arrowslit.sh && chmod +x data/hooks/postfix/arrowslit.sh",
        "docker compose exec postfix-mailcow /hooks/arrowslit.sh",
    ),
    check=(
        "docker compose exec postfix-mailcow postconf -c /opt/postfix/conf -P | grep arrowslit",
        "grep arrowslit data/conf/postfix/extra.cf",
    ),
    undo=(
        "docker compose exec postfix-mailcow /hooks/arrowslit.sh undo",
        "rm data/hooks/postfix/arrowslit.sh",
    ),
    notes=(_HIDDEN,),
    before="MAIL_CONFIG=${MAIL_CONFIG:-/opt/postfix/conf}\nexport MAIL_CONFIG\n",
    keep=r"""kept() { put_block "$etc/extra.cf" "$(our_settings)"; }
unkept() { put_block "$etc/extra.cf" ""; }
checked() { postconf >/dev/null; }
""",
    compares_domains=False,  # as a hook it runs before there is a database to ask
)

_DOCKER_MAILSERVER: Final = Home(
    apply=(
        "cp FILE docker-data/dms/config/arrowslit.sh",
        "docker exec mailserver sh /tmp/docker-mailserver/arrowslit.sh",
    ),
    check=(
        "docker exec mailserver postconf -P | grep arrowslit",
        "grep arrowslit docker-data/dms/config/postfix-main.cf docker-data/dms/config/postfix-master.cf",
    ),
    undo=(
        "docker exec mailserver sh /tmp/docker-mailserver/arrowslit.sh undo",
        "rm docker-data/dms/config/arrowslit.sh",
    ),
    notes=(_HIDDEN,),
    before="bundle=${DMS_CONFIG:-/tmp/docker-mailserver}\n",
    own="own=$bundle/arrowslit\n",
    keep=r"""kept() {
	put_block "$bundle/postfix-main.cf" "$(our_settings)"
	options=$(for service in $found; do our_values "$service" | sed "s:^:$service/:"; done)
	put_block "$bundle/postfix-master.cf" "$options"
}
unkept() {
	put_block "$bundle/postfix-main.cf" ""
	put_block "$bundle/postfix-master.cf" ""
}
""",
)

_ZIMBRA: Final = Home(
    check=(
        "postconf -P | grep arrowslit (as zimbra)",
        "grep arrowslit /opt/zimbra/common/conf/master.cf.in /opt/zimbra/common/conf/main.cf",
    ),
    notes=("an upgrade of Zimbra lays its files anew: run this again afterwards",),
    before="PATH=/opt/zimbra/common/sbin:$PATH\n",
    keep=r"""kept() {
	template=$etc/master.cf.in
	unkept
	for service in $found; do
		printf '%s\n' "$BEGIN" "$(our_values "$service" | sed 's/^/	-o /')" "$END" >"$stage/options"
		name=$(printf '%s' "${service%/*}" | sed 's/[]$*.^[]/\\&/g')
		cp -p "$template" "$template.new"
		sed "\:^$name[[:space:]][[:space:]]*${service##*/}[[:space:]]:r $stage/options" "$template" >"$template.new"
		mv -f "$template.new" "$template"
	done
}
unkept() { put_block "$etc/master.cf.in" ""; }
""",
)

_MAIL_IN_A_BOX: Final = Home(
    notes=("an update of Mail-in-a-Box keeps this; run it again when the update has changed other restrictions",),
)


def _target(name: str, title: str, home: Home) -> Target:
    return Target(name, title, ALL, TERMS, SHELL, "sh", partial(body, home=home), MORE_GAPS)


MAILCOW: Final = _target("mailcow", "the Postfix in mailcow", _MAILCOW)
DOCKER_MAILSERVER: Final = _target("docker-mailserver", "the Postfix in docker-mailserver", _DOCKER_MAILSERVER)
ZIMBRA: Final = _target("zimbra", "the Postfix in Zimbra", _ZIMBRA)
MAIL_IN_A_BOX: Final = _target("mail-in-a-box", "the Postfix in Mail-in-a-Box", _MAIL_IN_A_BOX)
