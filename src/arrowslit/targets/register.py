"""All targets by name, in the order in which they are listed; each is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Final

from arrowslit.targets.target import Target

MODULES: Final[dict[str, str]] = {
    "nftables": "nftables:NFTABLES",
    "mikrotik": "mikrotik:MIKROTIK",
    "fortigate": "fortigate:FORTIGATE",
    "cisco-ios": "cisco_ios:CISCO_IOS",
    "cisco-asa": "cisco_asa:CISCO_ASA",
    "opnsense": "opnsense:OPNSENSE",
    "pfsense": "pfsense:PFSENSE",
    "sheet": "sheet:SHEET",
    "sheet-markdown": "sheet:SHEET_MARKDOWN",
    "haproxy": "haproxy:HAPROXY",
    "nginx": "nginx:NGINX",
    "aws": "aws:AWS",
    "azure": "azure:AZURE",
    "gcp": "gcp:GCP",
    "terraform": "terraform:TERRAFORM",
    "cloudformation": "cloudformation:CLOUDFORMATION",
    "kubernetes": "kubernetes:KUBERNETES",
    "juniper": "juniper:JUNIPER",
    "paloalto": "paloalto:PALOALTO",
    "pf": "pf:PF",
    "exchange": "exchange:EXCHANGE",
    "exchange-online": "exchange_online:EXCHANGE_ONLINE",
    "exchange-online-certificate": "exchange_online:EXCHANGE_ONLINE_CERTIFICATE",
    "windows-firewall": "windows_firewall:WINDOWS_FIREWALL",
    "exchange-2003": "smtp_service:EXCHANGE_2003",
    "iis-smtp": "smtp_service:IIS_SMTP",
    "nftables-router": "nftables_router:NFTABLES_ROUTER",
    "iptables": "iptables:IPTABLES",
    "iptables-docker": "iptables:IPTABLES_DOCKER",
    "ufw": "ufw:UFW",
    "firewalld": "firewalld:FIREWALLD",
    "openwrt": "openwrt:OPENWRT",
    "postfix": "postfix:POSTFIX",
    "mailcow": "postfix_bundles:MAILCOW",
    "docker-mailserver": "postfix_bundles:DOCKER_MAILSERVER",
    "zimbra": "postfix_bundles:ZIMBRA",
    "mail-in-a-box": "postfix_bundles:MAIL_IN_A_BOX",
    "exim": "exim:EXIM",
    "exim-debian": "exim:EXIM_DEBIAN",
    "exim-cpanel": "exim:EXIM_CPANEL",
    "opensmtpd": "opensmtpd:OPENSMTPD",
    "sendmail": "sendmail:SENDMAIL",
    "inner-postfix": "inner_postfix:INNER_POSTFIX",
    "inner-exim": "inner_exim:INNER_EXIM",
    "inner-exchange": "inner_exchange:INNER_EXCHANGE",
}
"""Name -> module in this package and the name of the target there."""


def target(name: str) -> Target:
    """The target of that name. Raises KeyError."""
    module, _, attribute = MODULES[name].partition(":")
    found: Target = getattr(import_module(f"arrowslit.targets.{module}"), attribute)
    return found


def targets() -> list[Target]:
    """All of them."""
    return [target(name) for name in MODULES]
