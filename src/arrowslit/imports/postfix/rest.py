"""Settings that nobody asked for: those that decide about clients or mail are left by name, the others in one line."""

from __future__ import annotations

from typing import Final

from arrowslit.imports.imported import Imported, Origin
from arrowslit.imports.postfix.tables import Tables
from arrowslit.imports.postfix.text import Files

_REFUSES: Final = {
    "smtpd_milters": "programs that Postfix asks about mail; content filtering is set up apart",
    "smtpd_proxy_filter": "a filter that sees mail before it is taken",
    "content_filter": "a filter that sees mail after it is taken",
    "header_checks": "what mail holds is for content filtering",
    "body_checks": "what mail holds is for content filtering",
    "mime_header_checks": "what mail holds is for content filtering",
    "nested_header_checks": "what mail holds is for content filtering",
    "smtpd_helo_required": "no policy asks for HELO; the gateway does, as RFC 5321 says",
    "strict_rfc821_envelopes": "the gateway has rules of its own for addresses",
    "smtpd_reject_unlisted_sender": "no policy asks whether a sender exists",
    "smtpd_sender_login_maps": 'sender_addresses = "own" of authentication is the same for a directory',
    "smtpd_tls_req_ccert": "list the certificates: { certificate = ... }",
    "smtpd_upstream_proxy_protocol": "whose PROXY header is trusted stands in the settings of a node",
    "postscreen_upstream_proxy_protocol": "whose PROXY header is trusted stands in the settings of a node",
    "smtpd_command_filter": "commands are not rewritten",
}
_RECIPIENTS: Final = {
    "local_recipient_maps": "which recipients exist is told by the next hop, or by its recipients_file",
    "relay_recipient_maps": "which recipients exist is told by the next hop, or by its recipients_file",
    "smtpd_reject_unlisted_recipient": "which recipients exist is told by the next hop",
    "smtpd_authorized_xclient_hosts": "whose XCLIENT is trusted stands in the settings of a node",
    "transport_maps": "where mail goes is a next hop: write it by hand",
    "relay_transport": "where mail goes is a next hop: write it by hand",
}
_LOUD: Final = ("smtpd_", "postscreen_", "permit_", "reject_", "check_")
_QUIET: Final = (
    "smtpd_tls_", "smtpd_banner", "smtpd_sasl_", "smtpd_timeout", "smtpd_error", "smtpd_soft", "smtpd_hard",
    "smtpd_junk", "smtpd_history", "smtpd_log", "smtpd_discard", "smtpd_noop", "smtpd_forbid", "postscreen_cache",
    "postscreen_greet_wait", "smtpd_delay_open", "smtpd_peername",
)  # fmt: skip


def leave_the_rest(files: Files, tables: Tables, found: Imported) -> None:
    """Every setting that was not read, and every file that nothing names."""
    quiet: list[str] = []
    asked = files.used - set(_RECIPIENTS)
    settings = [*files.settings.items(), *(pair for one in files.services for pair in one.options.items())]
    for name, setting in settings:
        if name in _REFUSES or name in _RECIPIENTS:
            if setting.value and setting.value.lower() not in {"no", "static:all"}:
                says = _REFUSES.get(name) or _RECIPIENTS[name]
                found.leave(setting.origin, f"{name} = {setting.value}", says, widens=name in _REFUSES)
        elif name in asked:
            continue
        elif name.startswith(_LOUD) and not name.startswith(_QUIET):
            found.leave(setting.origin, f"{name} = {setting.value}", "this setting is not read", "see what it refuses")
        else:
            quiet.append(name)
    if quiet:
        origin = Origin(next(iter(files.settings.values())).origin.file)
        names = ", ".join(sorted(set(quiet)))
        found.remark(origin, names, "these say nothing about who may connect, deliver or relay")
    for source in files.tables:
        if source.name not in tables.used:
            found.leave(Origin(source.name), "", "nothing that was read names this file", "see what it was meant for")
