"""nginx's stream module in front of the mail server: a server block to be included.

Grants: connecting; a refused client's connection is taken and closed at once, before it hears anything. Terms: both
families, and `observe`, where a log of its own has who would have been refused. It never decides on delivering or
relaying: for that the server behind must see the client, which is what the PROXY header is for (version 1 here).

`allow` and `deny` are tried in order and the default is to let in, so a list of who may always ends in `deny all`,
also where it is empty. Sources: nginx's documentation of ngx_stream_core_module, ngx_stream_access_module,
ngx_stream_proxy_module, ngx_stream_geo_module, ngx_stream_log_module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from arrowslit.policy.parts import OBSERVE
from arrowslit.targets.fronts import SILENCE, notes, server_behind
from arrowslit.targets.gaps import Term
from arrowslit.targets.rules import Rules
from arrowslit.targets.target import CONNECT, Body, Place, Target
from arrowslit.targets.text import HASH, about, prefixes

LOG: Final = "/var/log/nginx/arrowslit.log"


def _write(rules: Rules, place: Place) -> Body:
    server = server_behind(place)
    shown = f"[{server}]" if server.version == 6 else str(server)
    watched = rules.server.mode == OBSERVE
    listening = "".join(f"\tlisten {port};\n\tlisten [::]:{port} ipv6only=on;\n" for port in place.ports)
    return Body(
        f"""{"".join(_watching(rules)) if watched else ""}server {{
{listening}	proxy_pass {shown}:$server_port;
	proxy_protocol on;
	proxy_timeout {SILENCE};

{f"	access_log {LOG} arrowslit if=$arrowslit_refused;{chr(10)}" if watched else "".join(_access(rules))}}}
""",
        apply=(
            "the first time: put  stream { include FILE; }  at the top level of /etc/nginx/nginx.conf, or the include "
            "into the stream block that is there, and remove the server that has the port now",
            "later: keep FILE as FILE.before and replace it",
            "nginx -t && nginx -s reload",
        ),
        check=(
            f"nginx -T | grep -nE 'listen.*[^0-9]({'|'.join(map(str, place.ports))})[ ;]'",
            f"cat {LOG}" if watched else "nginx -T | grep -c 'deny all'",
        ),
        undo=("put FILE.before back, or take the include out; then nginx -t && nginx -s reload",),
        notes=(
            *notes(server, "version 1"),
            "Debian has the stream module in the package libnginx-mod-stream",
            "connections that are open at a reload go on with the old list",
        ),
    )


def _access(rules: Rules) -> Iterator[str]:
    verb = "allow" if rules.connect.only_listed else "deny"
    for text in _listed(rules):
        yield f"\t{text if text.startswith('#') else f'{verb} {text};{chr(10)}'}"
    yield f"\t{'deny' if rules.connect.only_listed else 'allow'} all;\n"


def _watching(rules: Rules) -> Iterator[str]:
    """A variable that says who would be refused, and how his connection is logged."""
    refused = "0" if rules.connect.only_listed else "1"
    yield f"geo $arrowslit_refused {{\n\tdefault {1 - int(refused)};\n"
    for text in _listed(rules):
        yield f"\t{text if text.startswith('#') else f'{text} {refused};{chr(10)}'}"
    yield "}\nlog_format arrowslit '$time_iso8601 $remote_addr';\n\n"


def _listed(rules: Rules) -> Iterator[str]:
    """Comment lines and addresses, those without the end of a line."""
    for source in rules.connect.sources:
        own = [*prefixes(source.addresses, 4), *prefixes(source.addresses, 6)]
        yield from ([HASH.line(about(source)), *own] if own else [])


NGINX: Final = Target(
    "nginx",
    "nginx in front of the mail server (stream)",
    CONNECT,
    frozenset({Term.IPV6, Term.OBSERVE}),
    HASH,
    "conf",
    _write,
)
